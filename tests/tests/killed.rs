//! A process that is killed, cancelled or told to stop leaves nothing that the next one cannot put right.

use std::time::Duration;

use gitbarge_testkit::repository::Repository;
use gitbarge_tests::{World, until};

fn world(repository: &Repository) -> World {
    let world = World::new();
    let clock = r#"trigger.every = { type = "poll", every = "200ms" }"#;
    world.configure(&world.pipeline("site", repository, clock));
    world
}

/// A commit of so many files, all of which differ from the last one's.
fn change_everything(repository: &Repository, files: usize, round: usize) -> String {
    let mut commit = repository.commit("main");
    for file in 0..files {
        let content = format!("{round} {file}\n").repeat(40);
        commit = commit.write(&format!("folder{}/file{file}", file % 23), content);
    }
    commit.push().to_string()
}

#[test]
fn killed_at_any_moment_the_next_sync_repairs() {
    let repository = Repository::with_one_commit();
    let world = world(&repository);
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..20 {
        let tip = change_everything(&repository, 1_500, round);
        let mut running = world.start(&["sync"]);
        std::thread::sleep(Duration::from_millis(random.u64(0..400)));
        let died = running.kill();
        let outcome = world.sync();
        assert_eq!(
            outcome.code, 0,
            "round {round}, died {died}: {}{}",
            outcome.stdout, outcome.stderr
        );
        let discarded = &outcome.result()["sinks"][0]["discarded"];
        assert!(
            discarded.is_null(),
            "round {round}: its own work was reported as drift: {discarded}"
        );
        world.assert_equal(&world.path("site"), &tip);
    }
}

#[test]
fn interrupted_it_is_gone_at_once_and_leaves_nothing_behind() {
    let repository = Repository::with_one_commit();
    let world = world(&repository);
    for round in 0..6 {
        let tip = change_everything(&repository, 4_000, round);
        let mut running = world.start(&["sync"]);
        let begun = world.path("site/.git/gitbarge/pending");
        until("the delivery has begun", || {
            begun.exists() || !running.is_running()
        });
        running.signal("INT");
        let (code, took) = running.ended();
        assert!(took < Duration::from_millis(500), "it took {took:?}");
        assert!(code == Some(130) || code == Some(0), "exit code {code:?}");
        assert!(!world.path("site/.git/index.lock").exists());
        assert_eq!(world.sync().code, 0);
        world.assert_equal(&world.path("site"), &tip);
    }
}

#[test]
fn the_daemon_ends_by_sigterm_with_exit_code_0() {
    let repository = Repository::with_one_commit();
    let world = world(&repository);
    let mut daemon = world.start(&["run"]);
    let tip = repository.id("main").expect("it has a commit").to_string();
    let head = world.path("site/.git/refs/heads/main");
    until("the first sync", || {
        std::fs::read_to_string(&head).is_ok_and(|id| id.trim() == tip)
    });
    daemon.signal("TERM");
    let (code, took) = daemon.ended();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(5), "it took {took:?}");
    world.assert_equal(&world.path("site"), &tip);
}
