//! Runs that are cancelled.

use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::config::Pipeline;
use gitbarge_core::{ErrorKind, Key, StateStore as _};
use gitbarge_engine::RunRecord;
use gitbarge_testkit::memory::MemoryState;
use gitbarge_testkit::repository::Repository;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::lab::{
    FakeAlerter, FakeSink, FakeSource, past, pipeline, sync_one, sync_until, with_alerter,
};
use crate::runs::{AT_ONCE, kind, scripts};
use crate::script::{Act, fail};

/// A run that waits for something, and somebody who is told of it.
struct Scene {
    state: MemoryState,
    source: Arc<FakeSource>,
    sink: Arc<FakeSink>,
    alerter: Arc<FakeAlerter>,
}

impl Scene {
    fn of(source: Arc<FakeSource>) -> Self {
        Self {
            state: MemoryState::new(),
            source,
            sink: FakeSink::new(),
            alerter: FakeAlerter::new(),
        }
    }

    fn site(&self) -> Pipeline {
        let site = pipeline("site", &self.source, &[&self.sink]);
        with_alerter(site, self.alerter.route("ops"))
    }

    /// Cancels the run once it has come to a point, and returns its record.
    async fn cancel_at(&self, point: impl Future<Output = ()>) -> RunRecord {
        let cancel = CancellationToken::new();
        let (mut records, cancelled_at) =
            tokio::join!(sync_until(&self.state, [self.site()], &cancel), async {
                point.await;
                cancel.cancel();
                Instant::now()
            });
        let took = cancelled_at.elapsed();
        assert!(took <= AT_ONCE, "{took:?}");
        records.pop().expect("one pipeline makes one record")
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_ends_at_once_and_is_remembered() {
    let repository = Repository::with_one_commit();
    for part in [0, 1, 2] {
        let scene = Scene::of(FakeSource::of(&repository));
        let script = scripts(&scene.source, &scene.sink)[part];
        script.always(Act::Block);
        let record = scene.cancel_at(script.called(1)).await;
        assert_eq!(kind(&record), Some(ErrorKind::Cancelled));
        assert_eq!(past(&scene.state, "site").await, [record]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_is_told_to_nobody_not_even_later() {
    let scene = Scene::of(FakeSource::broken());
    scene.source.connecting.always(Act::Block);
    scene.cancel_at(scene.source.connecting.called(1)).await;
    scene.source.connecting.always(fail(ErrorKind::AuthFailed));
    sync_one(&scene.state, &scene.site()).await;
    let notices = scene.alerter.notices().into_iter();
    let kinds: Vec<_> = notices.filter_map(|n| Some(n.failure?.kind)).collect();
    assert_eq!(kinds, [ErrorKind::AuthFailed]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_its_next_try_ends_at_once_with_its_last_failure() {
    let scene = Scene::of(FakeSource::broken());
    let connecting = &scene.source.connecting;
    connecting.always(Act::Busy(Duration::from_secs(600)));
    let record = scene.cancel_at(connecting.called(1)).await;
    assert_eq!(kind(&record), Some(ErrorKind::Unreachable));
    assert_eq!(connecting.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_another_one_ends_at_once() {
    let scene = Scene::of(FakeSource::broken());
    let key = Key::new("run/site");
    let lease = scene.state.lease(&key).await.unwrap();
    let record = scene.cancel_at(sleep(Duration::from_secs(20))).await;
    assert_eq!(kind(&record), Some(ErrorKind::Cancelled));
    assert_eq!(scene.source.connecting.count(), 0);
    drop(lease);
}
