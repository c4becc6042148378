//! The webhook alerter keeps the promises of every alerter.

use std::sync::Arc;

use gitbarge_alert_webhook::{WebhookAlerter, WebhookConfig};
use gitbarge_core::{Alerter, Secret};
use gitbarge_testkit::webhook::HookServer;
use gitbarge_testkit::{alerter, plugin};

#[tokio::test]
async fn the_webhook_alerter_keeps_the_contract() {
    let server = HookServer::start().await;
    let config = WebhookConfig::new(Secret::literal(server.url()));
    let webhook = WebhookAlerter::new(config).unwrap();
    alerter::conformance(Arc::new(webhook), &server).await;
}

#[test]
fn the_configuration_keeps_the_contract() {
    plugin::conformance::<dyn Alerter, WebhookConfig>();
}
