//! `gitbarge run` over hours, in small: it follows, it is told to change its ways, it ends.

mod crowd;
mod reload;
mod shutdown;

use std::fs;
use std::path::Path;

use gitbarge_testkit::repository::Repository;
use gitbarge_tests::{World, until};

/// A pipeline of a repository on this machine.
fn pipeline(
    world: &World,
    name: &str,
    repository: &Repository,
    reference: &str,
    every: &str,
) -> String {
    let keys = format!(
        r#"
        ref = "{reference}"
        trigger.clock = {{ type = "poll", every = "{every}" }}
        "#
    );
    world.pipeline(name, repository, &keys)
}

fn push(repository: &Repository, content: &str) -> String {
    let commit = repository.commit("main").write("file", content);
    commit.push().to_string()
}

fn tip(repository: &Repository) -> String {
    repository.id("main").expect("it has commits").to_string()
}

/// Whether a pipeline's checkout has come to a commit.
fn is_at(world: &World, name: &str, commit: &str) -> bool {
    let head = world.path(name).join(".git/refs/heads/main");
    fs::read_to_string(head).is_ok_and(|id| id.trim() == commit)
}

fn follows(world: &World, name: &str, commit: &str) {
    until(&format!("`{name}` is at {commit}"), || {
        is_at(world, name, commit)
    });
}

fn log(world: &World) -> String {
    fs::read_to_string(world.path("log")).unwrap_or_default()
}

/// git's lock files in a folder.
fn locks_below(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it is a folder");
    let mut locks = Vec::new();
    for entry in entries.map(|entry| entry.expect("it is listed")) {
        let path = entry.path();
        if entry.file_type().expect("it is there").is_dir() {
            locks.extend(locks_below(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "lock")
        {
            locks.push(path.display().to_string());
        }
    }
    locks
}

/// Asserts that no process lives on that the binary has started: it would have inherited its folder for temporary files.
fn assert_no_child_is_left(world: &World) {
    let variable = format!("TMPDIR={}", world.path("tmp").display());
    let processes = fs::read_dir("/proc").expect("it is Linux");
    let living = processes.filter_map(|process| {
        let process = process.ok()?.path();
        let variables = fs::read(process.join("environ")).ok()?;
        let mut variables = variables.split(|byte| *byte == 0);
        let is_ours = variables.any(|text| text == variable.as_bytes());
        is_ours.then(|| fs::read_to_string(process.join("comm")))
    });
    let living: Vec<_> = living.collect();
    assert!(living.is_empty(), "{living:?}");
}

#[test]
fn a_pipeline_that_fails_does_not_stop_others_and_the_state_tells_both() {
    let (good, bad) = (Repository::with_one_commit(), Repository::with_one_commit());
    let world = World::new();
    world.configure(
        &(pipeline(&world, "good", &good, "main", "150ms")
            + &pipeline(&world, "bad", &bad, "nope", "150ms")),
    );
    let _daemon = world.start(&["run"]);
    let results = |arguments: &[&str]| {
        let outcome = world.run(arguments);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
        outcome.results()
    };
    for round in 0..5 {
        let commit = push(&good, &round.to_string());
        follows(&world, "good", &commit);
        until("the status knows both", || {
            let status = results(&["status", "--json"]);
            status.len() == 2 && status[1]["to"] == commit
        });
        let status = results(&["status", "--json"]);
        let names: Vec<_> = status.iter().map(|run| &run["pipeline"]).collect();
        assert_eq!(names, ["bad", "good"]);
        assert_eq!(status[0]["error"]["kind"], "ref_missing");
        assert_ne!(status[1]["status"], "failed");
    }
    let history = results(&["history", "good", "--json"]);
    let synced = history.iter().filter(|run| run["status"] == "synced");
    assert!(synced.count() >= 5, "{history:?}");
    let times: Vec<_> = history
        .iter()
        .map(|run| run["started_at"].as_str())
        .collect();
    assert!(
        times.is_sorted_by(|newer, older| newer > older),
        "{times:?}"
    );
    let failures = results(&["history", "bad", "--json"]);
    assert!(failures.len() >= 5 && failures.iter().all(|run| run["status"] == "failed"));

    bad.set("refs/heads/nope", bad.id("main").expect("it has commits"));
    until("it has recovered", || {
        results(&["status", "bad", "--json"])[0]["status"] != "failed"
    });
}

#[test]
fn a_sync_beside_the_daemon_waits_its_turn() {
    let repository = Repository::with_one_commit();
    let world = World::new();
    world.configure(&pipeline(&world, "site", &repository, "main", "100ms"));
    let _daemon = world.start(&["run"]);
    for round in 0..10 {
        let commit = push(&repository, &round.to_string());
        let outcome = world.sync();
        assert_eq!(outcome.code, 0, "{}", outcome.stdout);
        assert_eq!(outcome.result()["to"], commit);
        assert!(is_at(&world, "site", &commit));
    }
    assert!(!log(&world).contains("ERROR"), "{}", log(&world));
}
