//! Writes that fail once, always, or never end.

use std::thread;
use std::time::{Duration, Instant};

use gitbarge_testkit::s3::{Fault, Rule};

use crate::scene::Scene;

/// What a run writes when a branch and HEAD have changed, in this order.
pub(crate) const STEPS: [&str; 6] = [
    ".pack",
    ".idx",
    "objects/info/packs",
    "HEAD",
    "gitbarge/state.json",
    "info/refs",
];

/// A scene for each step, whose mirror is one change behind its source.
async fn scenes() -> Vec<(&'static str, Scene, Vec<String>)> {
    let mut scenes = Vec::new();
    for step in STEPS {
        let scene = Scene::new().await;
        scene.synced();
        let before = scene.refs();
        scene.change(1);
        scenes.push((step, scene, before));
    }
    scenes
}

/// Tries something with every scene at the same time, and sees to it that the old mirror stands and the next run repairs.
async fn in_every_step(fault: Fault, attempt: impl Fn(&str, &mut Scene) + Sync) {
    let scenes = scenes().await;
    let attempt = &attempt;
    thread::scope(|scope| {
        for (step, mut scene, before) in scenes {
            scope.spawn(move || {
                let mark = scene.mark();
                scene.fault(Rule::new("PUT", step, fault));
                attempt(step, &mut scene);
                let asked = scene.s3.asked();
                let is_met = asked[mark..].iter().any(|asked| asked.key.contains(step));
                assert!(is_met, "no `{step}` was written");
                scene.s3.heal();
                crate::judge::assert_has(&scene.web_url(), &before);
                scene.synced();
                scene.assert_equal();
                scene.assert_verified();
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn any_write_that_fails_once_is_done_again() {
    let mut scenes = Vec::new();
    for fault in [
        Fault::Status(500, "InternalError"),
        Fault::Status(503, "SlowDown"),
        Fault::Drop,
        Fault::DropAfter,
    ] {
        scenes.push((fault, Scene::new().await));
    }
    thread::scope(|scope| {
        for (fault, scene) in scenes {
            scope.spawn(move || every_write_fails_once(&scene, fault));
        }
    });
}

fn every_write_fails_once(scene: &Scene, fault: Fault) {
    scene.synced();
    for (round, step) in STEPS.into_iter().enumerate() {
        scene.change(round + 1);
        let mark = scene.mark();
        scene.fault(Rule::new("PUT", step, fault).times(1));
        scene.synced();
        let asked = scene.s3.asked();
        let writes = asked[mark..].iter().filter(|asked| asked.method == "PUT");
        let writes = writes.filter(|asked| asked.key.contains(step)).count();
        assert!(writes > 1, "{step} {fault:?}: written {writes} times");
        assert_eq!(crate::judge::shown(&scene.web_url()), scene.refs());
    }
    scene.assert_equal();
    scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_always_fails_leaves_the_old_mirror_and_is_unreachable() {
    let fault = Fault::Status(500, "InternalError");
    in_every_step(fault, |step, scene| {
        scene.pipeline = "run_timeout = \"8s\"".to_owned();
        let said = scene.failed("unreachable");
        assert!(said.contains(step) && said.contains("500"), "{said}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_without_an_end_leaves_the_old_mirror_and_is_a_timeout() {
    in_every_step(Fault::Hang, |step, scene| {
        scene.pipeline = "run_timeout = \"2s\"".to_owned();
        let begun = Instant::now();
        scene.failed("timeout");
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(10), "{step}: {took:?}");
    })
    .await;
}
