//! A new configuration for a running daemon.

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
use crate::script::{Act, fail, until};

const QUIET: Duration = Duration::from_secs(1800);

#[tokio::test(start_paused = true)]
async fn an_added_pipeline_runs_at_once_and_a_kept_one_when_asked() {
    let repository = Repository::with_one_commit();
    let (state, trigger) = (MemoryState::new(), FakeTrigger::new());
    let (kept, added) = (FakeSource::of(&repository), FakeSource::of(&repository));
    let site = with_trigger(pipeline("site", &kept, &[]), &trigger);
    let daemon = Daemon::start(config(&state, [site.clone()]));
    until(async || past(&state, "site").await.len() == 1).await;
    let docs = pipeline("docs", &added, &[]);
    daemon.reload(config(&state, [site, docs])).await;
    added.connecting.called(1).await;
    trigger.watching.called(2).await;
    sleep(QUIET).await;
    assert_eq!((kept.connecting.count(), added.connecting.count()), (1, 1));
    trigger.request();
    kept.connecting.called(2).await;
    daemon.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_pipeline_ends_its_run_and_runs_no_more() {
    let repository = Repository::with_one_commit();
    let (state, trigger, sink) = (MemoryState::new(), FakeTrigger::new(), FakeSink::new());
    sink.delivering.always(Act::Block);
    let source = FakeSource::of(&repository);
    let site = with_trigger(pipeline("site", &source, &[&sink]), &trigger);
    let daemon = Daemon::start(config(&state, [site]));
    sink.delivering.called(1).await;
    daemon.reload(config(&state, [])).await;
    sleep(QUIET).await;
    trigger.request();
    sink.delivering.release();
    until(async || past(&state, "site").await.len() == 1).await;
    assert_eq!(past(&state, "site").await[0].status, RunStatus::Synced);
    trigger.request();
    sleep(QUIET).await;
    assert_eq!(source.connecting.count(), 1);
    daemon.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_pipeline_that_comes_back_runs_at_once() {
    let repository = Repository::with_one_commit();
    let (state, source) = (MemoryState::new(), FakeSource::of(&repository));
    let site = pipeline("site", &source, &[]);
    let daemon = Daemon::start(config(&state, [site.clone()]));
    until(async || past(&state, "site").await.len() == 1).await;
    daemon.reload(config(&state, [])).await;
    daemon.reload(config(&state, [site])).await;
    source.connecting.called(2).await;
    daemon.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_pipeline_ends_its_run_as_it_was_and_goes_on_as_it_is() {
    let repository = Repository::with_one_commit();
    let (state, trigger) = (MemoryState::new(), FakeTrigger::new());
    let (before, after) = (FakeSource::of(&repository), FakeSource::of(&repository));
    let sink = FakeSink::new();
    sink.delivering.first([Act::Block]);
    let as_it_was = with_trigger(pipeline("site", &before, &[&sink]), &trigger);
    let as_it_is = with_trigger(pipeline("site", &after, &[&sink]), &trigger);
    let daemon = Daemon::start(config(&state, [as_it_was]));
    sink.delivering.called(1).await;
    daemon.reload(config(&state, [as_it_is])).await;
    trigger.watching.called(2).await;
    trigger.request();
    sleep(QUIET).await;
    assert_eq!(after.connecting.count(), 0, "one run at a time");
    sink.delivering.release();
    after.connecting.called(1).await;
    until(async || past(&state, "site").await.len() == 2).await;
    assert_eq!(past(&state, "site").await[0].status, RunStatus::Synced);
    assert_eq!(before.connecting.count(), 1);
    daemon.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waited_before_reloads_is_answered_after_them() {
    let repository = Repository::with_one_commit();
    let (state, trigger) = (MemoryState::new(), FakeTrigger::new());
    let (source, sink) = (FakeSource::of(&repository), FakeSink::new());
    sink.delivering.first([Act::Block]);
    let site = with_trigger(pipeline("site", &source, &[&sink]), &trigger);
    let daemon = Daemon::start(config(&state, [site.clone()]));
    sink.delivering.called(1).await;
    trigger.request();
    for reloads in 2..=3 {
        daemon.reload(config(&state, [site.clone()])).await;
        trigger.watching.called(reloads).await;
    }
    sink.delivering.release();
    source.connecting.called(2).await;
    sleep(QUIET).await;
    assert_eq!(source.connecting.count(), 2);
    daemon.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_waits_for_busy_ones_runs_after_a_reload() {
    let repository = Repository::with_one_commit();
    let (state, source) = (MemoryState::new(), FakeSource::of(&repository));
    let busy = FakeSource::of(&repository);
    busy.connecting.always(Act::Block);
    let others = (0..16).map(|number| pipeline(&format!("busy{number}"), &busy, &[]));
    let all: Vec<_> = others.chain([pipeline("site", &source, &[])]).collect();
    let daemon = Daemon::start(config(&state, all.clone()));
    busy.connecting.called(16).await;
    sleep(QUIET).await;
    daemon.reload(config(&state, all)).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(source.connecting.count(), 0);
    busy.connecting.release();
    source.connecting.called(1).await;
    daemon.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_of_a_pipeline_that_is_gone_gets_the_grace_period_too() {
    let (state, source) = (MemoryState::new(), FakeSource::broken());
    source.connecting.always(Act::Block);
    let daemon = Daemon::start(config(&state, [pipeline("site", &source, &[])]));
    source.connecting.called(1).await;
    for _ in 0..2 {
        daemon.reload(config(&state, [])).await;
        sleep(Duration::from_secs(1)).await;
    }
    let stopped_at = Instant::now();
    daemon.end().await;
    assert!(stopped_at.elapsed() >= Duration::from_secs(10));
    assert_eq!(past(&state, "site").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_grace_period_counts() {
    let source = FakeSource::broken();
    source.connecting.always(Act::Block);
    let (state, site) = (MemoryState::new(), pipeline("site", &source, &[]));
    let daemon = Daemon::start(config(&state, [site.clone()]));
    source.connecting.called(1).await;
    let mut patient = config(&state, [site]);
    patient.shutdown_grace = Duration::from_secs(100);
    daemon.reload(patient).await;
    sleep(Duration::from_secs(1)).await;
    let stopped_at = Instant::now();
    daemon.end().await;
    assert!(stopped_at.elapsed() >= Duration::from_secs(100));
}

#[tokio::test(start_paused = true)]
async fn a_message_on_its_way_during_a_reload_is_told_once() {
    let (state, source, alerter) = (MemoryState::new(), FakeSource::broken(), FakeAlerter::new());
    source.connecting.always(fail(ErrorKind::AuthFailed));
    alerter.telling.first([Act::Block]);
    let site = with_alerter(pipeline("site", &source, &[]), alerter.route("ops"));
    let daemon = Daemon::start(config(&state, [site.clone()]));
    alerter.telling.called(1).await;
    daemon.reload(config(&state, [site])).await;
    sleep(Duration::from_secs(1)).await;
    alerter.telling.release();
    until(async || !alerter.messages().is_empty()).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(alerter.telling.count(), 1);
    daemon.end().await;
}
