//! Commands that work, fail, hang, flood and leave children behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gitbarge_alert_exec::{ExecAlerter, ExecConfig};
use gitbarge_core::{Alerter as _, Error, ErrorKind, Event, Result, Run, Secret};
use gitbarge_testkit::alerter::alert;
use tokio::time::{sleep, timeout};

/// How long anything that a test waits for may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Starts a process that ignores SIGTERM and would write a file, and waits for it.
const STUBBORN_FAMILY: &str = r#"
sh -c 'trap "" TERM; echo $$ > grandchild; while :; do sleep 0.01; [ -e go ] && : > late; done' &
trap "" TERM
while [ ! -s grandchild ]; do sleep 0.01; done
echo here I am
mv grandchild started
wait
while :; do sleep 1; done
"#;

struct Scene {
    folder: tempfile::TempDir,
    config: ExecConfig,
}

impl Scene {
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = ExecConfig::new(["sh", "-c", script, "name", "one two; $(false)"]);
        config.directory = Some(folder.path().to_owned());
        Self { folder, config }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn alerter(&self) -> ExecAlerter {
        ExecAlerter::new(self.config.clone()).unwrap()
    }

    async fn tell(&self) -> Result<()> {
        let alert = alert(Event::Failed, "site");
        self.alerter().alert(&alert, &Run::standalone("site")).await
    }

    async fn fails(&self, kind: ErrorKind) -> Error {
        let error = self.tell().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        error
    }

    /// What a script has written.
    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Asserts that the process that a script has named ends: one that lived would write a file, now that it may.
    async fn assert_family_is_gone(&self) {
        let id = self.read("started");
        let process = PathBuf::from(format!("/proc/{}", id.trim()));
        until(|| is_gone(&process)).await;
        fs::write(self.path("go"), "").unwrap();
        sleep(Duration::from_millis(50)).await;
        assert!(!self.path("late").exists());
    }
}

/// Whether a process has ended; its number may not be free yet.
fn is_gone(process: &Path) -> bool {
    match fs::read_to_string(process.join("stat")) {
        Ok(stat) => stat
            .rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('Z')),
        Err(_) => true,
    }
}

async fn until(mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("in time");
}

#[tokio::test]
async fn arguments_come_as_they_are_and_what_happened_is_in_the_environment() {
    let scene = Scene::new(
        r#"printf '%s|' "$#" "$1" "$GITBARGE_EVENT" "$GITBARGE_PIPELINE" "$GITBARGE_REF" "$GITBARGE_HASH" "$GITBARGE_FROM" \
            "$GITBARGE_SINK" "$GITBARGE_KIND" "$GITBARGE_COUNT" "$GITBARGE_SINCE" "$GITBARGE_DURATION_MS" "$(cat)" > seen"#,
    );
    scene.tell().await.unwrap();
    assert_eq!(
        scene.read("seen"),
        "1|one two; $(false)|failed|site|refs/heads/main|0123456789abcdef0123456789abcdef01234567||\
         runner|auth_failed|3|2026-01-01T00:00:00Z|600000||"
    );
}

#[tokio::test]
async fn the_environment_is_inherited_without_what_secrets_lie_in() {
    let mut scene = Scene::new("env > seen");
    // `HOME` plays a secret that some table of the configuration names.
    let named = Secret::env("HOME");
    scene.config.env = [
        ("GIVEN".to_owned(), named.clone()),
        ("SET".to_owned(), Secret::literal("value\n")),
    ]
    .into();
    scene.tell().await.unwrap();
    let seen = scene.read("seen");
    let of = |name: &str| {
        let start = format!("{name}=");
        seen.lines().find_map(|line| line.strip_prefix(&start))
    };
    assert_eq!(of("HOME"), None);
    assert_eq!(of("GIVEN"), Some(named.read().unwrap().expose()));
    assert_eq!(of("SET"), Some("value"));
    assert!(of("PATH").is_some_and(|path| !path.is_empty()));
}

#[tokio::test]
async fn a_command_that_fails_is_quoted_with_its_last_lines_and_no_secret() {
    let mut scene =
        Scene::new("seq 1 100; echo it is $KEY >&2; echo at https://me:pw@h/x?y; exit 7");
    scene.config.env = [("KEY".to_owned(), Secret::literal("hush-hush"))].into();
    let message = scene.fails(ErrorKind::Rejected).await.failure().message;
    assert!(message.contains("exit code 7"), "{message}");
    assert!(
        message.ends_with("99\n100\nit is [redacted]\nat https://h/x"),
        "{message}"
    );
    assert!(!message.contains("\n90\n"), "{message}");
    let killed = Scene::new("kill -9 $$").fails(ErrorKind::Rejected).await;
    assert!(
        killed.to_string().contains("signal 9; it said nothing"),
        "{killed}"
    );
}

