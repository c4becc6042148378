//! Tells a command of a test: `cargo run -p gitbarge-alert-exec --example run -- sh -c 'echo $GITBARGE_EVENT > /tmp/told'`.

use std::time::SystemTime;

use gitbarge_alert_exec::{ExecAlerter, ExecConfig};
use gitbarge_core::{Alert, Alerter as _, Error, ErrorKind, Event, Notice, Result, Run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let command = ExecAlerter::new(ExecConfig::new(std::env::args().skip(1)));
    let usage = |_| Error::new(ErrorKind::Config, "usage: run PROGRAM [ARGUMENT]...");
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
    let run = Run::standalone("example");
    command.map_err(usage)?.alert(&alert, &run).await
}
