//! What is proved and yet asks for nothing, and what nobody could take.

use gitbarge_trigger_webhook::Provider;

use crate::lab::{Lab, body, github};

#[tokio::test]
async fn other_refs_and_deletions_ask_for_nothing() {
    let lab = Lab::new(Provider::Github);
    for (number, name) in [
        "refs/heads/other",
        "refs/heads/mai",
        "refs/heads/Main",
        "refs/heads/feature/main",
        "main",
        "refs/heads/größe",
    ]
    .iter()
    .enumerate()
    {
        let body = format!(r#"{{"ref":"{name}"}}"#);
        let answer = lab.refused(&github(&number.to_string(), body), 200).await;
        assert!(answer.reason.contains(name), "{answer:?}");
    }
    let gone = r#"{"ref":"refs/heads/main","after":"0000000000000000000000000000000000000000","deleted":true}"#;
    assert!(
        lab.refused(&github("x", gone), 200)
            .await
            .reason
            .contains("was deleted")
    );
}

#[tokio::test]
async fn a_body_that_no_forge_sends_is_refused_after_its_proof() {
    let mut lab = Lab::new(Provider::Github);
    for body in [
        "",
        "{",
        "null",
        "[]",
        "{}",
        r#"{"ref":7}"#,
        r#"{"ref":null}"#,
    ] {
        let delivery = github("same", body);
        lab.refused(&delivery, 400).await;
        lab.refused(&delivery.with("X-Hub-Signature-256", "sha256=0"), 401)
            .await;
    }
    let form =
        github("same", "payload=%7B").with("Content-Type", "application/x-www-form-urlencoded");
    lab.refused(&form, 400).await;
    let good = github("same", body());
    lab.refused(&good.without("X-GitHub-Event"), 400).await;
    lab.refused(&good.and("X-GitHub-Event", "push"), 400).await;
    lab.refused(&good.and("X-GitHub-Delivery", "other"), 400)
        .await;
    lab.refused(&good.with("X-GitHub-Event", "\u{9f}\u{1f680}"), 200)
        .await;
    // None of them has used up the id.
    lab.accepted(&good).await;
}

#[tokio::test]
async fn whoever_is_followed_no_longer_is_told_to_come_again() {
    let lab = Lab::new(Provider::Github);
    lab.run.cancel_token().cancel();
    let answer = lab.send(&github("a", body())).await;
    assert_eq!((answer.status, answer.retry_after), (503, Some(1)));
}

#[tokio::test]
async fn other_methods_are_refused_before_anything_else() {
    let lab = Lab::new(Provider::Github);
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let (mut head, _) = github("a", body()).request().into_parts();
        head.method = method.parse().unwrap();
        let response = lab
            .endpoint
            .screen(&head, [192, 0, 2, 1].into())
            .unwrap_err();
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "POST");
    }
}
