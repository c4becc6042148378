//! The API of a real daemon.

use std::fs;

use gitbarge_tests::until;

use crate::site::{Site, answers, ask};

#[test]
fn whoever_knows_the_token_asks_for_runs_and_nobody_else_does() {
    let site = Site::new();
    let token = site.world.path("token");
    fs::write(&token, "old-and-secret\n").unwrap();
    let key = format!("api_token = {{ file = \"{}\" }}", token.display());
    let (_daemon, address) = site.start(&key, "");
    answers(address, "/readyz", 200);
    let with = |method: &str, path: &str, token: &str| {
        let header = format!("Authorization: Bearer {token}");
        ask(address, method, path, &[&header, "Content-Length: 0"])
    };
    let all = with("GET", "/api/v1/pipelines", "old-and-secret");
    assert_eq!(all.json()["pipelines"][0]["name"], "site");
    let sync = with("POST", "/api/v1/pipelines/site/sync", "old-and-secret");
    assert_eq!(sync.status, 202);
    assert!(sync.json()["run"].is_string());
    let runs = with("GET", "/api/v1/pipelines/site/runs", "old-and-secret").json();
    assert!(
        runs["runs"]
            .as_array()
            .unwrap()
            .iter()
            .any(|run| run["status"] == "synced")
    );
    for (method, path) in [
        ("GET", "/api/v1/pipelines"),
        ("POST", "/api/v1/pipelines/site/sync"),
    ] {
        let answer = with(method, path, "guess");
        assert_eq!(answer.status, 401);
        assert!(
            answer.head.contains("www-authenticate: bearer"),
            "{answer:?}"
        );
    }

    fs::write(&token, "new-and-secret\n").unwrap();
    until("the new token counts", || {
        with("GET", "/api/v1/pipelines", "new-and-secret").status == 200
    });
    assert_eq!(
        with("GET", "/api/v1/pipelines", "old-and-secret").status,
        401
    );
    fs::remove_file(&token).unwrap();
    until("nobody is let in", || {
        with("GET", "/api/v1/pipelines", "new-and-secret").status == 503
    });
    assert!(!site.log().contains("and-secret"), "{}", site.log());
}
