//! What the alerter makes of Slack's answers, and of none.

use std::time::Duration;

use gitbarge_alert_slack::SlackAlerter;
use gitbarge_core::{Alerter as _, Error, ErrorKind, Event, Result, Run, Secret};
use gitbarge_testkit::alerter::alert;
use gitbarge_testkit::slack::{Answer, SlackServer, WEBHOOK_SECRET};
use tokio::net::TcpListener;

fn alerter(url: &str, timeout: Duration) -> SlackAlerter {
    SlackAlerter::new(Secret::literal(url), timeout)
}

async fn tell(slack: &SlackAlerter) -> Result<()> {
    let alert = alert(Event::Failed, "site");
    slack.alert(&alert, &Run::standalone("site")).await
}

/// Everything of an error that anybody may ever see.
fn all_text(error: &Error) -> String {
    format!("{error} {error:?} {:?}", error.failure())
}

async fn refused(server: &SlackServer, answer: Answer) -> Error {
    server.answer(answer);
    let slack = alerter(&server.webhook_url(), Duration::from_secs(60));
    let error = tell(&slack).await.expect_err("is refused");
    let text = all_text(&error);
    assert!(!text.contains("slacksecret") && !text.contains(WEBHOOK_SECRET));
    error
}

#[tokio::test]
async fn a_refused_message_has_the_kind_of_its_status() {
    let server = SlackServer::start().await;
    for (status, body, kind) in [
        (400, "invalid_blocks", ErrorKind::Protocol),
        (403, "invalid_token", ErrorKind::Config),
        (404, "no_service", ErrorKind::Config),
        (410, "channel_is_archived", ErrorKind::Config),
        (500, "rollup_error", ErrorKind::Unreachable),
    ] {
        let error = refused(&server, Answer::Status(status, body)).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(body), "{error}");
    }
    assert_eq!(server.payloads(), [0; 0]);
}

#[tokio::test]
async fn a_page_that_quotes_the_url_is_not_repeated() {
    let server = SlackServer::start().await;
    let page = "no such page: /services/T000/B000/slacksecret42";
    refused(&server, Answer::Status(404, page)).await;
}

#[tokio::test]
async fn too_many_messages_are_told_again_when_slack_allows() {
    let server = SlackServer::start().await;
    let error = refused(&server, Answer::SlowDown("30")).await;
    assert!(error.kind().is_retryable());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = SlackServer::start().await;
    let elsewhere = SlackServer::start().await;
    let error = refused(&server, Answer::Redirect(elsewhere.webhook_url())).await;
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(elsewhere.received().is_empty());
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let server = SlackServer::start().await;
    server.answer(Answer::Hang);
    let slack = alerter(&server.webhook_url(), Duration::from_millis(50));
    let error = tell(&slack).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(!all_text(&error).contains("slacksecret"));
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/slacksecret", listener.local_addr().unwrap());
    drop(listener);
    let slack = alerter(&url, Duration::from_secs(60));
    let told = tell(&slack).await;
    let probed = slack.probe(&Run::standalone("site")).await;
    for error in [told.unwrap_err(), probed.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(!all_text(&error).contains("slacksecret"));
    }
}

#[tokio::test]
async fn a_probe_posts_nothing_and_keeps_the_path_to_itself() {
    let server = SlackServer::start().await;
    server.answer(Answer::Status(404, "no"));
    let slack = alerter(&server.webhook_url(), Duration::from_secs(60));
    slack.probe(&Run::standalone("site")).await.unwrap();
    let received = server.received();
    assert_eq!(received.len(), 1);
    assert_eq!((&*received[0].method, &*received[0].path), ("HEAD", "/"));
}

#[tokio::test]
async fn a_webhook_that_is_no_url_fails_before_any_network() {
    let slack = alerter("slacksecret", Duration::from_secs(60));
    let error = tell(&slack).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(!all_text(&error).contains("slacksecret"));
}
