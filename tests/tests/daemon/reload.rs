//! SIGHUP.

use std::fs;

use gitbarge_testkit::repository::Repository;
use gitbarge_tests::{Running, World, until};

use crate::{assert_no_child_is_left, follows, is_at, log, pipeline, push, tip};

struct Scene {
    world: World,
    stays: Repository,
    goes: Repository,
    daemon: Running,
}

/// A daemon with the pipelines `stays` and `goes`, both in step.
fn scene() -> Scene {
    let (stays, goes) = (Repository::with_one_commit(), Repository::with_one_commit());
    let world = World::new();
    world.configure(
        &(pipeline(&world, "stays", &stays, "main", "100ms")
            + &pipeline(&world, "goes", &goes, "main", "100ms")),
    );
    let daemon = world.start(&["run"]);
    follows(&world, "stays", &tip(&stays));
    follows(&world, "goes", &tip(&goes));
    Scene {
        world,
        stays,
        goes,
        daemon,
    }
}

#[test]
fn a_bad_file_is_reported_and_changes_nothing() {
    let mut scene = scene();
    let world = &scene.world;
    let good = fs::read_to_string(world.path("gitbarge.toml")).unwrap();
    let bad = [
        (good.replace("\"poll\"", "\"pol\""), "`pol`"),
        (good.replace("path =", "pth ="), "`pth`"),
        ("[pipeline".to_owned(), "gitbarge.toml"),
    ];
    for (round, (text, named)) in bad.iter().enumerate() {
        let before = log(world).len();
        fs::write(world.path("gitbarge.toml"), text).unwrap();
        scene.daemon.signal("HUP");
        until("the problem is reported", || {
            log(world)[before..].contains("the old one stays")
        });
        assert!(log(world)[before..].contains(named), "{}", log(world));
        for (name, repository) in [("stays", &scene.stays), ("goes", &scene.goes)] {
            follows(world, name, &push(repository, &round.to_string()));
        }
    }
    fs::remove_file(world.path("gitbarge.toml")).unwrap();
    let before = log(world).len();
    scene.daemon.signal("HUP");
    until("the problem is reported", || {
        log(world)[before..].contains("the old one stays")
    });
    follows(world, "stays", &push(&scene.stays, "without a file"));
    assert!(scene.daemon.is_running());
}

#[test]
fn a_good_file_adds_a_pipeline_that_runs_at_once_and_removes_another() {
    let mut scene = scene();
    let (world, added) = (&scene.world, Repository::with_one_commit());
    world.configure(
        &(pipeline(world, "stays", &scene.stays, "main", "100ms")
            + &pipeline(world, "added", &added, "main", "1h")),
    );
    scene.daemon.signal("HUP");
    follows(world, "added", &tip(&added));

    let last = tip(&scene.goes);
    push(&scene.goes, "nobody looks at it");
    // Each takes a whole period, in which the removed pipeline would have moved too.
    for round in 0..5 {
        follows(world, "stays", &push(&scene.stays, &round.to_string()));
    }
    assert!(is_at(world, "goes", &last));
    let status = world.run(&["status", "--json"]).results();
    let names: Vec<_> = status.iter().map(|run| &run["pipeline"]).collect();
    assert_eq!(names, ["added", "stays"]);

    scene.daemon.signal("TERM");
    assert_eq!(scene.daemon.ended().0, Some(0));
    assert_no_child_is_left(world);
    world.assert_equal(&world.path("added"), &tip(&added));
    world.assert_equal(&world.path("goes"), &last);
}

#[test]
fn a_pipeline_that_has_changed_goes_on_as_changed() {
    let mut scene = scene();
    let world = &scene.world;
    let other = Repository::with_one_commit();
    let first = push(&other, "another remote");
    let text = fs::read_to_string(world.path("gitbarge.toml")).unwrap();
    let (old, new) = (scene.goes.path(), other.path());
    let text = text.replace(&old.display().to_string(), &new.display().to_string());
    fs::write(world.path("gitbarge.toml"), text).unwrap();
    scene.daemon.signal("HUP");
    follows(world, "goes", &first);
    follows(world, "goes", &push(&other, "more"));
    scene.daemon.signal("TERM");
    assert_eq!(scene.daemon.ended().0, Some(0));
    assert_no_child_is_left(world);
}
