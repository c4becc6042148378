//! Where LFS objects are, as a real OpenSSH server with the command says, or without it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use gitbarge_core::{Error, ErrorKind, LfsServer, Run};
use gitbarge_testkit::sshd::Sshd;
use gitbarge_transport_ssh::SshConfig;

use crate::lab::{Lab, list, run, source};

/// A server whose accounts have a program `git-lfs-authenticate`.
fn lab_with(script: &str) -> Lab {
    let lab = Lab::new();
    let folder = lab.sshd.programs();
    let program = folder.join("git-lfs-authenticate");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    lab
}

async fn find(config: SshConfig) -> Result<LfsServer, Error> {
    let run = Run::standalone("site");
    Ok(source(config).lfs(&run).await?.unwrap())
}

fn guessed(lab: &Lab) -> String {
    let path = lab.repository.path().display().to_string();
    format!("https://{}{path}/info/lfs", lab.sshd.address().ip())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_knows_the_command_says_where_and_how() {
    let lab = lab_with(
        r#"echo "{\"href\":\"https://lfs.host$1/$2\",\"header\":{\"Authorization\":\"Basic hush\"}}""#,
    );
    let source = source(lab.config());
    let run = run(&gitbarge_testkit::memory::MemoryState::new());
    let server = source.lfs(&run).await.unwrap().unwrap();
    let path = lab.repository.path().display();
    assert_eq!(server.url, format!("https://lfs.host{path}/download"));
    let (name, value) = &server.headers[0];
    assert_eq!(
        (name.as_str(), value.expose()),
        ("Authorization", "Basic hush")
    );
    // The session goes on to work for git.
    assert_eq!(
        Some(list(&source, &run).await.unwrap()),
        lab.repository.id("main")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_the_command_is_guessed() {
    let lab = Lab::new();
    let server = find(lab.config()).await.unwrap();
    assert_eq!(server.url, guessed(&lab));
    assert!(server.headers.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_is_as_good_as_none() {
    let lab = lab_with("echo '{\"href\":\"https://wrong\"}'; echo no >&2; exit 3");
    assert_eq!(find(lab.config()).await.unwrap().url, guessed(&lab));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_refused() {
    let lab = lab_with("echo '{'; yes");
    let error = find(lab.config()).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_says_nothing_is_a_timeout_and_can_be_cancelled() {
    let lab = lab_with("read never");
    let mut config = lab.config();
    config.idle_timeout = Duration::from_millis(200);
    assert_eq!(find(config).await.err().unwrap().kind(), ErrorKind::Timeout);

    let marker = lab.file("asked", "");
    let lab = lab_with(&format!("echo yes > '{}'; read never", marker.display()));
    let (source, run) = (source(lab.config()), Run::standalone("site"));
    let cancelling = async {
        while written(&marker).is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        run.cancel_token().cancel();
        Instant::now()
    };
    let (found, cancelled) = tokio::join!(source.lfs(&run), cancelling);
    assert_eq!(found.err().unwrap().kind(), ErrorKind::Cancelled);
    assert!(cancelled.elapsed() < Duration::from_millis(100));
}

fn written(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_let_in_is_told_and_nothing_guessed() {
    let (lab, other) = (Lab::new(), Sshd::start());
    let mut config = lab.config();
    config.key = gitbarge_core::Secret::literal(&other.client_key().private);
    assert_eq!(
        find(config).await.err().unwrap().kind(),
        ErrorKind::AuthFailed
    );
}
