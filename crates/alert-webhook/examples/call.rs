//! Sends a test message: `WEBHOOK_URL=… cargo run -p gitbarge-alert-webhook --example call`.

use std::time::SystemTime;

use gitbarge_alert_webhook::{WebhookAlerter, WebhookConfig};
use gitbarge_core::{Alert, Alerter as _, Event, Notice, Result, Run, Secret};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let config = WebhookConfig::new(Secret::env("WEBHOOK_URL"));
    let webhook = WebhookAlerter::new(config).expect("only a URL is configured");
    let now = SystemTime::now().try_into().expect("the clock is right");
    let notice = Notice {
        event: Event::Test,
        pipeline: "example".to_owned(),
        sink: None,
        repository: String::new(),
        reference: None,
        from: None,
        commit: None,
        failure: None,
        count: 0,
        since: now,
        at: now,
    };
    let alert = Alert {
        notices: vec![notice],
    };
    webhook.alert(&alert, &Run::standalone("example")).await
}
