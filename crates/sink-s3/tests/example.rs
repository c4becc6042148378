//! The example `mirror` against an S3 server, judged by stock git.

use std::process::{Command, Output, Stdio};

use gitbarge_testkit::http_backend::GitHttp;
use gitbarge_testkit::repository::{Repository, git, printed};
use gitbarge_testkit::s3::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};

/// Runs the example with nothing in its environment but a key and where the server is.
fn mirror(server: &S3Server, source: &str, secret: &str) -> Output {
    // Cargo builds a package's examples together with its tests, and puts them beside the tests' own folder.
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test.parent().and_then(|deps| deps.parent());
    let profile = profile.expect("target/<profile>/deps");
    let mut command = Command::new(profile.join("examples/mirror"));
    command.arg(source).arg(format!("s3://{BUCKET}/site"));
    command.env_clear().stdin(Stdio::null());
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.envs([
        ("AWS_ENDPOINT_URL_S3", server.endpoint()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
    ]);
    command.output().expect("cargo has built the example")
}

fn assert_prints(output: &Output, wanted: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.starts_with(wanted), "{printed}");
}

fn assert_mirrored(server: &S3Server, repository: &Repository) {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let url = format!("{}/site", server.web_url());
    printed(git(folder.path()).args(["clone", "-q", "--mirror", &url, "clone"]));
    let clone = folder.path().join("clone");
    printed(git(&clone).args(["fsck", "--full", "--strict"]));
    let list = ["rev-list", "--objects", "--all"];
    assert_eq!(printed(git(&clone).args(list)), repository.git(&list));
    let refs = ["for-each-ref", "--format=%(objectname) %(refname)"];
    assert_eq!(printed(git(&clone).args(refs)), repository.git(&refs));
}

#[tokio::test(flavor = "multi_thread")]
async fn from_this_machine_it_mirrors_what_is_new_and_only_that() {
    let (server, repository) = (S3Server::start().await, Repository::with_one_commit());
    let source = repository.path().display().to_string();
    for content in ["more\n", "and more\n"] {
        repository.commit("main").write("a/b", content).push();
        assert_prints(&mirror(&server, &source, SECRET_KEY), "synced {");
        assert_mirrored(&server, &repository);
    }
    let again = mirror(&server, &source, SECRET_KEY);
    assert_prints(&again, "unchanged {\"bytes_sent\":0,");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_web_it_mirrors_too() {
    let (server, repository) = (S3Server::start().await, Repository::with_one_commit());
    let http = GitHttp::start(repository.path().parent().unwrap()).await;
    let source = http.url(repository.path());
    assert_prints(&mirror(&server, &source, SECRET_KEY), "synced {");
    assert_mirrored(&server, &repository);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_wrong_secret_it_fails_and_says_neither() {
    let (server, repository) = (S3Server::start().await, Repository::with_one_commit());
    let source = repository.path().display().to_string();
    let output = mirror(&server, &source, "another secret");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("AuthFailed"), "{said}");
    assert!(!said.contains("another secret"), "{said}");
    assert_eq!(server.keys(BUCKET), [""; 0]);
}
