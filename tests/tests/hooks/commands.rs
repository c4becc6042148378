//! Commands that work, fail, hang and have children, under a daemon that is stopped, killed and started again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use gitbarge_tests::until;

use crate::Scene;

/// Notes down what it sees, and fails while a file is there.
const TELL: &str = r#"
echo "$GITBARGE_EVENT $GITBARGE_PIPELINE $GITBARGE_REF $GITBARGE_HASH ${SECRET_KEY-none} $GIVEN $# $1" >> told
[ -e down ] && exit 7
echo "$GITBARGE_FROM $GITBARGE_HASH" >> done
"#;
/// Hangs, deaf to SIGTERM, with a child that would write a file.
const HANG: &str = r#"
sh -c 'trap "" TERM; while :; do sleep 0.02; [ -e go ] && : > late; done' &
trap "" TERM
echo $! > child
wait
while :; do sleep 1; done
"#;

fn scene(script: &str, more: &str) -> Scene {
    let mut scene = Scene::new("type = \"exec\"\ncommand = [\"true\"]");
    let file = scene.file("tell.sh");
    fs::write(&file, script).unwrap();
    scene.configure(&format!(
        r#"
        type = "exec"
        on = ["synced"]
        command = ["sh", "{}", "one two; $(false)"]
        env = {{ GIVEN = {{ env = "SECRET_KEY" }} }}
        {more}
        "#,
        file.display()
    ));
    scene.world.set("SECRET_KEY", "hush42");
    scene
}

/// Asserts that the command's child is gone: one that lived would write a file now.
fn assert_child_is_gone(scene: &Scene) {
    let id = fs::read_to_string(scene.file("child")).unwrap();
    let process = Path::new("/proc").join(id.trim());
    until("the child is gone", || {
        match fs::read_to_string(process.join("stat")) {
            Ok(stat) => stat
                .rsplit(") ")
                .next()
                .is_some_and(|rest| rest.starts_with('Z')),
            Err(_) => true,
        }
    });
    fs::write(scene.file("go"), "").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert!(!scene.file("late").exists());
}

#[test]
fn a_command_is_run_again_until_it_succeeds_for_the_newest_commit_only() {
    let scene = scene(TELL, "");
    fs::write(scene.file("down"), "").unwrap();
    let mut daemon = scene.world.start(&["run"]);
    let first = scene.tip();
    until("it is run again", || scene.lines("told").len() >= 2);
    assert_eq!(
        scene.lines("told")[0],
        format!("synced site refs/heads/main {first} none hush42 1 one two; $(false)")
    );
    let second = scene.push("second");
    scene.follows(&second);
    let third = scene.push("third");
    scene.follows(&third);
    assert!(daemon.kill());
    fs::remove_file(scene.file("down")).unwrap();
    let mut daemon = scene.world.start(&["run"]);
    until("it succeeds", || !scene.lines("done").is_empty());
    let fourth = scene.push("fourth");
    until("it succeeds again", || scene.lines("done").len() == 2);
    assert_eq!(
        scene.lines("done"),
        [format!(" {third}"), format!("{third} {fourth}")]
    );
    daemon.signal("TERM");
    assert_eq!(daemon.ended().0, Some(0));
    let log = scene.log();
    assert!(
        log.contains("exit code 7") && !log.contains("hush42"),
        "{log}"
    );
}

#[test]
fn a_command_that_hangs_is_ended_with_its_child_when_its_time_is_over() {
    let scene = scene(HANG, "timeout = \"1s\"");
    let outcome = scene.world.sync();
    assert_eq!(outcome.code, 0, "{}", outcome.stdout);
    assert!(
        outcome.stderr.contains("did not end within 1s"),
        "{}",
        outcome.stderr
    );
    assert_child_is_gone(&scene);
}

#[test]
fn a_daemon_that_ends_takes_its_commands_and_their_children_along() {
    let scene = scene(HANG, "timeout = \"10m\"");
    let mut daemon = scene.world.start(&["run"]);
    until("the command runs", || !scene.lines("child").is_empty());
    daemon.signal("TERM");
    let (code, took) = daemon.ended();
    assert_eq!(code, Some(0), "{}", scene.log());
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_child_is_gone(&scene);
}

#[test]
fn a_sync_that_is_interrupted_takes_its_commands_along() {
    let scene = scene(HANG, "timeout = \"10m\"");
    let mut sync = scene.world.start(&["sync"]);
    until("the command runs", || !scene.lines("child").is_empty());
    sync.signal("INT");
    let (_, took) = sync.ended();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_child_is_gone(&scene);
}

#[test]
fn a_missing_command_is_found_by_check() {
    let scene = Scene::new(
        "type = \"exec\"\ncommand = [\"/nowhere/tell\"]\nenv = { GITBARGE_HASH = \"1\" }",
    );
    let outcome = scene.world.run(&["check"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome
            .stderr
            .contains("pipeline.site.alert.tell.env.GITBARGE_HASH"),
        "{}",
        outcome.stderr
    );
    scene.configure("type = \"exec\"\ncommand = [\"/nowhere/tell\"]");
    let outcome = scene.world.run(&["check"]);
    assert_eq!(outcome.code, 2);
    let said = outcome.stdout + &outcome.stderr;
    assert!(
        said.contains("`/nowhere/tell`") && said.contains("pipeline.site.alert.tell.command"),
        "{said}"
    );
}
