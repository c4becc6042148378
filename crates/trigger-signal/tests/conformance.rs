//! The signal trigger keeps the promises of every trigger.

use std::sync::Arc;

use gitbarge_core::{Requests, Run, Trigger};
use gitbarge_testkit::{plugin, trigger};
use gitbarge_trigger_signal::{SignalConfig, SignalTrigger, UserSignal};
use rustix::process::{Signal, getpid, kill_process};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::test]
async fn the_signal_trigger_keeps_the_contract() {
    // So that a signal that comes before the trigger watches does not end the test.
    let _survives = signal(SignalKind::user_defined1()).unwrap();
    let usual = SignalTrigger::new(UserSignal::usual());
    trigger::conformance(Arc::new(usual), async || {
        // The trigger begins to watch when it is this test's turn to wait.
        tokio::task::yield_now().await;
        kill_process(getpid(), Signal::USR1).unwrap();
    })
    .await;
}

#[tokio::test]
async fn one_signal_asks_for_each_pipeline_that_listens() {
    let second: UserSignal = "SIGUSR2".parse().unwrap();
    let run = Run::standalone("signal");
    let mut all = Vec::new();
    for _ in 0..3 {
        let ((requests, asked), run) = (Requests::channel(), run.clone());
        let watching =
            tokio::spawn(async move { SignalTrigger::new(second).watch(requests, &run).await });
        all.push((asked, watching));
    }
    tokio::task::yield_now().await;
    kill_process(getpid(), Signal::USR2).unwrap();
    for (asked, _) in &mut all {
        asked.next().await;
    }
    run.cancel_token().cancel();
    for (asked, watching) in all {
        watching.await.unwrap().unwrap();
        assert!(!asked.is_waiting());
    }
    // Nobody watches, and nobody dies of it.
    kill_process(getpid(), Signal::USR2).unwrap();
    tokio::task::yield_now().await;
}

#[test]
fn its_table_keeps_the_contract() {
    plugin::conformance::<dyn Trigger, SignalConfig>();
}
