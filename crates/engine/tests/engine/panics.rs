//! Plugins that panic: the process lives, and others do not notice.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gitbarge_core::{Address, Component, Connection, ErrorKind, Result, Run, Service, Source};
use gitbarge_engine::RunStatus;
use gitbarge_testkit::memory::MemoryState;
use gitbarge_testkit::repository::Repository;
use tokio::time::sleep;

use crate::lab::{
    Daemon, FakeAlerter, FakeSink, FakeSource, FakeTrigger, config, past, pipeline, sync,
    with_alerter, with_trigger,
};
use crate::runs::{kind, scripts};
use crate::script::{Act, fail, until};

/// Panics where nobody expects it.
struct NoAddress(Arc<FakeSource>);

#[async_trait]
impl Source for NoAddress {
    async fn connect(&self, service: Service, run: &Run) -> Result<Connection> {
        self.0.connect(service, run).await
    }

    fn address(&self) -> Address {
        panic!("nobody knows where")
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_fails_its_run_by_internal_and_no_other() {
    let repository = Repository::with_one_commit();
    for part in [0, 1, 2] {
        let (source, sink) = (FakeSource::of(&repository), FakeSink::new());
        scripts(&source, &sink)[part].always(Act::Panic);
        let other = pipeline("other", &FakeSource::of(&repository), &[&FakeSink::new()]);
        let site = pipeline("site", &source, &[&sink, &FakeSink::new()]);
        let records = sync(&MemoryState::new(), [site, other]).await;
        assert_eq!(records[1].status, RunStatus::Synced);
        // A sink that cannot be read is given all the same.
        let expected = (part != 1).then_some(ErrorKind::Internal);
        assert_eq!(kind(&records[0]), expected, "{:?}", records[0]);
        if let Some(neighbour) = records[0].sinks.get(1) {
            assert_eq!(neighbour.status, RunStatus::Synced);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_outside_of_a_call_fails_its_run_and_no_other() {
    let repository = Repository::with_one_commit();
    let source = FakeSource::of(&repository);
    let mut site = pipeline("site", &source, &[]);
    site.source = Component::made("fake", Arc::new(NoAddress(source)));
    let site = with_alerter(site, FakeAlerter::new().route("ops"));
    let other = pipeline("other", &FakeSource::of(&repository), &[]);
    let records = sync(&MemoryState::new(), [site, other]).await;
    assert_eq!(kind(&records[0]), Some(ErrorKind::Internal));
    assert_eq!(records[1].status, RunStatus::Unchanged);
}

#[tokio::test(start_paused = true)]
async fn a_daemon_survives_panics_in_runs() {
    let repository = Repository::with_one_commit();
    let (state, source) = (MemoryState::new(), FakeSource::of(&repository));
    let (trigger, others) = (FakeTrigger::new(), FakeTrigger::new());
    let mut site = pipeline("site", &source, &[]);
    site.source = Component::made("fake", Arc::new(NoAddress(source.clone())));
    let site = with_alerter(site, FakeAlerter::new().route("ops"));
    let other = pipeline("other", &FakeSource::of(&repository), &[]);
    let daemon = Daemon::start(config(
        &state,
        [with_trigger(site, &trigger), with_trigger(other, &others)],
    ));
    source.connecting.called(1).await;
    until(async || past(&state, "other").await.len() == 1).await;
    sleep(Duration::from_secs(60)).await;
    trigger.request();
    others.request();
    source.connecting.called(2).await;
    until(async || past(&state, "other").await.len() == 2).await;
    daemon.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_trigger_that_ends_is_started_again_with_back_off() {
    fastrand::seed(7);
    let repository = Repository::with_one_commit();
    for end in [Act::Panic, fail(ErrorKind::Unreachable)] {
        let (source, trigger) = (FakeSource::of(&repository), FakeTrigger::new());
        trigger.watching.first(vec![end; 8]);
        let site = with_trigger(pipeline("site", &source, &[]), &trigger);
        let daemon = Daemon::start(config(&MemoryState::new(), [site]));
        for times in 1..=9 {
            let mut calls = trigger.watching.count();
            while calls < times {
                sleep(Duration::from_secs(1)).await;
                calls = trigger.watching.count();
            }
        }
        let calls = trigger.watching.calls();
        let pauses: Vec<_> = calls.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(pauses.iter().all(|pause| *pause >= Duration::from_secs(1)));
        assert!(pauses.iter().any(|pause| *pause > Duration::from_secs(8)));
        trigger.request();
        source.connecting.called(2).await;
        daemon.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_alerter_that_panics_spoils_nothing_but_its_own_message() {
    let (source, broken, sound) = (FakeSource::broken(), FakeAlerter::new(), FakeAlerter::new());
    source.connecting.always(fail(ErrorKind::AuthFailed));
    broken.telling.first([Act::Panic]);
    let state = MemoryState::new();
    let site = with_alerter(pipeline("site", &source, &[]), broken.route("broken"));
    let site = with_alerter(site, sound.route("sound"));
    let records = sync(&state, [site.clone()]).await;
    assert_eq!(kind(&records[0]), Some(ErrorKind::AuthFailed));
    assert_eq!((broken.notices().len(), sound.notices().len()), (0, 1));
    sync(&state, [site]).await;
    assert_eq!((broken.notices().len(), sound.notices().len()), (1, 1));
}
