//! What `sync` does and prints, from a repository on this machine.

use std::fs;

use gitbarge_testkit::repository::Repository;
use gitbarge_tests::World;

fn world(repository: &Repository, more: &str) -> World {
    let world = World::new();
    world.configure(&world.pipeline("site", repository, more));
    world
}

fn tip(repository: &Repository) -> String {
    repository.id("main").expect("it has a commit").to_string()
}

#[test]
fn the_result_has_the_documented_keys() {
    let repository = Repository::with_one_commit();
    let world = world(&repository, "ref = \"main\"");
    let outcome = world.sync();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let result = outcome.result();
    world.assert_equal(&world.path("site"), &tip(&repository));
    assert_eq!(result["pipeline"], "site");
    assert_eq!(result["status"], "synced");
    assert_eq!(result["ref"], "refs/heads/main");
    assert_eq!(result["to"], tip(&repository));
    assert_eq!(result["subject"], "Change");
    assert!(result["from"].is_null() && result["error"].is_null());
    assert!(result["bytes_received"].as_u64() > Some(100));
    assert!(result["duration_ms"].is_u64() && result["started_at"].is_string());
    let sink = &result["sinks"][0];
    assert_eq!(
        (&sink["name"], &sink["type"], &sink["status"]),
        (&"runner".into(), &"checkout".into(), &"synced".into())
    );
    assert_eq!(sink["files_written"], 1);
}

#[test]
fn nothing_to_do_is_unchanged_and_drift_is_put_right() {
    let repository = Repository::with_one_commit();
    let world = world(&repository, "");
    assert_eq!(world.sync().result()["status"], "synced");
    assert_eq!(world.sync().result()["status"], "unchanged");
    fs::write(world.path("site/README"), "drift").expect("room on the disk");
    let result = world.sync().result();
    assert_eq!(result["status"], "synced");
    assert_eq!(
        result["sinks"][0]["discarded"]["working_tree"][0]["code"],
        " M"
    );
    world.assert_equal(&world.path("site"), &tip(&repository));
}

#[test]
fn faults_of_the_remote_have_their_kinds_and_touch_nothing() {
    let repository = Repository::with_one_commit();
    let world = world(&repository, "ref = \"nope\"");
    let outcome = world.sync();
    assert_eq!((outcome.code, outcome.kind().as_str()), (1, "ref_missing"));
    assert!(!world.path("site").exists());
    fs::rename(repository.path(), repository.path().with_extension("away")).expect("same folder");
    let outcome = world.sync();
    assert_eq!(
        (outcome.code, outcome.kind().as_str()),
        (1, "remote_missing")
    );
    let empty = Repository::empty();
    fs::rename(empty.path(), repository.path()).expect("same file system");
    let outcome = world.sync();
    assert_eq!((outcome.code, outcome.kind().as_str()), (1, "remote_empty"));
}

#[test]
fn an_unknown_pipeline_is_told_with_the_known_ones() {
    let repository = Repository::with_one_commit();
    let world = world(&repository, "");
    let outcome = world.run(&["sync", "sites"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.stderr.contains("`sites`") && outcome.stderr.contains("site"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn any_key_can_be_set_from_outside() {
    let repository = Repository::with_one_commit();
    let dev = repository
        .commit("dev")
        .write("dev", "x")
        .push()
        .to_string();
    let mut world = world(&repository, "ref = \"main\"");
    let outcome = world.run(&["sync", "--json", "--set", "pipeline.site.ref=dev"]);
    assert_eq!(outcome.result()["to"], dev);
    world.set("GITBARGE_PIPELINE__SITE__REF", "main");
    assert_eq!(world.sync().result()["to"], tip(&repository));
}

#[test]
fn status_and_history_tell_of_past_runs() {
    let repository = Repository::with_one_commit();
    let world = world(&repository, "");
    world.sync();
    world.sync();
    let history = world.run(&["history", "site", "--json"]);
    assert_eq!(history.code, 0, "{}", history.stderr);
    let runs = history.results();
    assert_eq!(runs.len(), 2);
    assert!(
        runs.iter().any(|run| run["status"] == "synced")
            && runs.iter().any(|run| run["status"] == "unchanged")
    );
    let status = world.run(&["status"]);
    assert!(
        status.stdout.contains("site") && status.stdout.contains("unchanged"),
        "{}",
        status.stdout
    );
}

#[test]
fn two_sinks_of_a_pipeline_are_served_from_one_fetch() {
    let repository = Repository::with_one_commit();
    repository
        .commit("main")
        .write("big", "0123456789abcdef".repeat(40_000))
        .push();
    let world = world(&repository, "");
    let second = format!(
        "[pipeline.site.sink.second]\ntype = \"checkout\"\npath = \"{}\"\n",
        world.path("second").display()
    );
    let file = world.path("gitbarge.toml");
    let text = fs::read_to_string(&file).expect("it was written");
    let alone = world.sync().result()["bytes_received"]
        .as_u64()
        .expect("a number");
    fs::remove_dir_all(world.path("site")).expect("it was made");
    fs::write(&file, text + &second).expect("room on the disk");
    let result = world.sync().result();
    for target in ["site", "second"] {
        world.assert_equal(&world.path(target), &tip(&repository));
    }
    let together = result["bytes_received"].as_u64().expect("a number");
    assert!(
        together < alone + alone / 2,
        "{together} bytes for two, {alone} for one"
    );
}

#[test]
fn two_at_once_on_one_target_do_not_disturb_one_another() {
    let repository = Repository::with_one_commit();
    let world = world(&repository, "run_timeout = \"40s\"");
    let other = World::new();
    let text = fs::read_to_string(world.path("gitbarge.toml")).expect("it was written");
    let here = world.path("state").display().to_string();
    let text = text.replace(&here, &other.path("state").display().to_string());
    fs::write(other.path("gitbarge.toml"), text).expect("room on the disk");
    for round in 0..5 {
        repository
            .commit("main")
            .write(&format!("file{round}"), "x".repeat(1000))
            .push();
        let children = [&world, &other].map(|w| {
            w.command(&["sync", "--json"])
                .spawn()
                .expect("the binary starts")
        });
        for child in children {
            let output = child.wait_with_output().expect("it ends");
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stdout)
            );
        }
        world.assert_equal(&world.path("site"), &tip(&repository));
    }
}
