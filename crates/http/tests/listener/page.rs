//! The status page.

use crate::lab::{Lab, TOKEN};

#[tokio::test]
async fn the_page_shows_everything_and_nothing_that_is_alive() {
    let lab = Lab::new().await;
    let answer = lab.get("/?x=%3Cscript%3E").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    let tip = lab.repository.id("main").unwrap().to_string();
    for part in [
        ">site<",
        ">broken<",
        &tip[..7],
        "synced",
        "remote_missing",
        "1 of 2 pipelines are in step",
        "example.org/site.git",
        "&lt;script&gt;alert(",
        "?? &lt;stray&gt;",
    ] {
        assert!(answer.body.contains(part), "{part}: {}", answer.body);
    }
    for part in ["<script", "<stray>", "somebody", TOKEN] {
        assert!(!answer.body.contains(part), "{part}: {}", answer.body);
    }
}
