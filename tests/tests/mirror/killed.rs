//! Runs that are killed or told to stop while they write.

use std::thread;
use std::time::Duration;

use gitbarge_testkit::s3::{Fault, Rule};

use crate::judge::assert_has;
use crate::puts::STEPS;
use crate::scene::Scene;

/// More than one part of an upload.
const LARGE: usize = 20 << 20;

/// Kills a run when such a write has come, which is not done.
pub(crate) fn kill_at(scene: &Scene, rule: Rule) {
    let mark = scene.mark();
    scene.fault(rule);
    scene.configure(&scene.world);
    let mut running = scene.world.start(&["sync"]);
    scene.until_stuck(mark);
    assert!(running.kill(), "it had ended by itself");
    scene.s3.heal();
}

/// The record is written twice when HEAD changes: HEAD is not to be relied upon in between.
fn steps() -> impl Iterator<Item = (&'static str, usize)> {
    let steps = STEPS.map(|step| (step, 0)).into_iter();
    steps.chain([("gitbarge/state.json", 1)])
}

async fn scenes(
    steps: impl Iterator<Item = (&'static str, usize)>,
) -> Vec<(&'static str, usize, Scene)> {
    let mut scenes = Vec::new();
    for (step, skip) in steps {
        scenes.push((step, skip, Scene::new().await));
    }
    scenes
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_write_the_old_mirror_stands_and_the_next_run_completes() {
    let scenes = scenes(steps()).await;
    thread::scope(|scope| {
        for (step, skip, scene) in scenes {
            scope.spawn(move || {
                scene.synced();
                let before = scene.refs();
                scene.change(1);
                // The second time, what the first one has left is in the way.
                for skip in [skip, 0] {
                    kill_at(&scene, Rule::new("PUT", step, Fault::Hang).after(skip));
                    assert_has(&scene.web_url(), &before);
                }
                // What was begun is no longer what the source has: HEAD, for one, leads where it did at first.
                scene.change(2);
                scene.synced();
                scene.assert_equal();
                scene.assert_verified();
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_write_after_a_forced_push_the_old_mirror_stands_too() {
    let scenes = scenes(steps()).await;
    thread::scope(|scope| {
        for (step, skip, scene) in scenes {
            scope.spawn(move || {
                let root = scene.repository.id("main~1");
                scene.synced();
                for round in [2, 4] {
                    scene.change(round);
                    scene.synced();
                }
                // The next pack replaces small ones, which have what is shown until the end of the run.
                let before = scene.refs();
                let commit = scene.repository.commit("main").on_top_of(root);
                commit.write("other", "history\n").push();
                scene
                    .repository
                    .git(&["symbolic-ref", "HEAD", "refs/heads/dev"]);
                kill_at(&scene, Rule::new("PUT", step, Fault::Hang).after(skip));
                assert_has(&scene.web_url(), &before);
                scene.synced();
                scene.assert_equal();
                scene.assert_verified();
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_a_killed_run_has_left_is_put_right_by_the_next() {
    let scene = Scene::new().await;
    scene.synced();
    for round in [1, 3] {
        scene.change(round);
        scene.synced();
    }
    let before = scene.repository.id("main").unwrap();
    scene
        .repository
        .git(&["symbolic-ref", "HEAD", "refs/heads/main"]);
    scene.repository.commit("main").write("more", "x").push();
    kill_at(&scene, Rule::new("PUT", "gitbarge/state.json", Fault::Hang));
    // What was pushed is taken back, and the next run has nothing to send.
    scene.repository.set("refs/heads/main", before);
    scene.repository.delete("refs/heads/dev");
    scene.synced();
    scene.assert_equal();
    let (packs, keys) = (scene.packs(), scene.keys_with(".pack"));
    assert!(packs.len() < keys.len(), "nothing was left over");
    let listed = |key: &String| packs.contains(&scene.file(key));
    for key in keys.iter().filter(|key| !listed(key)) {
        std::fs::remove_file(scene.file(key)).unwrap();
        std::fs::remove_file(scene.file(&key.replace(".pack", ".idx"))).unwrap();
    }
    scene.assert_equal();
    scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_write_of_the_first_mirror_the_next_run_completes() {
    // The record is written twice here too: first to see whether the store keeps conditions.
    let scenes = scenes(steps()).await;
    thread::scope(|scope| {
        for (step, skip, scene) in scenes {
            scope.spawn(move || {
                kill_at(&scene, Rule::new("PUT", step, Fault::Hang).after(skip));
                assert!(!scene.keys().contains(&"info/refs".to_owned()));
                scene.synced();
                scene.assert_equal();
                scene.assert_verified();
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_in_the_middle_of_an_upload_it_is_gone_and_leaves_nothing_unfinished() {
    let scene = Scene::new().await;
    scene.synced();
    let before = scene.refs();
    let mut random = fastrand::Rng::with_seed(3);
    let large: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
        .take(LARGE)
        .collect();
    let commit = scene.repository.commit("main").write("large", large);
    commit.push();
    scene.configure(&scene.world);
    for signal in ["TERM", "INT"] {
        let mark = scene.mark();
        scene.fault(Rule::new("PUT", ".pack", Fault::Hang).after(1));
        let mut running = scene.world.start(&["sync"]);
        scene.until_stuck(mark);
        assert_eq!(scene.s3.unfinished_uploads(), 1);
        running.signal(signal);
        let (code, took) = running.ended();
        assert_eq!(code, Some(130));
        assert!(took < Duration::from_secs(2), "it took {took:?}");
        assert_eq!(scene.s3.unfinished_uploads(), 0, "SIG{signal}");
        assert_eq!(crate::judge::shown(&scene.web_url()), before);
    }
    scene.s3.heal();
    scene.synced();
    scene.assert_equal();
}
