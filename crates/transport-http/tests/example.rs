//! The example `head` against git's own HTTP server.

use std::process::Command;

use gitbarge_testkit::http_backend::{Door, GitHttp};
use gitbarge_testkit::repository::Repository;

#[tokio::test(flavor = "multi_thread")]
async fn with_the_token_in_a_variable_it_prints_the_tip() {
    let repository = Repository::with_one_commit();
    let server = GitHttp::start(repository.path().parent().unwrap()).await;
    server.require(Door::Basic("x-access-token".into(), "hush".into()));
    // Cargo builds a package's examples together with its tests, and puts them beside the tests' own folder.
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let mut command = Command::new(profile.join("examples/head"));
    command.arg(server.url(repository.path())).env_clear();
    for (token, code) in [("hush", 0), ("other", 1)] {
        command.env("GIT_TOKEN", token);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        let tip = repository.id("main").filter(|_| code == 0);
        let printed = tip.map(|tip| format!("{tip}\n")).unwrap_or_default();
        assert_eq!(String::from_utf8_lossy(&output.stdout), printed);
    }
}
