//! Several writers to one mirror.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use gitbarge_testkit::s3::{Fault, Rule};

use crate::judge::{Clone, assert_has, shown};
use crate::puts::STEPS;
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_at_once_both_end_equal_and_readers_never_see_it_torn() {
    let scene = &Scene::new().await;
    scene.synced();
    let twins = [scene.twin(), scene.twin()];
    let is_over = &AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut clones = 0;
            while !is_over.load(Ordering::Relaxed) {
                Clone::mirror(&scene.web_url()).assert_sound();
                clones += 1;
            }
            clones
        });
        for round in 1..=4 {
            scene.change(round);
            let running: Vec<_> = twins
                .iter()
                .map(|twin| scope.spawn(|| scene.run_in(twin, &["sync", "--json"])))
                .collect();
            for run in running {
                let outcome = run.join().expect("no panic");
                assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
            }
            assert_eq!(shown(&scene.web_url()), scene.refs(), "round {round}");
            scene.assert_verified();
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(reader.join().expect("no panic") > 0);
    });
    scene.assert_equal();
    scene.unchanged();
}

/// A stops before a write until B, who has seen more, has published.
async fn overtaken(is_first: bool) {
    let mut scenes = Vec::new();
    for step in STEPS {
        scenes.push((step, Scene::new().await));
    }
    thread::scope(|scope| {
        for (step, scene) in scenes {
            scope.spawn(move || {
                if !is_first {
                    scene.synced();
                }
                scene.change(1);
                let mark = scene.mark();
                scene.fault(Rule::new("PUT", step, Fault::Pause).times(1));
                let (slow, quick) = (scene.twin(), scene.twin());
                let outcome = thread::scope(|scope| {
                    let slow = scope.spawn(|| scene.run_in(&slow, &["sync", "--json"]));
                    scene.until_stuck(mark);
                    scene.change(2);
                    scene.repository.set(
                        "refs/heads/later",
                        scene.repository.id("main").expect("it has commits"),
                    );
                    let outcome = scene.run_in(&quick, &["sync", "--json"]);
                    assert_eq!(outcome.code, 0, "{step}: {}", outcome.stdout);
                    assert_eq!(
                        shown(&scene.web_url()),
                        scene.refs(),
                        "{step}: before the slower one goes on"
                    );
                    scene.s3.heal();
                    slow.join().expect("no panic")
                });
                assert_eq!(
                    outcome.code, 0,
                    "{step}: {}{}",
                    outcome.stdout, outcome.stderr
                );
                assert_eq!(shown(&scene.web_url()), scene.refs(), "{step}: after it");
                scene.assert_equal();
                scene.unchanged();
                scene.assert_verified();
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slower_writer_that_is_overtaken_before_any_write_begins_anew_and_ends_equal() {
    overtaken(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_with_two_first_mirrors() {
    overtaken(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refs_that_arrive_late_find_their_packs_whatever_others_listed_since() {
    let scene = Scene::new().await;
    scene.synced();
    scene.change(1);
    scene.synced();
    scene.change(2);
    let promised = scene.refs();
    let mark = scene.mark();
    scene.fault(Rule::new("PUT", "info/refs", Fault::Pause).times(1));
    let (slow, quick) = (scene.twin(), scene.twin());
    thread::scope(|scope| {
        let slow = scope.spawn(|| scene.run_in(&slow, &["sync", "--json"]));
        scene.until_stuck(mark);
        // The other one lists its packs, and does not come to its end.
        scene.change(3);
        scene.s3.fault(Rule::new(
            "PUT",
            "info/refs",
            Fault::Status(403, "AccessDenied"),
        ));
        let outcome = scene.run_in(&quick, &["sync", "--json"]);
        assert_eq!(outcome.kind(), "auth_failed", "{}", outcome.stdout);
        scene.s3.heal();
        let outcome = slow.join().expect("no panic");
        assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    });
    assert_has(&scene.web_url(), &promised);
    scene.assert_verified();
    scene.synced();
    scene.assert_equal();
    scene.assert_verified();
}
