//! Sinks side by side: none delays or spoils another.

use std::time::Duration;

use gitbarge_core::ErrorKind;
use gitbarge_engine::{RunRecord, RunStatus};
use gitbarge_testkit::memory::MemoryState;
use gitbarge_testkit::repository::Repository;

use crate::lab::{FakeSink, FakeSource, pipeline, sync_one};
use crate::script::{Act, fail};

fn statuses(record: &RunRecord) -> Vec<(&str, RunStatus)> {
    let sinks = record.sinks.iter();
    sinks
        .map(|sink| (sink.name.as_str(), sink.status))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn one_sink_fails_and_the_other_is_synced() {
    let repository = Repository::with_one_commit();
    let (state, bad, good) = (MemoryState::new(), FakeSink::new(), FakeSink::new());
    bad.delivering.always(fail(ErrorKind::Refused));
    let site = pipeline("site", &FakeSource::of(&repository), &[&bad, &good]);
    let record = sync_one(&state, &site).await;
    assert_eq!(record.status, RunStatus::Failed);
    assert_eq!(record.error, None);
    assert_eq!(
        statuses(&record),
        [("a", RunStatus::Failed), ("b", RunStatus::Synced)]
    );
    let error = record.sinks[0].error.as_ref().unwrap();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::Refused, "it is refused")
    );
    let again = sync_one(&state, &site).await;
    assert_eq!(
        statuses(&again),
        [("a", RunStatus::Failed), ("b", RunStatus::Unchanged)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_blocks_does_not_delay_the_other() {
    let repository = Repository::with_one_commit();
    for is_asked in [true, false] {
        let (slow, quick) = (FakeSink::new(), FakeSink::new());
        let script = if is_asked {
            &slow.asking
        } else {
            &slow.delivering
        };
        script.always(Act::Block);
        let site = pipeline("site", &FakeSource::of(&repository), &[&slow, &quick]);
        let state = MemoryState::new();
        let (record, ()) = tokio::join!(sync_one(&state, &site), async {
            script.called(1).await;
            quick.delivering.called(1).await;
            script.release();
        });
        assert_eq!(
            statuses(&record),
            [("a", RunStatus::Synced), ("b", RunStatus::Synced)]
        );
        assert!(record.duration_ms < 1000, "{record:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_sink_uses_up_the_time_and_the_other_is_synced() {
    let repository = Repository::with_one_commit();
    let (slow, quick) = (FakeSink::new(), FakeSink::new());
    slow.delivering.always(Act::Block);
    let mut site = pipeline("site", &FakeSource::of(&repository), &[&slow, &quick]);
    site.run_timeout = Duration::from_secs(60);
    let record = sync_one(&MemoryState::new(), &site).await;
    assert_eq!(record.status, RunStatus::Failed);
    assert_eq!(
        statuses(&record),
        [("a", RunStatus::Failed), ("b", RunStatus::Synced)]
    );
    let error = record.sinks[0].error.as_ref().unwrap();
    assert_eq!(error.kind, ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_cannot_be_read_is_given_all_the_same() {
    let repository = Repository::with_one_commit();
    let sink = FakeSink::new();
    sink.asking.always(fail(ErrorKind::Corrupt));
    let site = pipeline("site", &FakeSource::of(&repository), &[&sink]);
    let record = sync_one(&MemoryState::new(), &site).await;
    assert_eq!(statuses(&record), [("a", RunStatus::Synced)]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_listing_does_not_wait_for_a_sink_that_is_asked() {
    let (source, sink) = (FakeSource::broken(), FakeSink::new());
    source.connecting.always(fail(ErrorKind::AuthFailed));
    sink.asking.always(Act::Hang);
    let record = sync_one(&MemoryState::new(), &pipeline("site", &source, &[&sink])).await;
    let error = record.error.unwrap();
    assert_eq!(error.kind, ErrorKind::AuthFailed);
    assert!(record.duration_ms < 1000);
    assert_eq!((record.sinks, sink.delivering.count()), (Vec::new(), 0));
}
