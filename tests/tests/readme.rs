//! What the README shows is true.

use std::fs;
use std::path::{Path, PathBuf};

use gitbarge_tests::World;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_owned()
}

/// The blocks of a language in a Markdown file.
fn blocks(file: &Path, language: &str) -> Vec<String> {
    let text = fs::read_to_string(file).expect("it is there");
    let opening = format!("```{language}\n");
    text.split(&opening)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn the_configurations_are_valid_ones() {
    let mut world = World::new();
    world.set(
        "SLACK_WEBHOOK_URL",
        "https://hooks.slack.com/services/T0/B0/x",
    );
    let key = world.path("key");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status();
    assert!(made.expect("ssh-keygen is installed").success());
    world.set("SITE_TOKEN", "a token");
    world.set("API_TOKEN", "a token");
    world.set("SITE_HOOK_SECRET", "a secret");
    world.set(
        "SITE_SSHKEY",
        fs::read_to_string(&key).expect("it was made"),
    );
    let shown = blocks(&project().join("README.md"), "toml");
    assert_eq!(shown.len(), 3);
    for toml in &shown {
        // What listens stands beside a pipeline.
        let pipelines = match toml.contains("[http]") {
            true => &shown[0],
            false => "",
        };
        world.configure(&[pipelines, toml].concat());
        let outcome = world.run(&["check"]);
        assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    }
}

#[test]
fn the_quickstart_does_the_main_job() {
    let world = World::new();
    let folder = world.path("clone");
    let project = project();
    world.git(
        &project,
        &[
            "clone",
            "-q",
            "--no-hardlinks",
            ".",
            folder.to_str().expect("UTF-8"),
        ],
    );
    let mut command = world.command(&["sync", "--json"]);
    command
        .arg("-c")
        .arg(folder.join("examples/quickstart.toml"))
        .current_dir(&folder);
    world.configure("");
    let output = command.output().expect("the binary starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tip = world.git(&folder, &["rev-parse", "HEAD"]);
    world.assert_equal(&folder.join("target/quickstart/checkout"), &tip);
}
