//! Posts a test message: `SLACK_WEBHOOK_URL=… cargo run -p gitbarge-alert-slack --example tell`.

use std::time::{Duration, SystemTime};

use gitbarge_alert_slack::SlackAlerter;
use gitbarge_core::{Alert, Alerter as _, Event, Notice, Result, Run, Secret};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let slack = SlackAlerter::new(Secret::env("SLACK_WEBHOOK_URL"), Duration::from_secs(10));
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
    slack.alert(&alert, &Run::standalone("example")).await
}
