//! The Slack alerter keeps the promises of every alerter.

use std::sync::Arc;
use std::time::Duration;

use gitbarge_alert_slack::SlackAlerter;
use gitbarge_core::Secret;
use gitbarge_testkit::alerter;
use gitbarge_testkit::slack::SlackServer;

#[tokio::test]
async fn the_slack_alerter_keeps_the_contract() {
    let server = SlackServer::start().await;
    let url = Secret::literal(server.webhook_url());
    let slack = SlackAlerter::new(url, Duration::from_secs(60));
    alerter::conformance(Arc::new(slack), &server).await;
}
