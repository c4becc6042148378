//! What people are told, and how often, by the built binary and a stand-in for Slack.

mod message;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::thread;
use std::time::{Duration, Instant};

use gitbarge_testkit::repository::Repository;
use gitbarge_testkit::slack::{Answer, SlackServer, WEBHOOK_SECRET};
use gitbarge_tests::World;

/// How long a hanging alerter may hold up the end of a `sync`, whose result is out by then.
const HELD_UP: Duration = Duration::from_secs(8);

/// A world with pipelines that carry `main`, or another ref, of one repository, and one alerter for all of them.
struct Scene {
    world: World,
    slack: SlackServer,
    repository: Repository,
}

impl Scene {
    async fn new() -> Self {
        let scene = Self {
            world: World::new(),
            slack: SlackServer::start().await,
            repository: Repository::with_one_commit(),
        };
        scene.pipelines(&[("site", "main")], "");
        scene
    }

    /// Writes the configuration; `more` are further keys of the alerter.
    fn pipelines(&self, pipelines: &[(&str, &str)], more: &str) {
        let tables = pipelines.iter().map(|(name, reference)| {
            let keys = format!("ref = \"{reference}\"");
            self.world.pipeline(name, &self.repository, &keys)
        });
        let tables: String = tables.collect();
        self.world
            .configure(&(alerter(&self.slack, more) + &tables));
    }

    /// Takes the remote away, or brings it back.
    fn remote_is_there(&self, there: bool) {
        let (here, away) = (
            self.repository.path().to_owned(),
            self.repository.path().with_extension("away"),
        );
        let (from, to) = if there { (away, here) } else { (here, away) };
        fs::rename(from, to).expect("both are in one folder");
    }

    /// The headlines of the messages that Slack has taken.
    fn told(&self) -> Vec<String> {
        headlines(&self.slack)
    }
}

fn alerter(slack: &SlackServer, more: &str) -> String {
    let url = slack.webhook_url();
    format!("[alert.ops]\ntype = \"slack\"\nwebhook_url = \"{url}\"\n{more}\n")
}

fn headlines(slack: &SlackServer) -> Vec<String> {
    let payloads = slack.payloads().into_iter();
    payloads
        .map(|payload| payload["text"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// Runs `sync` so often in each of so many threads, and returns the exit codes.
fn many_syncs(world: &World, threads: usize, times: usize) -> Vec<i32> {
    let syncs = || {
        let codes = (0..times).map(|_| world.sync().code);
        codes.collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(syncs)).collect();
        let ended = running.into_iter().map(|t| t.join().expect("no panic"));
        ended.flatten().collect()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn one_fault_in_many_processes_at_once_is_told_once_and_so_is_its_end() {
    let scene = Scene::new().await;
    scene.remote_is_there(false);
    assert_eq!(many_syncs(&scene.world, 5, 10), [1; 50]);
    let told = scene.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("site failed: remote_missing:"),
        "{told:?}"
    );

    scene.remote_is_there(true);
    assert_eq!(many_syncs(&scene.world, 5, 2), [0; 10]);
    let told = scene.told();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[1].starts_with("site recovered after") && told[1].contains("failed runs: 50"),
        "{told:?}"
    );
    assert_eq!(scene.slack.received().len(), 2, "nothing was tried in vain");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_slack_does_not_take_the_next_sync_delivers_once() {
    let scene = Scene::new().await;
    scene.remote_is_there(false);
    scene.slack.answer(Answer::Status(500, "no"));
    for _ in 0..3 {
        let outcome = scene.world.sync();
        assert_eq!(outcome.code, 1);
        assert_eq!(outcome.kind(), "remote_missing");
        assert!(
            !outcome.stderr.contains(WEBHOOK_SECRET),
            "{}",
            outcome.stderr
        );
    }
    assert!(!scene.slack.received().is_empty());
    assert_eq!(scene.told(), [""; 0]);

    scene.slack.answer(Answer::Ok);
    scene.world.sync();
    let told = scene.told();
    assert_eq!(told.len(), 1, "{told:?}");
    many_syncs(&scene.world, 2, 3);
    assert_eq!(scene.told(), told);
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_that_asks_for_time_gets_it() {
    let scene = Scene::new().await;
    scene.remote_is_there(false);
    scene.slack.answer(Answer::SlowDown("3"));
    let begun = Instant::now();
    scene.world.sync();
    scene.slack.answer(Answer::Ok);
    while scene.told().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(30), "never told");
        scene.world.sync();
    }
    assert!(begun.elapsed() >= Duration::from_secs(3));
    let statuses: Vec<_> = scene.slack.received().iter().map(|r| r.status).collect();
    assert_eq!(statuses, [Some(429), Some(200)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_that_hangs_neither_hides_nor_delays_the_result() {
    let scene = Scene::new().await;
    scene.remote_is_there(false);
    scene.slack.answer(Answer::Hang);
    for arguments in [&["sync"][..], &["sync", "--json"]] {
        let begun = Instant::now();
        let mut command = scene.world.command(arguments);
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let spoke = begun.elapsed();
        while !line.contains("remote_missing") && said.read_line(&mut line).unwrap() > 0 {}
        assert!(line.contains("remote_missing"), "{line}");
        assert!(spoke < Duration::from_secs(3), "{arguments:?}: {spoke:?}");
        assert_eq!(child.wait().unwrap().code(), Some(1));
        assert!(begun.elapsed() < HELD_UP, "{:?}", begun.elapsed());
    }
    let received = scene.slack.received();
    assert!(!received.is_empty() && received.iter().all(|request| request.status.is_none()));

    scene.slack.answer(Answer::Ok);
    many_syncs(&scene.world, 1, 3);
    let told = scene.told();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pipelines_with_the_same_text_are_told_apart() {
    let scene = Scene::new().await;
    let sync = |broken: &str, other: &str| {
        scene.pipelines(&[("first", broken), ("second", other)], "");
        scene.world.sync();
        scene.world.sync();
        scene.told()
    };
    let told = sync("nope", "main");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("first failed: ref_missing:"),
        "{told:?}"
    );

    let told = sync("nope", "nope");
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[1], told[0].replacen("first", "second", 1));

    let told = sync("nope", "main");
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[2].starts_with("second recovered"), "{told:?}");

    let told = sync("main", "main");
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[3].starts_with("first recovered"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_alerter_is_silent_and_hears_of_what_lasts_afterwards() {
    let scene = Scene::new().await;
    scene.pipelines(&[("site", "nope"), ("other", "main")], "paused = true");
    for _ in 0..3 {
        assert_eq!(scene.world.sync().code, 1);
    }
    assert!(scene.slack.received().is_empty());
    scene.pipelines(&[("site", "nope"), ("other", "main")], "");
    many_syncs(&scene.world, 2, 2);
    let told = scene.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("site failed"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_says_whether_it_was_taken() {
    let scene = Scene::new().await;
    let outcome = scene.world.run(&["alert", "test"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, "ops: sent\n"));
    assert_eq!(scene.world.run(&["alert", "test", "ops"]).code, 0);
    let told = scene.told();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|text| text.starts_with("Test message")));

    scene.slack.answer(Answer::Status(404, "no_service"));
    let outcome = scene.world.run(&["alert", "test"]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.stdout.contains("no_service"), "{}", outcome.stdout);
    assert!(!(outcome.stdout + &outcome.stderr).contains(WEBHOOK_SECRET));
    let outcome = scene.world.run(&["alert", "test", "opps"]);
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("`opps`") && outcome.stderr.contains("has ops"));
    assert_eq!(scene.told(), told);
}
