//! Receivers that are well, down, and back again.

use gitbarge_testkit::webhook::{Answer, HookServer, Received};
use gitbarge_tests::until;

use crate::Scene;

/// Stands in what must never be seen.
const HUSH: &str = "hush42";

fn keys(server: &HookServer, on: &str) -> String {
    let url = server
        .url()
        .replace("http://", &format!("http://me:{HUSH}@"));
    format!(
        r#"
        type = "webhook"
        on = [{on}]
        url = "{url}/deploy?token={HUSH}"
        method = "PUT"
        headers = {{ X-Key = {{ env = "HOOK_KEY" }} }}
        secret = "whsec_aHVzaDQyaHVzaDQyaHVzaDQyaHVzaDQy"
        "#
    )
}

fn scene(server: &HookServer, on: &str) -> Scene {
    let mut scene = Scene::new(&keys(server, on));
    scene.world.set("HOOK_KEY", HUSH);
    scene
}

/// The commits of the requests that were taken.
fn taken(server: &HookServer) -> Vec<String> {
    let received = server.received().into_iter().filter(Received::is_taken);
    received
        .map(|request| request.header("gitbarge-hash").to_owned())
        .collect()
}

fn assert_hushed(scene: &Scene) {
    let log = scene.log();
    assert!(!log.contains(HUSH) && !log.contains("aHVzaDQy"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_commit_is_told_once_by_the_daemon() {
    let server = HookServer::start().await;
    let scene = scene(&server, r#""synced""#);
    let _daemon = scene.world.start(&["run"]);
    let mut commits = vec![scene.tip()];
    until("the first is told", || taken(&server) == commits);
    for round in 0..3 {
        commits.push(scene.push(&round.to_string()));
        until("it is told", || taken(&server).len() == commits.len());
    }
    assert_eq!(taken(&server), commits);
    let all = server.received();
    assert_eq!(
        all.len(),
        commits.len(),
        "nothing was told of unchanged runs"
    );
    for (request, pair) in all[1..].iter().zip(commits.windows(2)) {
        assert_eq!(
            (&*request.method, &*request.path),
            ("PUT", "/deploy?token=hush42")
        );
        assert_eq!(request.header("x-key"), HUSH);
        assert!(request.header("webhook-signature").starts_with("v1,"));
        let said = request.json();
        assert_eq!(
            (&said["event"], &said["pipeline"]),
            (&"synced".into(), &"site".into())
        );
        assert_eq!(said["ref"], "refs/heads/main");
        assert_eq!(
            (&said["from"], &said["to"]),
            (&pair[0].clone().into(), &pair[1].clone().into())
        );
    }
    assert_hushed(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_was_down_hears_of_the_newest_commit_after_a_kill_and_a_restart() {
    let server = HookServer::start().await;
    let scene = scene(&server, r#""synced""#);
    server.answer(Answer::Status(503));
    let mut daemon = scene.world.start(&["run"]);
    scene.follows(&scene.tip());
    until("it is tried again and again", || {
        server.received().len() >= 2
    });
    for round in 0..2 {
        let commit = scene.push(&round.to_string());
        scene.follows(&commit);
    }
    let newest = scene.push("newest");
    scene.follows(&newest);
    assert!(daemon.kill());
    assert_eq!(taken(&server), [""; 0]);
    let tried = server.received().len();

    server.answer(Answer::Status(204));
    let mut daemon = scene.world.start(&["run"]);
    until("the newest is told", || !taken(&server).is_empty());
    let next = scene.push("next");
    until("the next one is told", || taken(&server).contains(&next));
    assert_eq!(taken(&server), [newest.clone(), next]);
    let later = server.received().split_off(tried);
    assert!(later.iter().all(|request| request.status == Some(204)));
    daemon.signal("TERM");
    assert_eq!(daemon.ended().0, Some(0));
    assert_hushed(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_no_commit_stays_untold() {
    let server = HookServer::start().await;
    let scene = scene(&server, r#""synced""#);
    let mut random = fastrand::Rng::with_seed(11);
    for round in 0..12 {
        let commit = scene.push(&round.to_string());
        let mut running = scene.world.start(&["sync"]);
        std::thread::sleep(std::time::Duration::from_millis(random.u64(0..150)));
        running.kill();
        let outcome = scene.world.sync();
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let told = taken(&server);
        assert_eq!(told.last(), Some(&commit), "round {round}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_and_its_end_are_told_by_sync() {
    let server = HookServer::start().await;
    let scene = scene(&server, r#""failed", "recovered""#);
    let (here, away) = (
        scene.repository.path().to_owned(),
        scene.repository.path().with_extension("away"),
    );
    std::fs::rename(&here, &away).unwrap();
    for _ in 0..3 {
        assert_eq!(scene.world.sync().code, 1);
    }
    std::fs::rename(&away, &here).unwrap();
    assert_eq!(scene.world.sync().code, 0);
    let said: Vec<_> = server.received().iter().map(Received::json).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(
        (&said[0]["event"], &said[0]["kind"]),
        (&"failed".into(), &"remote_missing".into())
    );
    assert_eq!(
        (&said[1]["event"], &said[1]["count"]),
        (&"recovered".into(), &3.into())
    );
    assert_eq!(said[1]["to"], scene.tip());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_and_a_check_reach_the_receiver() {
    let server = HookServer::start().await;
    let scene = scene(&server, r#""synced""#);
    let outcome = scene.world.run(&["check", "--connect"]);
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    assert!(
        server
            .received()
            .iter()
            .all(|request| request.method == "HEAD")
    );
    let outcome = scene.world.run(&["alert", "test"]);
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (0, "site/tell: sent\n")
    );
    let last = server.received().pop().unwrap().json();
    assert_eq!(last["event"], "test");

    server.answer(Answer::Redirect("http://127.0.0.1:1/x".to_owned()));
    let outcome = scene.world.run(&["alert", "test"]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.stdout.contains("redirects"), "{}", outcome.stdout);
    assert!(!(outcome.stdout + &outcome.stderr).contains(HUSH));
}
