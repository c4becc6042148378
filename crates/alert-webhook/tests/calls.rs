//! What the webhook is sent, and what the alerter makes of its answers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitbarge_alert_webhook::{Method, WebhookAlerter, WebhookConfig};
use gitbarge_core::{Alerter as _, Error, ErrorKind, Event, Result, Run, Secret};
use gitbarge_testkit::alerter::alert;
use gitbarge_testkit::webhook::{Answer, HookServer};
use tokio::net::TcpListener;

/// Stands in everything that must not be seen.
const HUSH: &str = "hush42";

fn config(server: &HookServer) -> WebhookConfig {
    let url = server
        .url()
        .replace("http://", &format!("http://me:{HUSH}@"));
    WebhookConfig::new(Secret::literal(format!("{url}/deploy?token={HUSH}")))
}

fn alerter(config: WebhookConfig) -> WebhookAlerter {
    WebhookAlerter::new(config).unwrap()
}

async fn tell(webhook: &WebhookAlerter) -> Result<()> {
    let alert = alert(Event::Failed, "site");
    webhook.alert(&alert, &Run::standalone("site")).await
}

/// Asserts that nobody may learn a secret from an error, and returns it.
fn hushed(error: Error) -> Error {
    let text = format!("{error} {error:?} {:?}", error.failure());
    assert!(!text.contains(HUSH) && !text.contains("deploy"), "{text}");
    error
}

async fn refused(server: &HookServer, answer: Answer) -> Error {
    server.answer(answer);
    hushed(tell(&alerter(config(server))).await.unwrap_err())
}

#[tokio::test]
async fn the_url_is_called_with_the_method_the_headers_and_the_commit() {
    let server = HookServer::start().await;
    let mut config = config(&server);
    config.method = Method::Put;
    config.headers = [("X-Extra".to_owned(), Secret::literal("yes\n"))].into();
    tell(&alerter(config)).await.unwrap();
    let call = server.received().remove(0);
    assert_eq!(
        (&*call.method, &*call.path),
        ("PUT", "/deploy?token=hush42")
    );
    assert_eq!(call.header("x-extra"), "yes");
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(
        call.header("gitbarge-hash"),
        "0123456789abcdef0123456789abcdef01234567"
    );
    let login = format!("Basic {}", STANDARD.encode(format!("me:{HUSH}")));
    assert_eq!(call.header("authorization"), login);
    assert_eq!(call.json()["to"], call.header("gitbarge-hash"));
}

#[tokio::test]
async fn a_signed_message_can_be_verified_and_keeps_its_id_when_it_is_told_again() {
    let server = HookServer::start().await;
    let mut config = config(&server);
    let key = [7; 32];
    config.secret = Some(Secret::literal(format!("whsec_{}\n", STANDARD.encode(key))));
    let webhook = alerter(config);
    server.answer(Answer::Status(500));
    tell(&webhook).await.unwrap_err();
    server.answer(Answer::Status(204));
    tell(&webhook).await.unwrap();
    let calls = server.received();
    assert_eq!(calls[0].header("webhook-id"), calls[1].header("webhook-id"));
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    for call in calls {
        let (id, at) = (call.header("webhook-id"), call.header("webhook-timestamp"));
        let sent: u64 = at.parse().unwrap();
        assert!((sent..=sent + 60).contains(&now), "{at}");
        let signed = [format!("{id}.{at}.").as_bytes(), &call.body].concat();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key);
        let signature = call
            .header("webhook-signature")
            .strip_prefix("v1,")
            .unwrap();
        let signature = STANDARD.decode(signature).unwrap();
        aws_lc_rs::hmac::verify(&key, &signed, &signature).unwrap();
    }
}

#[tokio::test]
async fn any_2xx_is_taken_unless_one_status_is_wanted() {
    let server = HookServer::start().await;
    let mut config = config(&server);
    for status in [200, 202, 204, 299] {
        server.answer(Answer::Status(status));
        tell(&alerter(config.clone())).await.unwrap();
    }
    config.success_status = Some(201);
    let picky = alerter(config);
    let error = hushed(tell(&picky).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Protocol);
    server.answer(Answer::Status(201));
    tell(&picky).await.unwrap();
}

#[tokio::test]
async fn a_refused_message_has_the_kind_of_its_status() {
    let server = HookServer::start().await;
    for (status, kind) in [
        (400, ErrorKind::Protocol),
        (401, ErrorKind::AuthFailed),
        (404, ErrorKind::Config),
        (500, ErrorKind::Unreachable),
    ] {
        let error = refused(&server, Answer::Status(status)).await;
        assert_eq!(error.kind(), kind, "{error}");
    }
    let error = refused(&server, Answer::SlowDown("30")).await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (server, elsewhere) = (HookServer::start().await, HookServer::start().await);
    let error = refused(&server, Answer::Redirect(elsewhere.url())).await;
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(elsewhere.received().is_empty());
}

#[tokio::test]
async fn silence_is_a_timeout_and_nobody_there_is_unreachable() {
    let server = HookServer::start().await;
    server.answer(Answer::Hang);
    let mut config = config(&server);
    config.timeout = Duration::from_millis(50);
    let error = hushed(tell(&alerter(config.clone())).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Timeout);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = listener.local_addr().unwrap();
    drop(listener);
    config.url = Secret::literal(format!("http://me:{HUSH}@{gone}/deploy"));
    config.timeout = Duration::from_secs(60);
    let webhook = alerter(config);
    let probed = webhook.probe(&Run::standalone("site")).await;
    for error in [tell(&webhook).await.unwrap_err(), probed.unwrap_err()] {
        assert_eq!(hushed(error).kind(), ErrorKind::Unreachable);
    }
}

#[tokio::test]
async fn a_probe_tells_nothing_and_carries_no_credentials() {
    let server = HookServer::start().await;
    server.answer(Answer::Status(404));
    let mut config = config(&server);
    config.headers = [("X-Key".to_owned(), Secret::literal(HUSH))].into();
    let webhook = alerter(config);
    webhook.probe(&Run::standalone("site")).await.unwrap();
    let calls = server.received();
    assert_eq!(calls.len(), 1);
    assert_eq!((&*calls[0].method, &*calls[0].path), ("HEAD", "/"));
    assert!(!format!("{:?}", calls[0].headers).contains(HUSH));
    assert_eq!(calls[0].header("authorization"), "");
}

#[tokio::test]
async fn secrets_are_read_anew_for_each_message() {
    let server = HookServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let mut config = config(&server);
    config.headers = [("X-Key".to_owned(), Secret::file(&file))].into();
    let webhook = alerter(config);
    let error = tell(&webhook).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    for key in ["one", "two"] {
        std::fs::write(&file, format!("{key}\n")).unwrap();
        tell(&webhook).await.unwrap();
    }
    let calls = server.received();
    let keys: Vec<_> = calls.iter().map(|call| call.header("x-key")).collect();
    assert_eq!(keys, ["one", "two"]);
}
