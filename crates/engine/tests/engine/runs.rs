//! Single runs: their results, their time and their end.

use std::time::Duration;

use gitbarge_core::ErrorKind;
use gitbarge_engine::{RunRecord, RunStatus};
use gitbarge_testkit::memory::MemoryState;
use gitbarge_testkit::repository::Repository;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::lab::{FakeSink, FakeSource, past, pipeline, sync_one, sync_until};
use crate::script::{Act, Script};

/// How soon a cancelled run ends.
pub(crate) const AT_ONCE: Duration = Duration::from_millis(100);

pub(crate) fn kind(record: &RunRecord) -> Option<ErrorKind> {
    record.failures().next().map(|(_, failure)| failure.kind)
}

#[tokio::test(start_paused = true)]
async fn a_second_run_finds_nothing_to_do_and_a_commit_gives_work_again() {
    let (state, repository) = (MemoryState::new(), Repository::with_one_commit());
    let sink = FakeSink::new();
    let site = pipeline("site", &FakeSource::of(&repository), &[&sink]);
    let first = sync_one(&state, &site).await;
    assert_eq!(first.status, RunStatus::Synced);
    assert_eq!(first.reference.as_deref(), Some("refs/heads/main"));
    assert_eq!(
        (first.from, first.to.clone()),
        (None, repository.id("main").map(|id| id.to_string()))
    );
    let second = sync_one(&state, &site).await;
    assert_eq!(
        (second.status, second.from),
        (RunStatus::Unchanged, first.to.clone())
    );
    assert_eq!(sink.delivering.count(), 1);
    repository.commit("main").write("README", "bye\n").push();
    let third = sync_one(&state, &site).await;
    assert_eq!((third.status, third.from), (RunStatus::Synced, first.to));
    assert_eq!(past(&state, "site").await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_blocked_call_ends_with_the_time_of_the_run_by_timeout() {
    let repository = Repository::with_one_commit();
    for part in [0, 1, 2] {
        let (source, sink) = (FakeSource::of(&repository), FakeSink::new());
        scripts(&source, &sink)[part].always(Act::Block);
        let mut site = pipeline("site", &source, &[&sink]);
        site.run_timeout = Duration::from_secs(90);
        let begun = Instant::now();
        let record = sync_one(&MemoryState::new(), &site).await;
        assert_eq!(
            (record.status, kind(&record)),
            (RunStatus::Failed, Some(ErrorKind::Timeout))
        );
        let took = begun.elapsed();
        assert!(
            took >= site.run_timeout && took <= site.run_timeout + AT_ONCE,
            "{took:?}"
        );
        assert!(record.duration_ms >= 90_000, "{record:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_deaf_to_cancellation_is_left_behind_and_reported() {
    let repository = Repository::with_one_commit();
    for part in [0, 1, 2] {
        let (source, sink) = (FakeSource::of(&repository), FakeSink::new());
        scripts(&source, &sink)[part].always(Act::Hang);
        let mut site = pipeline("site", &source, &[&sink, &FakeSink::new()]);
        site.run_timeout = Duration::from_secs(90);
        let record = sync_one(&MemoryState::new(), &site).await;
        assert_eq!(
            (record.status, kind(&record)),
            (RunStatus::Failed, Some(ErrorKind::Timeout))
        );
        if part > 0 {
            let statuses: Vec<_> = record.sinks.iter().map(|sink| sink.status).collect();
            assert_eq!(
                statuses,
                [RunStatus::Failed, RunStatus::Synced],
                "{record:?}"
            );
        }
        let cancel = CancellationToken::new();
        cancel.cancel();
        let begun = Instant::now();
        let records = sync_until(&MemoryState::new(), [site.clone()], &cancel).await;
        assert_eq!(kind(&records[0]), Some(ErrorKind::Cancelled));
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{:?}",
            begun.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn when_time_runs_out_in_a_later_attempt_the_cause_of_the_earlier_one_is_reported() {
    let repository = Repository::with_one_commit();
    for part in [0, 2] {
        for late in [Act::Block, Act::Hang] {
            let (source, sink) = (FakeSource::of(&repository), FakeSink::new());
            let script = scripts(&source, &sink)[part];
            let fault = Act::Fail(ErrorKind::Unreachable, "no route to host".to_owned());
            script.always(late);
            script.first([fault]);
            let mut site = pipeline("site", &source, &[&sink]);
            site.run_timeout = Duration::from_secs(90);
            let record = sync_one(&MemoryState::new(), &site).await;
            assert_eq!(kind(&record), Some(ErrorKind::Unreachable), "{record:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_behind_does_not_go_on() {
    let (state, repository) = (MemoryState::new(), Repository::with_one_commit());
    let sink = FakeSink::new();
    let mut site = pipeline("site", &FakeSource::of(&repository), &[&sink]);
    site.run_timeout = Duration::from_secs(90);
    sink.delivering.first([Act::Slow(Duration::from_secs(300))]);
    assert_eq!(
        kind(&sync_one(&state, &site).await),
        Some(ErrorKind::Timeout)
    );
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(sync_one(&state, &site).await.status, RunStatus::Synced);
}

#[tokio::test(start_paused = true)]
async fn the_history_keeps_the_last_hundred_results() {
    let (state, source) = (MemoryState::new(), FakeSource::broken());
    let site = pipeline("site", &source, &[]);
    for number in 0..103 {
        source
            .connecting
            .always(Act::Fail(ErrorKind::AuthFailed, format!("no {number}")));
        sync_one(&state, &site).await;
    }
    let messages: Vec<String> = past(&state, "site")
        .await
        .into_iter()
        .filter_map(|record| record.error)
        .map(|failure| failure.message)
        .collect();
    let last_hundred: Vec<String> = (3..103).map(|number| format!("no {number}")).collect();
    assert_eq!(messages, last_hundred);
}

/// The source lists, the sink is asked, the sink is given.
pub(crate) fn scripts<'s>(source: &'s FakeSource, sink: &'s FakeSink) -> [&'s Script; 3] {
    [&source.connecting, &sink.asking, &sink.delivering]
}
