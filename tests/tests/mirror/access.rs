//! Keys that are wrong, buckets that are missing, and stores that hide what is missing.

use gitbarge_testkit::s3::{ACCESS_KEY, Fault, Rule, SECRET_KEY};
use gitbarge_tests::{Outcome, World};

use crate::scene::Scene;

const WRONG: &str = "wrongsecret42wrongsecret42wrong";

/// One run elsewhere that fails by its keys; returns what it said.
fn refused(scene: &Scene, world: &World) -> String {
    let outcome = scene.run_in(world, &["sync", "--json"]);
    let Outcome {
        code,
        stdout,
        stderr,
    } = &outcome;
    assert_eq!((*code, outcome.kind().as_str()), (1, "auth_failed"));
    let said = format!("{stdout}{stderr}");
    assert!(!said.contains(WRONG), "{said}");
    assert_eq!(scene.keys(), [""; 0], "something was written");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_are_auth_failed_by_the_name_of_the_place_they_came_from() {
    let mut scene = Scene::new().await;
    let mut world = World::new();
    world.set("AWS_ACCESS_KEY_ID", ACCESS_KEY);
    world.set("AWS_SECRET_ACCESS_KEY", WRONG);
    let said = refused(&scene, &world);
    assert!(said.contains("AWS_ACCESS_KEY_ID"), "{said}");

    world.set("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN");
    refused(&scene, &world);

    let mut world = World::new();
    world.set("MY_SECRET", WRONG);
    scene.sink =
        format!("access_key_id = \"{ACCESS_KEY}\"\nsecret_access_key = {{ env = \"MY_SECRET\" }}");
    let said = refused(&scene, &world);
    assert!(said.contains("`MY_SECRET`"), "{said}");

    scene.sink.clear();
    let world = World::new();
    std::fs::create_dir(world.path("home/.aws")).unwrap();
    let profile =
        format!("[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {WRONG}\n");
    std::fs::write(world.path("home/.aws/credentials"), profile).unwrap();
    let said = refused(&scene, &world);
    assert!(said.contains("profile `default`"), "{said}");
    scene.synced();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_may_come_from_the_file_alone() {
    let mut scene = Scene::new().await;
    let mut world = World::new();
    world.set("MY_SECRET", SECRET_KEY);
    scene.sink =
        format!("access_key_id = \"{ACCESS_KEY}\"\nsecret_access_key = {{ env = \"MY_SECRET\" }}");
    let outcome = scene.run_in(&world, &["sync", "--json"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    scene.assert_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_may_not_write_are_auth_failed_and_the_mirror_stands() {
    let scene = Scene::new().await;
    scene.synced();
    let before = scene.refs();
    scene.change(1);
    scene.fault(Rule::new("PUT", "", Fault::Status(403, "AccessDenied")));
    let said = scene.failed("auth_failed");
    assert!(said.contains("AWS_ACCESS_KEY_ID"), "{said}");
    scene.s3.heal();
    crate::judge::assert_shows(&scene.web_url(), &before);
    scene.synced();
    scene.assert_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_bucket_is_config_and_is_named() {
    let scene = Scene::new().await;
    scene.fault(Rule::new("", "", Fault::Status(404, "NoSuchBucket")));
    let said = scene.failed("config");
    assert!(said.contains("`s3://mirrors`"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_was_never_made_is_config_and_is_named() {
    let scene = Scene::new().await;
    scene.configure(&scene.world);
    let set = "pipeline.site.sink.mirror.url=\"s3://never-made/site\"";
    let outcome = scene.world.run(&["sync", "--json", "--set", set]);
    assert_eq!((outcome.code, outcome.kind().as_str()), (1, "config"));
    assert!(
        outcome.stdout.contains("`s3://never-made`"),
        "{}",
        outcome.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_list_a_mirror_is_made_and_followed() {
    let scene = Scene::new().await;
    scene.synced();
    scene.s3.hide_missing(true);
    scene.change(1);
    scene.synced();
    scene.assert_equal();
    scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_list_a_first_mirror_says_which_right_is_missing() {
    let scene = Scene::new().await;
    scene.s3.hide_missing(true);
    let said = scene.failed("auth_failed");
    assert!(said.contains("s3:ListBucket"), "{said}");
    assert_eq!(scene.keys(), [""; 0], "something was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_not_there_is_unreachable() {
    let mut scene = Scene::new().await;
    scene.pipeline = "run_timeout = \"12s\"".to_owned();
    scene.configure(&scene.world);
    let set = "pipeline.site.sink.mirror.endpoint=\"http://127.0.0.1:9\"";
    let outcome = scene.world.run(&["sync", "--json", "--set", set]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.stdout.contains("127.0.0.1:9"), "{}", outcome.stdout);
    assert_eq!(outcome.kind(), "unreachable");
}
