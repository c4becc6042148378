//! The daemon: who asks, and when it runs.

use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::{ErrorKind, Key, StateStore as _};
use gitbarge_engine::RunStatus;
use gitbarge_testkit::memory::MemoryState;
use gitbarge_testkit::repository::Repository;
use tokio::time::{Instant, sleep};

use crate::lab::{
    Daemon, FakeSink, FakeSource, FakeTrigger, HOUR, config, past, pipeline, with_trigger,
};
use crate::runs::kind;
use crate::script::{Act, fail, until};

/// Long enough for anything that would still come; short of a run's time.
const QUIET: Duration = Duration::from_secs(1800);

#[tokio::test(start_paused = true)]
async fn every_pipeline_runs_once_at_the_start_whatever_its_triggers() {
    let repository = Repository::with_one_commit();
    let sources: Vec<_> = (0..40).map(|_| FakeSource::of(&repository)).collect();
    let pipelines = sources
        .iter()
        .zip(0..)
        .map(|(source, number)| pipeline(&format!("p{number}"), source, &[]));
    let daemon = Daemon::start(config(&MemoryState::new(), pipelines));
    for source in &sources {
        source.connecting.called(1).await;
    }
    sleep(QUIET).await;
    assert!(sources.iter().all(|source| source.connecting.count() == 1));
    daemon.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_during_a_run_is_followed_by_one_run_that_began_after_it() {
    let repository = Repository::with_one_commit();
    let (state, source) = (MemoryState::new(), FakeSource::of(&repository));
    let (sink, trigger) = (FakeSink::new(), FakeTrigger::new());
    sink.delivering.first([Act::Block]);
    let site = with_trigger(pipeline("site", &source, &[&sink]), &trigger);
    let daemon = Daemon::start(config(&state, [site]));
    sink.delivering.called(1).await;
    for _ in 0..100 {
        trigger.request();
        sleep(Duration::from_secs(1)).await;
    }
    let last_request = Instant::now();
    trigger.request();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(source.connecting.count(), 1, "one run at a time");
    repository.commit("main").write("README", "new\n").push();
    sink.delivering.release();
    source.connecting.called(2).await;
    sleep(QUIET).await;
    let calls = source.connecting.calls();
    assert_eq!(calls.len(), 2);
    assert!(calls[1] > last_request);
    let statuses: Vec<_> = past(&state, "site").await;
    let statuses: Vec<_> = statuses.iter().map(|record| record.status).collect();
    assert_eq!(statuses, [RunStatus::Synced, RunStatus::Synced]);
    daemon.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_between_runs_is_answered_by_one_run() {
    let repository = Repository::with_one_commit();
    let (source, trigger) = (FakeSource::of(&repository), FakeTrigger::new());
    let state = MemoryState::new();
    let site = with_trigger(pipeline("site", &source, &[]), &trigger);
    let daemon = Daemon::start(config(&state, [site]));
    until(async || past(&state, "site").await.len() == 1).await;
    for _ in 0..100 {
        trigger.request();
    }
    source.connecting.called(2).await;
    sleep(QUIET).await;
    assert_eq!(source.connecting.count(), 2);
    daemon.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_while_all_are_busy_is_answered_later() {
    let repository = Repository::with_one_commit();
    let busy: Vec<_> = (0..16).map(|_| FakeSource::of(&repository)).collect();
    let (source, trigger) = (FakeSource::of(&repository), FakeTrigger::new());
    let state = MemoryState::new();
    let site = with_trigger(pipeline("site", &source, &[]), &trigger);
    let others = busy.iter().zip(0..).map(|(source, number)| {
        source.connecting.always(Act::Block);
        pipeline(&format!("busy{number}"), source, &[])
    });
    let daemon = Daemon::start(config(&state, others.chain([site])));
    for source in &busy {
        source.connecting.called(1).await;
    }
    sleep(Duration::from_secs(60)).await;
    trigger.request();
    assert_eq!(source.connecting.count(), 0);
    busy[0].connecting.release();
    source.connecting.called(1).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(source.connecting.count(), 1, "the first run answers all");
    daemon.end().await;
}

#[tokio::test(start_paused = true)]
async fn two_daemons_on_one_state_run_a_pipeline_one_after_the_other() {
    let repository = Repository::with_one_commit();
    let (state, sink) = (MemoryState::new(), FakeSink::new());
    sink.delivering.always(Act::Block);
    let sources = [FakeSource::of(&repository), FakeSource::of(&repository)];
    let start = |source: &Arc<FakeSource>| {
        Daemon::start(config(&state, [pipeline("site", source, &[&sink])]))
    };
    let daemons = [start(&sources[0]), start(&sources[1])];
    sink.delivering.called(1).await;
    sleep(QUIET).await;
    let connected = || -> usize { sources.iter().map(|s| s.connecting.count()).sum() };
    assert_eq!(connected(), 1);
    sink.delivering.release();
    until(async || past(&state, "site").await.len() == 2).await;
    assert_eq!((connected(), sink.delivering.count()), (2, 1));
    for daemon in daemons {
        daemon.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_run_is_not_repeated_before_the_next_request() {
    let (state, source, trigger) = (MemoryState::new(), FakeSource::broken(), FakeTrigger::new());
    source.connecting.always(fail(ErrorKind::AuthFailed));
    let site = with_trigger(pipeline("site", &source, &[]), &trigger);
    let daemon = Daemon::start(config(&state, [site]));
    until(async || past(&state, "site").await.len() == 1).await;
    sleep(24 * HOUR).await;
    assert_eq!(source.connecting.count(), 1);
    trigger.request();
    until(async || past(&state, "site").await.len() == 2).await;
    assert_eq!(
        kind(&past(&state, "site").await[1]),
        Some(ErrorKind::AuthFailed)
    );
    daemon.end().await;
}

#[tokio::test(start_paused = true)]
async fn pipelines_that_wait_for_their_next_try_keep_no_other_from_running() {
    let repository = Repository::with_one_commit();
    let (state, away) = (MemoryState::new(), FakeSource::broken());
    away.connecting.always(fail(ErrorKind::Unreachable));
    let healthy = FakeSource::of(&repository);
    let lost = (0..100).map(|number| pipeline(&format!("p{number}"), &away, &[]));
    let all = lost.chain([pipeline("site", &healthy, &[])]);
    let daemon = Daemon::start(config(&state, all));
    healthy.connecting.called(1).await;
    until(async || past(&state, "site").await.len() == 1).await;
    daemon.end().await;
}

#[tokio::test(start_paused = true)]
async fn pipelines_that_wait_for_another_process_keep_no_other_from_running() {
    let repository = Repository::with_one_commit();
    let (state, source) = (MemoryState::new(), FakeSource::of(&repository));
    let mut leases = Vec::new();
    for number in 0..100 {
        let key = Key::new("run").join(&format!("p{number}"));
        leases.push(state.lease(&key).await.unwrap());
    }
    let names = (0..100).map(|number| format!("p{number}"));
    let all = names.chain(["site".to_owned()]);
    let daemon = Daemon::start(config(
        &state,
        all.map(|name| pipeline(&name, &source, &[])),
    ));
    until(async || past(&state, "site").await.len() == 1).await;
    assert_eq!(source.connecting.count(), 1);
    drop(leases);
    source.connecting.called(101).await;
    daemon.end().await;
}
