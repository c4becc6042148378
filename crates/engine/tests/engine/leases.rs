//! Several engines on one state: one run of a pipeline at a time.

use std::time::Duration;

use gitbarge_core::ErrorKind;
use gitbarge_engine::RunStatus;
use gitbarge_testkit::memory::MemoryState;
use gitbarge_testkit::repository::Repository;
use tokio::time::{Instant, sleep};

use crate::lab::{FakeSink, FakeSource, past, pipeline, sync_one};
use crate::runs::kind;
use crate::script::Act;

#[tokio::test(start_paused = true)]
async fn a_second_engine_waits_and_finds_nothing_to_do() {
    let repository = Repository::with_one_commit();
    let (state, sink) = (MemoryState::new(), FakeSink::new());
    sink.delivering.first([Act::Block]);
    let (first, second) = (FakeSource::of(&repository), FakeSource::of(&repository));
    let (ours, theirs) = (
        pipeline("site", &first, &[&sink]),
        pipeline("site", &second, &[&sink]),
    );
    let (ours, theirs, released_at) = tokio::join!(
        sync_one(&state, &ours),
        async {
            sink.delivering.called(1).await;
            sync_one(&state, &theirs).await
        },
        async {
            sink.delivering.called(1).await;
            sleep(Duration::from_secs(60)).await;
            assert_eq!(second.connecting.count(), 0);
            sink.delivering.release();
            Instant::now()
        }
    );
    assert_eq!(ours.status, RunStatus::Synced);
    assert_eq!(theirs.status, RunStatus::Unchanged);
    assert!(second.connecting.calls()[0] >= released_at);
    assert_eq!(past(&state, "site").await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_second_engine_that_waits_in_vain_reports_locked() {
    let repository = Repository::with_one_commit();
    let (state, sink) = (MemoryState::new(), FakeSink::new());
    sink.delivering.first([Act::Block]);
    let source = FakeSource::of(&repository);
    let ours = pipeline("site", &source, &[&sink]);
    let mut theirs = ours.clone();
    theirs.run_timeout = Duration::from_secs(5);
    let (ours, theirs) = tokio::join!(sync_one(&state, &ours), async {
        sink.delivering.called(1).await;
        let record = sync_one(&state, &theirs).await;
        sink.delivering.release();
        record
    });
    assert_eq!(kind(&theirs), Some(ErrorKind::Locked));
    assert!((4_000..=5_100).contains(&theirs.duration_ms), "{theirs:?}");
    assert_eq!(source.connecting.count(), 1);
    // Only whoever holds the lease writes the history.
    assert_eq!(past(&state, "site").await, [ours]);
}

#[tokio::test(start_paused = true)]
async fn another_pipeline_does_not_wait() {
    let repository = Repository::with_one_commit();
    let (state, sink) = (MemoryState::new(), FakeSink::new());
    sink.delivering.first([Act::Block]);
    let source = FakeSource::of(&repository);
    let (site, docs) = (
        pipeline("site", &source, &[&sink]),
        pipeline("docs", &source, &[&FakeSink::new()]),
    );
    let (site, docs) = tokio::join!(sync_one(&state, &site), async {
        sink.delivering.called(1).await;
        let record = sync_one(&state, &docs).await;
        sink.delivering.release();
        record
    });
    assert_eq!(
        [site.status, docs.status],
        [RunStatus::Synced, RunStatus::Synced]
    );
}
