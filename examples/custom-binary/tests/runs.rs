//! The binary knows its own sink, and runs it from a file.

use std::path::Path;
use std::process::{Command, Output};

fn binary(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_custom-binary")).args(arguments).output();
    output.expect("it was built")
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=T", "-c", "user.email=t@example.org"]).args(arguments).current_dir(folder);
    let output = git.env("GIT_CONFIG_GLOBAL", "/dev/null").output().expect("git is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn its_own_sink_is_listed_with_the_others() {
    let output = binary(&["plugins"]);
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(listed.contains("sink.stamp") && listed.contains("sink.checkout"), "{listed}");
}

#[test]
fn its_own_sink_runs_from_a_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    git(folder.path(), &["init", "-q", "-b", "main", "remote"]);
    git(&at("remote"), &["commit", "-q", "--allow-empty", "-m", "one"]);
    let tip = git(&at("remote"), &["rev-parse", "HEAD"]);
    let toml = format!(
        "[state]\ntype = \"file\"\npath = \"{state}\"\n\
         [pipeline.x.source]\ntype = \"local\"\nurl = \"{remote}\"\n\
         [pipeline.x.sink.mine]\ntype = \"stamp\"\npath = \"{stamp}\"\n",
        state = at("state").display(),
        remote = at("remote").display(),
        stamp = at("stamp").display(),
    );
    std::fs::write(at("gitbarge.toml"), toml).expect("room on the disk");
    let file = at("gitbarge.toml").display().to_string();
    for expected in ["synced", "unchanged"] {
        let output = binary(&["sync", "--json", "-c", &file]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let results: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(results[0]["status"], expected);
        assert_eq!(results[0]["sinks"][0]["type"], "stamp");
    }
    let stamp = std::fs::read_to_string(at("stamp")).expect("it was written");
    assert_eq!(stamp, format!("refs/heads/main {tip}\n"));
}
