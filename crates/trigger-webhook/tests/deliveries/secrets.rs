//! Secrets that are rotated, missing or empty, and none that is ever shown.

use std::fs;
use std::time::{Duration, Instant};

use gitbarge_core::Secret;
use gitbarge_trigger_webhook::{Provider, Secrets, WebhookTrigger};

use crate::lab::{Delivery, Lab, SECRET, body, github, mac};
use crate::log;

fn lab(secrets: Vec<Secret>) -> Lab {
    Lab::of(WebhookTrigger::new(
        Provider::Github,
        &Secrets::new(secrets),
    ))
}

fn signed_by(secret: &str, id: &str) -> Delivery {
    github(id, body()).with(
        "X-Hub-Signature-256",
        &format!("sha256={}", mac(secret, &body())),
    )
}

#[tokio::test]
async fn any_secret_of_a_list_fits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("third");
    fs::write(&path, "third\n").unwrap();
    let mut lab = lab(vec![
        Secret::literal("first"),
        Secret::env("GITBARGE_TEST_UNSET"),
        Secret::file(&path),
    ]);
    lab.accepted(&signed_by("first", "a")).await;
    lab.accepted(&signed_by("third", "b")).await;
    for wrong in ["third\n", "", "retired"] {
        lab.refused(&signed_by(wrong, "c"), 401).await;
    }
}

#[tokio::test]
async fn a_secret_that_is_not_there_lets_nobody_in() {
    for secret in [
        Secret::literal(""),
        Secret::literal("\n"),
        Secret::env("GITBARGE_TEST_UNSET"),
        Secret::file("/nowhere/x"),
    ] {
        for provider in [
            Provider::Github,
            Provider::Gitlab,
            Provider::Token,
            Provider::Signature,
            Provider::Gitea,
            Provider::Standard,
        ] {
            let lab = Lab::of(WebhookTrigger::new(
                provider,
                &Secrets::new([secret.clone()]),
            ));
            let mut empty = signed_by("", "a")
                .and("X-Gitlab-Token", "")
                .and("Authorization", "Bearer ");
            empty
                .headers
                .push(("X-Gitea-Signature".to_owned(), mac("", &body())));
            lab.refused(&empty, 401).await;
            lab.refused(
                &empty
                    .with("Authorization", "Bearer")
                    .without("X-Gitlab-Token"),
                401,
            )
            .await;
        }
    }
}

#[tokio::test]
async fn a_file_is_rotated_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, "old").unwrap();
    let mut lab = lab(vec![Secret::file(&path)]);
    lab.accepted(&signed_by("old", "a")).await;
    fs::write(&path, "new\r\n").unwrap();
    let begun = Instant::now();
    while lab.send(&signed_by("new", "b")).await.status != 202 {
        assert!(
            begun.elapsed() < Duration::from_secs(3),
            "the new secret is not known"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    lab.asked.next().await;
    while lab.send(&signed_by("old", "c")).await.status != 401 {
        assert!(
            begun.elapsed() < Duration::from_secs(3),
            "the old secret is still good"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
        lab.asked.next().await;
    }
}

#[tokio::test]
async fn refusals_are_logged_with_their_sender_and_without_secrets_or_floods() {
    let secrets = Secrets::new([Secret::literal(SECRET), Secret::literal("")]);
    let mut lab = Lab::of(WebhookTrigger::new(Provider::Github, &secrets));
    lab.accepted(&github("a", body())).await;
    lab.refused(&github("b", "{"), 400).await;
    let guessed = mac("guess", &body());
    for _ in 0..500 {
        let spoilt = github("c", body()).with("X-Hub-Signature-256", &format!("sha256={guessed}"));
        lab.send_from("198.51.100.77", &spoilt).await;
    }
    let text = log::text();
    let is_his = |line: &&str| line.contains("sender=198.51.100.77");
    let refused: Vec<&str> = text.lines().filter(is_his).collect();
    assert!((2..40).contains(&refused.len()), "{refused:?}");
    for words in [
        "Delivery refused.",
        "status=401",
        "fits no secret",
        "pipeline=\"site\"",
    ] {
        assert!(refused[0].contains(words), "{}", refused[0]);
    }
    assert!(text.contains("A webhook's secret lets nobody in."));
    // Nothing that any of these tests logs.
    for secret in [SECRET, &mac(SECRET, &body()), &guessed] {
        assert!(!text.contains(secret), "{secret} was logged");
    }
}
