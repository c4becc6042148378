//! What every trigger promises.

use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::{Requests, Result, Run, Trigger};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a trigger may take to notice what causes a run. Tests of clocks pause the time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Within so long a cancelled trigger has ended.
const PROMPT: Duration = Duration::from_millis(100);

/// Tries a trigger for which `cause` makes a run due.
///
/// # Panics
/// If a promise is not kept.
pub async fn conformance(trigger: Arc<dyn Trigger>, mut cause: impl AsyncFnMut()) {
    each_cause_asks_for_a_run(&trigger, &mut cause).await;
    nobody_listening_is_no_failure(&trigger, &mut cause).await;
    a_cancelled_run_is_not_watched(&trigger).await;
}

async fn each_cause_asks_for_a_run(trigger: &Arc<dyn Trigger>, cause: &mut impl AsyncFnMut()) {
    let run = Run::standalone("conformance");
    let (requests, mut asked) = Requests::channel();
    let watching = watch(trigger, requests, &run);
    for _ in 0..3 {
        cause().await;
        timeout(PATIENCE, asked.next()).await.expect("asks in time");
    }
    end(watching, &run).await;
}

async fn nobody_listening_is_no_failure(trigger: &Arc<dyn Trigger>, cause: &mut impl AsyncFnMut()) {
    let run = Run::standalone("conformance");
    let (requests, asked) = Requests::channel();
    drop(asked);
    let watching = watch(trigger, requests, &run);
    cause().await;
    end(watching, &run).await;
}

async fn a_cancelled_run_is_not_watched(trigger: &Arc<dyn Trigger>) {
    let run = Run::standalone("conformance");
    run.cancel_token().cancel();
    let (requests, asked) = Requests::channel();
    end(watch(trigger, requests, &run), &run).await;
    assert!(!asked.is_waiting(), "asked for a run");
}

fn watch(trigger: &Arc<dyn Trigger>, requests: Requests, run: &Run) -> JoinHandle<Result<()>> {
    let (trigger, run) = (trigger.clone(), run.clone());
    tokio::spawn(async move { trigger.watch(requests, &run).await })
}

async fn end(watching: JoinHandle<Result<()>>, run: &Run) {
    run.cancel_token().cancel();
    let ended = timeout(PROMPT, watching).await.expect("ends at once");
    ended
        .expect("does not panic")
        .expect("being cancelled is no failure");
}