#[tokio::test]
async fn a_flood_of_output_is_bounded_and_its_end_is_kept() {
    let scene = Scene::new("head -c 200000000 /dev/zero | tr '\\0' x; echo; echo the end; exit 1");
    let message = scene.fails(ErrorKind::Rejected).await.failure().message;
    assert!(message.ends_with("the end"), "{}", message.len());
    assert!(message.len() < 2_000, "{}", message.len());
}

#[tokio::test]
async fn what_cannot_be_started_is_a_problem_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    fs::write(&script, "#!/nowhere/interpreter\n").unwrap();
    let run = Run::standalone("site");
    for (program, words) in [
        ("/nowhere/tell", "`/nowhere/tell`"),
        ("no-such-program-at-all", "`no-such-program-at-all`"),
        (script.to_str().unwrap(), "may not be run"),
    ] {
        let exec = ExecAlerter::new(ExecConfig::new([program])).unwrap();
        let probed = exec.probe(&run).await.unwrap_err();
        let told = exec.alert(&alert(Event::Failed, "site"), &run).await;
        for error in [probed, told.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
    let mut rights = fs::metadata(&script).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut rights, 0o755);
    fs::set_permissions(&script, rights).unwrap();
    let exec = ExecAlerter::new(ExecConfig::new([script.to_str().unwrap()])).unwrap();
    let error = exec
        .alert(&alert(Event::Failed, "site"), &run)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.failure().hint.unwrap().contains("interpreter"));
}

#[tokio::test]
async fn a_command_that_takes_too_long_ends_with_everything_that_it_started() {
    let mut scene = Scene::new(STUBBORN_FAMILY);
    // The family is up long before.
    scene.config.timeout = Duration::from_secs(3);
    let began = Instant::now();
    let error = scene.fails(ErrorKind::Timeout).await;
    assert!(began.elapsed() >= scene.config.timeout);
    assert!(began.elapsed() < scene.alerter().patience() + Duration::from_secs(5));
    assert!(error.to_string().contains("within 3s"), "{error}");
    assert!(error.to_string().ends_with("here I am"), "{error}");
    scene.assert_family_is_gone().await;
}

#[tokio::test]
async fn a_command_that_heeds_sigterm_can_clean_up() {
    let mut scene =
        Scene::new("trap 'echo done > clean; exit 0' TERM; : > up; while :; do sleep 0.01; done");
    scene.config.timeout = Duration::from_secs(1);
    let began = Instant::now();
    scene.fails(ErrorKind::Timeout).await;
    assert_eq!(scene.read("clean"), "done\n");
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_command_is_gone_at_once_with_everything_that_it_started() {
    let scene = Arc::new(Scene::new(STUBBORN_FAMILY));
    let run = Run::standalone("site");
    let (exec, token) = (scene.alerter(), run.cancel_token().clone());
    let telling =
        tokio::spawn(async move { exec.alert(&alert(Event::Failed, "site"), &run).await });
    until(|| scene.path("started").exists()).await;
    let cancelled = Instant::now();
    token.cancel();
    let error = telling.await.unwrap().unwrap_err();
    let took = cancelled.elapsed();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(took < Duration::from_secs(1), "{took:?}");
    scene.assert_family_is_gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_dropped_leaves_nothing_behind() {
    let scene = Scene::new(STUBBORN_FAMILY);
    let (exec, run) = (scene.alerter(), Run::standalone("site"));
    let alert = alert(Event::Failed, "site");
    {
        let telling = exec.alert(&alert, &run);
        tokio::select! {
            _ = telling => panic!("it does not end"),
            () = until(|| scene.path("started").exists()) => {}
        }
    }
    scene.assert_family_is_gone().await;
}

#[tokio::test]
async fn what_a_good_command_leaves_running_holds_nothing_up() {
    let scene = Scene::new("sleep 30 & echo $! > started; exit 0");
    let began = Instant::now();
    scene.tell().await.unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    let id = scene.read("started");
    let process = PathBuf::from(format!("/proc/{}", id.trim()));
    assert!(!is_gone(&process), "it is let go, not killed");
    std::process::Command::new("kill")
        .arg(id.trim())
        .status()
        .unwrap();
    until(|| is_gone(&process)).await;
}
