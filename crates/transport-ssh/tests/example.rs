//! The example `fetch` against a real OpenSSH server, judged by stock git.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use gitbarge_testkit::repository::{Repository, git, printed};
use gitbarge_testkit::sshd::{KeyType, SshKey, Sshd};
use tempfile::TempDir;

/// Cargo builds a package's examples together with its tests, and puts them beside the tests' own folder.
fn example() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let deps = test.parent().expect("it lies in a folder");
    let profile = deps.parent().expect("target/<profile>/deps");
    profile.join("examples/fetch")
}

/// Runs the example with nothing in its environment but a key and a home.
fn fetch(url: &str, folder: &Path, home: &Path, key: Option<&str>) -> Output {
    let mut command = Command::new(example());
    command.args([url.as_ref(), folder.as_os_str()]);
    command.env_clear().env("HOME", home).stdin(Stdio::null());
    if let Some(key) = key {
        command.env("SSH_KEY", key);
    }
    command.output().expect("cargo has built the example")
}

fn assert_fetched(output: &Output, folder: &Path, repository: &Repository) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let tip = repository.id("main").expect("it has a commit");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(stdout, format!("{tip} refs/heads/main\n"));
    let in_folder = |arguments: &[&str]| printed(git(folder).args(arguments));
    in_folder(&["fsck", "--full", "--strict"]);
    assert_eq!(in_folder(&["rev-parse", "HEAD"]), tip.to_string());
    let list = ["rev-list", "--objects", "main"];
    assert_eq!(in_folder(&list), repository.git(&list));
}

fn home() -> TempDir {
    tempfile::tempdir().expect("there is a folder for temporary files")
}

#[test]
fn with_the_key_in_a_variable_it_fetches_what_the_remote_has() {
    let (sshd, repository, home) = (Sshd::start(), Repository::with_one_commit(), home());
    let (url, folder) = (sshd.url(repository.path()), home.path().join("fetched"));
    let key = sshd.client_key().private.as_str();
    for content in ["more\n", "and more\n"] {
        repository.commit("main").write("a/b", content).push();
        let output = fetch(&url, &folder, home.path(), Some(key));
        assert_fetched(&output, &folder, &repository);
    }
}

#[test]
fn without_a_variable_it_takes_the_key_from_the_home() {
    let (sshd, repository, home) = (Sshd::start(), Repository::with_one_commit(), home());
    let (url, folder) = (sshd.url(repository.path()), home.path().join("fetched"));
    std::fs::create_dir(home.path().join(".ssh")).unwrap();
    let file = home.path().join(".ssh/id_ed25519");
    std::fs::write(file, &sshd.client_key().private).unwrap();
    let output = fetch(&url, &folder, home.path(), None);
    assert_fetched(&output, &folder, &repository);
}

#[test]
fn with_a_wrong_key_it_fails_and_names_its_fingerprint() {
    let (sshd, repository, home) = (Sshd::start(), Repository::with_one_commit(), home());
    let (url, folder) = (sshd.url(repository.path()), home.path().join("fetched"));
    let stranger = SshKey::generate(KeyType::Ed25519);
    let output = fetch(&url, &folder, home.path(), Some(&stranger.private));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&stranger.fingerprint), "{said}");
    assert!(!folder.exists());
}
