//! Probes and the page.

use std::fs;

use crate::site::{Site, answers, ask, get};

#[test]
fn it_is_ready_after_a_success_and_no_longer_when_that_is_too_old() {
    let site = Site::new();
    let (here, away) = (site.repository.path().to_owned(), site.world.path("away"));
    fs::rename(&here, &away).unwrap();
    let (_daemon, address) = site.start("", "stale_after = \"1s\"");
    answers(address, "/healthz", 200);
    let answer = get(address, "/readyz");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["pipelines"][0], "site");
    assert_eq!(get(address, "/").status, 200);
    fs::rename(&away, &here).unwrap();
    answers(address, "/readyz", 200);
    fs::rename(&here, &away).unwrap();
    answers(address, "/readyz", 503);
    assert_eq!(get(address, "/healthz").status, 200);
    fs::rename(&away, &here).unwrap();
    answers(address, "/readyz", 200);
}

#[test]
fn the_page_shows_the_commit_and_nothing_that_is_alive() {
    let site = Site::new();
    let (_daemon, address) = site.start("", "");
    answers(address, "/readyz", 200);
    let page = get(address, "/");
    assert!(page.head.contains("content-type: text/html"), "{page:?}");
    assert!(
        page.head
            .contains("content-security-policy: default-src 'none'")
    );
    let tip = site.repository.id("main").unwrap().to_string();
    assert!(
        page.body.contains(&tip[..7]) && page.body.contains(">site<"),
        "{page:?}"
    );
    assert!(!page.body.contains("<script"));
}

#[test]
fn what_is_not_there_or_not_allowed_says_so() {
    let site = Site::new();
    let (_daemon, address) = site.start("", "");
    for path in [
        "/nope",
        "/hooks/site",
        "/api/v1/pipelines",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
    ] {
        assert_eq!(get(address, path).status, 404, "{path}");
        assert_eq!(
            ask(address, "POST", path, &["Content-Length: 0"]).status,
            404
        );
    }
    for path in ["/", "/healthz", "/readyz", "/metrics"] {
        let answer = ask(address, "POST", path, &["Content-Length: 0"]);
        assert_eq!(answer.status, 405);
        assert!(answer.head.contains("allow: get,head"), "{answer:?}");
        assert_eq!(answer.json()["accepted"], false);
    }
}
