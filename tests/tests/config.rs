//! Bad input is told at once, all of it, with exit code 2; nothing is touched.

use gitbarge_testkit::repository::Repository;
use gitbarge_tests::World;

/// A world whose file is this, with the source's and target's places filled in.
fn world(toml: &str) -> World {
    let world = World::new();
    let toml = toml.replace("TARGET", world.path("site").to_str().expect("UTF-8"));
    world.configure(&toml);
    world
}

fn assert_refused(world: &World, words: &[&str]) {
    for verb in ["check", "sync", "run"] {
        let outcome = world.run(&[verb]);
        assert_eq!(
            outcome.code, 2,
            "{verb}: {}{}",
            outcome.stdout, outcome.stderr
        );
        let said = outcome.stdout + &outcome.stderr;
        for word in words {
            assert!(said.contains(word), "{verb} does not name {word}: {said}");
        }
    }
    assert!(!world.path("site").exists(), "the target was made");
    assert!(!world.path("state").exists(), "the state was made");
}

#[test]
fn every_problem_of_a_file_is_reported_at_once() {
    let world = world(
        r#"
        [pipeline.site]
        run_timeout = "soon"
        [pipeline.site.source]
        type = "ssh"
        urll = "git@h:x"
        [pipeline.site.sink.runner]
        type = "checkout"
        path = "TARGET"
        pth = "x"
        [pipeline.two]
        branchh = "main"
        [pipeline.two.source]
        type = "local"
        [pipeline.two.sink.runner]
        type = "chekout"
        "#,
    );
    let all = [
        "pipeline.site.run_timeout",
        "pipeline.site.source.urll",
        "pipeline.site.sink.runner.pth",
        "pipeline.two.branchh",
        "url",
        "chekout",
        "`checkout`",
        "gitbarge.toml",
    ];
    assert_refused(&world, &all);
}

#[test]
fn two_sinks_on_one_folder_are_refused() {
    let world = world(
        r#"
        [defaults.source]
        type = "local"
        url = "/srv/x"
        [pipeline.one.sink.a]
        type = "checkout"
        path = "TARGET"
        [pipeline.two.sink.b]
        type = "checkout"
        path = "TARGET/../site/inner"
        "#,
    );
    assert_refused(&world, &["pipeline.one.sink.a", "pipeline.two.sink.b"]);
}

#[test]
fn absurd_durations_and_names_are_refused() {
    let world = world(
        r#"
        [pipeline."../x"]
        run_timeout = "0s"
        [pipeline."../x".source]
        type = "ssh"
        url = "git@h:x"
        key = "x"
        connect_timeout = "5000years"
        [pipeline."../x".sink.runner]
        type = "checkout"
        path = "TARGET"
        "#,
    );
    assert_refused(&world, &["../x", "connect_timeout", "run_timeout"]);
}

#[test]
fn dangerous_addresses_are_refused_before_anything_happens() {
    for url in [
        "--upload-pack=evil",
        "-oProxyCommand=evil",
        "ext::evil %S",
        "ssh://-oProxyCommand=x/y",
        "ssh://h",
        "",
    ] {
        let world = world(&format!(
            r#"
            [pipeline.site.source]
            type = "ssh"
            url = "{url}"
            key = "x"
            [pipeline.site.sink.runner]
            type = "checkout"
            path = "TARGET"
            "#
        ));
        assert_refused(&world, &["pipeline.site.source.url"]);
    }
}

#[test]
fn check_finds_what_the_file_names_and_is_not_there() {
    let world = world(
        r#"
        [pipeline.site.source]
        type = "ssh"
        url = "git@h:x"
        key = { env = "NOBODY_SETS_THIS" }
        known_hosts = "/nowhere/known_hosts"
        host_keys = "strict"
        [pipeline.site.sink.runner]
        type = "checkout"
        path = "TARGET"
        "#,
    );
    let outcome = world.run(&["check"]);
    assert_eq!(outcome.code, 2);
    let said = outcome.stdout + &outcome.stderr;
    assert!(
        said.contains("NOBODY_SETS_THIS") && said.contains("/nowhere/known_hosts"),
        "{said}"
    );
}

#[test]
fn a_missing_variable_fails_its_own_pipeline_only() {
    let repository = Repository::with_one_commit();
    let world = World::new();
    world.configure(&format!(
        r#"
        [pipeline.bad.source]
        type = "ssh"
        url = "git@127.0.0.1:x"
        key = {{ env = "NOBODY_SETS_THIS" }}
        [pipeline.bad.sink.runner]
        type = "checkout"
        path = "{bad}"
        [pipeline.good.source]
        type = "local"
        url = "{source}"
        [pipeline.good.sink.runner]
        type = "checkout"
        path = "{good}"
        "#,
        bad = world.path("bad").display(),
        good = world.path("good").display(),
        source = repository.path().display(),
    ));
    let outcome = world.sync();
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    let results = outcome.results();
    assert_eq!(results[0]["error"]["kind"], "config");
    assert_eq!(results[1]["status"], "synced");
    assert!(!world.path("bad").exists());
}

#[test]
fn a_missing_file_and_a_broken_one_are_told() {
    let world = World::new();
    let outcome = world.run(&["sync"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.stderr.contains("gitbarge.toml"),
        "{}",
        outcome.stderr
    );
    world.configure("[pipeline.site\n");
    let outcome = world.run(&["check"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.stderr.contains("gitbarge.toml"),
        "{}",
        outcome.stderr
    );
}
