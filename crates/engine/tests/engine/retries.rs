//! What is tried again, and when.

use std::time::Duration;

use gitbarge_core::ErrorKind;
use gitbarge_engine::RunStatus;
use gitbarge_testkit::memory::MemoryState;
use gitbarge_testkit::repository::Repository;
use tokio::time::Instant;

use crate::lab::{FakeSink, FakeSource, HOUR, pipeline, sync_one};
use crate::runs::{kind, scripts};
use crate::script::{Act, fail};

const RETRYABLE: [ErrorKind; 5] = [
    ErrorKind::Unreachable,
    ErrorKind::Timeout,
    ErrorKind::Locked,
    ErrorKind::Conflict,
    ErrorKind::Protocol,
];

const FINAL: [ErrorKind; 13] = [
    ErrorKind::Config,
    ErrorKind::AuthFailed,
    ErrorKind::HostKeyUnknown,
    ErrorKind::HostKeyChanged,
    ErrorKind::RemoteMissing,
    ErrorKind::RemoteEmpty,
    ErrorKind::RefMissing,
    ErrorKind::Refused,
    ErrorKind::DiskFull,
    ErrorKind::Corrupt,
    ErrorKind::Rejected,
    ErrorKind::Cancelled,
    ErrorKind::Internal,
];

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_until_it_has_passed() {
    let repository = Repository::with_one_commit();
    for passing in RETRYABLE {
        // The source's listing, and the sink's delivery.
        for part in [0, 2] {
            let (source, sink) = (FakeSource::of(&repository), FakeSink::new());
            let script = scripts(&source, &sink)[part];
            script.first([fail(passing), fail(passing)]);
            let site = pipeline("site", &source, &[&sink]);
            let record = sync_one(&MemoryState::new(), &site).await;
            assert_eq!((record.status, kind(&record)), (RunStatus::Synced, None));
            assert_eq!(script.count(), 3, "{passing} in part {part}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_must_act_upon_is_not_tried_again() {
    let repository = Repository::with_one_commit();
    for lasting in FINAL {
        for part in [0, 2] {
            let (source, sink) = (FakeSource::of(&repository), FakeSink::new());
            let script = scripts(&source, &sink)[part];
            script.always(fail(lasting));
            let site = pipeline("site", &source, &[&sink]);
            let record = sync_one(&MemoryState::new(), &site).await;
            assert_eq!(kind(&record), Some(lasting));
            assert_eq!(script.count(), 1, "{lasting} in part {part}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_sink_that_may_recover_is_tried_again() {
    let repository = Repository::with_one_commit();
    let (refused, flaky, good) = (FakeSink::new(), FakeSink::new(), FakeSink::new());
    refused.delivering.always(fail(ErrorKind::Refused));
    let away = fail(ErrorKind::Unreachable);
    flaky.delivering.first([away.clone(), away]);
    let source = FakeSource::of(&repository);
    let site = pipeline("site", &source, &[&refused, &flaky, &good]);
    let record = sync_one(&MemoryState::new(), &site).await;
    let counts = [&refused, &flaky, &good].map(|sink| sink.delivering.count());
    assert_eq!(counts, [1, 3, 1]);
    let statuses: Vec<_> = record.sinks.iter().map(|sink| sink.status).collect();
    let (failed, synced) = (RunStatus::Failed, RunStatus::Synced);
    assert_eq!(statuses, [failed, synced, synced]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_refuses_ends_the_tries_for_a_sink_that_may_recover() {
    let repository = Repository::with_one_commit();
    let (source, sink) = (FakeSource::of(&repository), FakeSink::new());
    source
        .connecting
        .first([Act::Pass, fail(ErrorKind::AuthFailed)]);
    sink.delivering.first([fail(ErrorKind::Unreachable)]);
    let record = sync_one(&MemoryState::new(), &pipeline("site", &source, &[&sink])).await;
    assert_eq!(source.connecting.count(), 2);
    assert_eq!(kind(&record), Some(ErrorKind::AuthFailed));
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_from_a_second_to_five_minutes_within_the_time_of_the_run() {
    fastrand::seed(7);
    let source = FakeSource::broken();
    source.connecting.always(fail(ErrorKind::Unreachable));
    let mut site = pipeline("site", &source, &[]);
    site.run_timeout = 24 * HOUR;
    let begun = Instant::now();
    let record = sync_one(&MemoryState::new(), &site).await;
    assert!(begun.elapsed() <= site.run_timeout);
    assert_eq!(kind(&record), Some(ErrorKind::Unreachable));
    let calls = source.connecting.calls();
    let pauses: Vec<Duration> = calls.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (number, pause) in (0_u32..).zip(&pauses) {
        // Timers are exact to a millisecond.
        let most = Duration::from_secs(2_u64.saturating_pow(number).min(300));
        assert!(
            *pause <= most + Duration::from_millis(2),
            "{number}: {pause:?}"
        );
    }
    // A day has 288 spans of five minutes; full jitter halves them on average.
    assert!((400..800).contains(&calls.len()), "{}", calls.len());
    let longest = pauses.iter().max().unwrap();
    assert!(*longest > Duration::from_secs(270), "{longest:?}");
    let distinct: std::collections::BTreeSet<_> = pauses.iter().collect();
    assert!(distinct.len() > pauses.len() / 2, "there is jitter");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_asks_for_patience_gets_it() {
    let repository = Repository::with_one_commit();
    let source = FakeSource::of(&repository);
    source
        .connecting
        .first([Act::Busy(Duration::from_secs(90))]);
    sync_one(&MemoryState::new(), &pipeline("site", &source, &[])).await;
    let calls = source.connecting.calls();
    assert_eq!(calls.len(), 2);
    assert!(calls[1] - calls[0] >= Duration::from_secs(90));
}
