//! Signals that ask the built binary for runs.

use std::fs;

use gitbarge_testkit::repository::Repository;
use gitbarge_tests::{World, until};

/// A pipeline that listens to a signal, or to none.
fn pipeline(world: &World, name: &str, repository: &Repository, signal: Option<&str>) -> String {
    let trigger = signal.map(|signal| {
        format!("[pipeline.{name}.trigger.hand]\ntype = \"signal\"\nsignal = \"{signal}\"\n")
    });
    format!(
        "[pipeline.{name}.source]\ntype = \"local\"\nurl = \"{}\"\n[pipeline.{name}.sink.runner]\ntype = \"checkout\"\npath = \"{}\"\n{}",
        repository.path().display(),
        world.path(name).display(),
        trigger.unwrap_or_default(),
    )
}

fn follows(world: &World, name: &str, repository: &Repository) {
    let tip = repository.id("main").expect("it has commits").to_string();
    until("the tip is on disk", || is_at(world, name, &tip));
}

fn is_at(world: &World, name: &str, commit: &str) -> bool {
    let head = world.path(name).join(".git/refs/heads/main");
    fs::read_to_string(head).is_ok_and(|id| id.trim() == commit)
}

#[test]
fn a_signal_runs_each_pipeline_that_listens_to_it() {
    let (world, repository) = (World::new(), Repository::with_one_commit());
    let listening = [
        ("a", "SIGUSR1"),
        ("b", "SIGUSR1"),
        ("c", "SIGUSR2"),
        ("d", "SIGRTMIN+3"),
    ];
    let tables = listening.map(|(name, signal)| pipeline(&world, name, &repository, Some(signal)));
    world.configure(&tables.concat());
    let mut daemon = world.start(&["run"]);
    for (name, _) in listening {
        follows(&world, name, &repository);
    }
    for (signal, called) in [
        ("USR1", &["a", "b"][..]),
        ("USR2", &["c"]),
        ("RTMIN+3", &["d"]),
    ] {
        let before = repository.commit("main").write("file", signal).push();
        daemon.signal(signal);
        for name in called {
            follows(&world, name, &repository);
        }
        let early = listening.iter().filter(|(name, own)| {
            *own != format!("SIG{signal}") && is_at(&world, name, &before.to_string())
        });
        assert_eq!(early.count(), 0, "{signal} ran others");
    }

    // Nobody listens any more, and nobody dies of it.
    let deaf = listening.map(|(name, _)| pipeline(&world, name, &repository, None));
    let log = || fs::read_to_string(world.path("log")).unwrap_or_default();
    let seen = log().len();
    world.configure(&deaf.concat());
    daemon.signal("HUP");
    until("it is read again", || log()[seen..].contains("read again"));
    for signal in ["USR1", "USR2", "RTMIN+3"] {
        daemon.signal(signal);
    }
    let again = listening.map(|(name, _)| pipeline(&world, name, &repository, Some("SIGUSR1")));
    world.configure(&again.concat());
    let seen = log().len();
    daemon.signal("HUP");
    until("it is read again", || log()[seen..].contains("read again"));
    repository.commit("main").write("file", "again").push();
    until("all of them run", || {
        daemon.signal("USR1");
        let tip = repository.id("main").expect("it has commits").to_string();
        listening.iter().all(|(name, _)| is_at(&world, name, &tip))
    });
    daemon.signal("TERM");
    assert_eq!(daemon.ended().0, Some(0));
}

#[test]
fn signals_of_gitbarges_own_are_refused() {
    let (world, repository) = (World::new(), Repository::with_one_commit());
    for signal in ["SIGHUP", "SIGTERM", "SIGINT", "SIGKILL"] {
        world.configure(&pipeline(&world, "site", &repository, Some(signal)));
        let outcome = world.run(&["check"]);
        assert_eq!(outcome.code, 2, "{signal}");
        assert!(
            outcome.stderr.contains("pipeline.site.trigger.hand.signal"),
            "{}",
            outcome.stderr
        );
        assert!(
            outcome.stderr.contains(&format!("`{signal}`")),
            "{}",
            outcome.stderr
        );
    }
}
