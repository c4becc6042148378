//! The end of a daemon.

use std::time::Duration;

use gitbarge_core::ErrorKind;
use gitbarge_engine::RunStatus;
use gitbarge_testkit::memory::MemoryState;
use gitbarge_testkit::repository::Repository;
use tokio::time::{Instant, sleep};

use crate::lab::{
    Daemon, FakeAlerter, FakeSink, FakeSource, FakeTrigger, config, past, pipeline, with_alerter,
    with_trigger,
};
use crate::runs::{AT_ONCE, kind};
use crate::script::Act;

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_within_the_grace_period_ends_well() {
    let repository = Repository::with_one_commit();
    let (state, sink, trigger) = (MemoryState::new(), FakeSink::new(), FakeTrigger::new());
    sink.delivering.always(Act::Block);
    let source = FakeSource::of(&repository);
    let site = with_trigger(pipeline("site", &source, &[&sink]), &trigger);
    let daemon = Daemon::start(config(&state, [site]));
    sink.delivering.called(1).await;
    trigger.request();
    daemon.stop();
    sleep(Duration::from_secs(9)).await;
    sink.delivering.release();
    let released_at = Instant::now();
    daemon.end().await;
    assert!(released_at.elapsed() <= AT_ONCE);
    let past = past(&state, "site").await;
    assert_eq!(past.len(), 1, "no new runs: {past:?}");
    assert_eq!(past[0].status, RunStatus::Synced);
    assert_eq!(source.connecting.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_outlasts_the_grace_period_is_cancelled() {
    let repository = Repository::with_one_commit();
    let (state, sink) = (MemoryState::new(), FakeSink::new());
    sink.delivering.always(Act::Block);
    let site = pipeline("site", &FakeSource::of(&repository), &[&sink]);
    let daemon = Daemon::start(config(&state, [site]));
    sink.delivering.called(1).await;
    let stopped_at = Instant::now();
    daemon.end().await;
    let took = stopped_at.elapsed();
    let grace = Duration::from_secs(10);
    assert!(took >= grace && took <= grace + AT_ONCE, "{took:?}");
    let past = past(&state, "site").await;
    assert_eq!(past.len(), 1);
    assert_eq!(kind(&past[0]), Some(ErrorKind::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_deaf_to_cancellation_does_not_hold_up_the_end() {
    let source = FakeSource::broken();
    source.connecting.always(Act::Hang);
    let daemon = Daemon::start(config(
        &MemoryState::new(),
        [pipeline("site", &source, &[])],
    ));
    source.connecting.called(1).await;
    let stopped_at = Instant::now();
    daemon.end().await;
    assert!(stopped_at.elapsed() <= Duration::from_secs(15));
}

#[tokio::test(start_paused = true)]
async fn an_idle_daemon_ends_at_once_and_its_triggers_with_it() {
    let (source, trigger) = (FakeSource::broken(), FakeTrigger::new());
    let site = with_trigger(pipeline("site", &source, &[]), &trigger);
    let daemon = Daemon::start(config(&MemoryState::new(), [site]));
    source.connecting.called(1).await;
    sleep(Duration::from_secs(60)).await;
    let stopped_at = Instant::now();
    daemon.end().await;
    assert!(stopped_at.elapsed() <= AT_ONCE);
    sleep(Duration::from_secs(600)).await;
    trigger.request();
    assert_eq!(trigger.watching.count(), 1);
    assert_eq!(source.connecting.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_fails_within_the_grace_period_is_told() {
    let (state, source, alerter) = (MemoryState::new(), FakeSource::broken(), FakeAlerter::new());
    source.connecting.first([Act::Block]);
    let site = with_alerter(pipeline("site", &source, &[]), alerter.route("ops"));
    let daemon = Daemon::start(config(&state, [site]));
    source.connecting.called(1).await;
    daemon.stop();
    source.connecting.release();
    daemon.end().await;
    assert_eq!(alerter.notices().len(), 1);
}
