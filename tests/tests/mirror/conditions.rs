//! Stores that ignore conditions, and the lease that stands in for them.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use gitbarge_testkit::s3::{Fault, Rule};
use jiff::Timestamp;

use crate::scene::Scene;

const LEASE: &str = "gitbarge/lease.json";
const WARNING: &str = "ignores conditional writes";

/// A scene on such a store, whose mirror was made.
async fn scene() -> Scene {
    let scene = Scene::new().await;
    scene.s3.ignore_conditions(true);
    let outcome = scene.sync();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(outcome.stderr.contains(WARNING), "{}", outcome.stderr);
    scene
}

/// Somebody else's lease, which runs out after so long.
fn lease(scene: &Scene, rest: Duration) {
    let until = Timestamp::now() + rest;
    let text = format!("{{\"owner\":\"0123456789abcdef\",\"until\":\"{until}\"}}");
    fs::write(scene.file(LEASE), text).expect("there is space");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_ignores_conditions_is_recognised_and_served_under_a_lease() {
    let scene = scene().await;
    scene.assert_equal();
    let asked = scene.s3.asked();
    let leased = asked
        .iter()
        .filter(|asked| asked.key.ends_with(LEASE) && asked.method == "PUT");
    assert_eq!(leased.count(), 1);
    for round in 1..=3 {
        scene.change(round);
        scene.synced();
        scene.assert_equal();
        assert!(!scene.keys().contains(&LEASE.to_owned()), "given back");
    }
    scene.unchanged();
    scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_knows_no_conditions_is_served_likewise() {
    let scene = Scene::new().await;
    let fault = Fault::Status(501, "NotImplemented");
    scene.fault(Rule::new("PUT", "", fault).conditional());
    let outcome = scene.sync();
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stderr.contains(WARNING), "{}", outcome.stderr);
    scene.assert_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_lease_is_waited_out() {
    let scene = scene().await;
    scene.change(1);
    let begun = Instant::now();
    lease(&scene, Duration::from_secs(3));
    scene.synced();
    assert!(
        begun.elapsed() >= Duration::from_secs(2),
        "it was not heeded"
    );
    scene.assert_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_lasts_is_locked() {
    let mut scene = scene().await;
    let before = scene.refs();
    scene.change(1);
    lease(&scene, Duration::from_secs(3600));
    scene.pipeline = "run_timeout = \"2s\"".to_owned();
    let said = scene.failed("locked");
    assert!(said.contains("another process"), "{said}");
    crate::judge::assert_shows(&scene.web_url(), &before);
    fs::remove_file(scene.file(LEASE)).unwrap();
    scene.pipeline.clear();
    scene.synced();
    scene.assert_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_lease_is_nobodys() {
    let scene = scene().await;
    scene.change(1);
    fs::write(scene.file(LEASE), "<html>").unwrap();
    scene.synced();
    scene.assert_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_gives_its_lease_back() {
    let scene = scene().await;
    scene.change(1);
    scene.fault(Rule::new("PUT", ".idx", Fault::Status(403, "AccessDenied")));
    scene.failed("auth_failed");
    assert!(!scene.keys().contains(&LEASE.to_owned()));
    scene.s3.heal();
    scene.synced();
    scene.assert_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_without_conditions_leave_it_whole_because_one_waits() {
    let scene = &scene().await;
    let twins = [scene.twin(), scene.twin()];
    for round in 1..=2 {
        scene.change(round);
        thread::scope(|scope| {
            for twin in &twins {
                scope.spawn(|| {
                    let outcome = scene.run_in(twin, &["sync", "--json"]);
                    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
                });
            }
        });
        scene.assert_equal();
        scene.assert_verified();
    }
}
