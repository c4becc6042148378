//! The ledger against a state store in memory, which may be slow, or broken.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use gitbarge_core::{Asked, Entry, Error, Key, Lease, Result, StateStore};
use gitbarge_testkit::memory::MemoryState;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::memory::id_of;

/// A process's part of the world.
struct Desk {
    ledger: Arc<Ledger>,
    asked: Asked,
    run: Run,
    tasks: TaskTracker,
}

impl Desk {
    fn open(state: Arc<dyn StateStore>) -> Self {
        let run = Run::new("site", state, CancellationToken::new()).for_component("trigger/push");
        let ((requests, asked), tasks) = (Requests::channel(), TaskTracker::new());
        let ledger = Ledger::open(requests, run.clone(), &tasks);
        Self {
            ledger,
            asked,
            run,
            tasks,
        }
    }

    async fn enter(&self, name: &str) -> Entered {
        self.ledger.enter(Some(id_of(name.as_bytes()))).await
    }

    async fn is_new(&self, name: &str) -> bool {
        matches!(self.enter(name).await, Entered::Run(_))
    }

    async fn close(self) {
        self.run.cancel_token().cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Lets all that is due happen.
    async fn settle(&self) {
        sleep(Duration::from_secs(2)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_asks_once_and_those_without_an_id_each_time() {
    let mut desk = Desk::open(Arc::new(MemoryState::new()));
    let Entered::Run(run) = desk.enter("a").await else {
        panic!("it is new");
    };
    assert_eq!(desk.enter("a").await, Entered::Seen);
    assert_eq!(desk.enter("b").await, Entered::Run(run.clone()));
    assert_eq!(desk.ledger.enter(None).await, Entered::Run(run.clone()));
    desk.asked.next().await;
    assert_ne!(desk.ledger.enter(None).await, Entered::Run(run));
}

#[tokio::test(start_paused = true)]
async fn what_asked_for_a_run_that_failed_is_new_again() {
    let mut desk = Desk::open(Arc::new(MemoryState::new()));
    assert!(desk.is_new("a").await);
    desk.asked.next().await;
    assert!(desk.is_new("b").await);
    desk.asked.end(false);
    desk.settle().await;
    assert!(desk.is_new("a").await);
    assert_eq!(desk.enter("b").await, Entered::Seen);
    desk.asked.next().await;
    desk.asked.end(true);
    desk.settle().await;
    assert_eq!(desk.enter("a").await, Entered::Seen);
    assert_eq!(desk.ledger.page().awaited, []);
}

#[tokio::test(start_paused = true)]
async fn a_restart_forgets_neither_what_was_done_nor_what_failed() {
    let state = Arc::new(MemoryState::new());
    let mut desk = Desk::open(state.clone());
    for (name, is_good) in [("good", true), ("bad", false)] {
        assert!(desk.is_new(name).await);
        desk.asked.next().await;
        desk.asked.end(is_good);
        desk.settle().await;
    }
    // As kill -9 does: nobody closes it.
    let next = Desk::open(state);
    assert_eq!(next.enter("good").await, Entered::Seen);
    assert!(!next.asked.is_waiting());
    assert!(next.is_new("bad").await);
}

#[tokio::test(start_paused = true)]
async fn what_still_waited_at_the_end_waits_for_another_run_after_the_restart() {
    let state = Arc::new(MemoryState::new());
    let mut desk = Desk::open(state.clone());
    assert!(desk.is_new("a").await);
    desk.asked.next().await;
    desk.close().await;

    let mut next = Desk::open(state.clone());
    assert_eq!(next.enter("a").await, Entered::Seen);
    assert!(next.asked.is_waiting(), "nobody asked again");
    next.asked.next().await;
    next.asked.end(false);
    next.settle().await;
    assert!(next.is_new("a").await, "its second run failed too");
}

#[tokio::test(start_paused = true)]
async fn a_closed_ledger_takes_nothing() {
    let desk = Desk::open(Arc::new(MemoryState::new()));
    desk.run.cancel_token().cancel();
    assert_eq!(desk.enter("a").await, Entered::Closed);
    assert_eq!(desk.ledger.enter(None).await, Entered::Closed);
}

#[tokio::test(start_paused = true)]
async fn two_ledgers_that_are_open_at_a_time_lose_nothing() {
    let state = Arc::new(MemoryState::new());
    let (old, new) = (Desk::open(state.clone()), Desk::open(state.clone()));
    for name in ["a", "b", "c"] {
        assert!(old.is_new(name).await);
        assert!(new.is_new(&name.to_uppercase()).await);
        new.settle().await;
    }
    old.close().await;
    new.close().await;
    let next = Desk::open(state);
    for name in ["a", "b", "c", "A", "B", "C"] {
        assert_eq!(next.enter(name).await, Entered::Seen, "{name}");
    }
}

/// A store whose writes may fail, or take their time.
#[derive(Default)]
struct Slow {
    within: MemoryState,
    is_broken: AtomicBool,
    is_stuck: AtomicBool,
    writes: AtomicUsize,
}

#[async_trait]
impl StateStore for Slow {
    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        if self.is_stuck.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.within.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: Expect) -> Result<Version> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(100)).await;
        if self.is_broken.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::DiskFull, "no room"));
        }
        self.within.put(key, value, expect).await
    }

    async fn delete(&self, key: &Key, expect: Expect) -> Result<()> {
        self.within.delete(key, expect).await
    }

    async fn list(&self, prefix: &Key) -> Result<Vec<Key>> {
        self.within.list(prefix).await
    }

    async fn lease(&self, key: &Key) -> Result<Lease> {
        self.within.lease(key).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_deliveries_is_written_a_few_times_and_waits_for_no_disk() {
    let state = Arc::new(Slow::default());
    let desk = Desk::open(state.clone());
    let begun = Instant::now();
    for number in 0..1_000 {
        assert!(desk.is_new(&number.to_string()).await);
        sleep(Duration::from_millis(1)).await;
    }
    assert!(
        begun.elapsed() < Duration::from_millis(1_100),
        "it took {:?}",
        begun.elapsed()
    );
    assert_eq!(state.writes.load(Ordering::Relaxed), 1);
    desk.settle().await;
    let next = Desk::open(state);
    assert_eq!(next.enter("999").await, Entered::Seen);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_tried_again() {
    let state = Arc::new(Slow::default());
    state.is_broken.store(true, Ordering::Relaxed);
    let desk = Desk::open(state.clone());
    assert!(desk.is_new("a").await);
    sleep(Duration::from_secs(10)).await;
    assert!((5..20).contains(&state.writes.load(Ordering::Relaxed)));
    state.is_broken.store(false, Ordering::Relaxed);
    desk.settle().await;
    assert_eq!(Desk::open(state).enter("a").await, Entered::Seen);
}

#[tokio::test(start_paused = true)]
async fn a_state_that_cannot_be_read_keeps_nobody_waiting() {
    let state = Arc::new(Slow::default());
    state.is_stuck.store(true, Ordering::Relaxed);
    let desk = Desk::open(state);
    let begun = Instant::now();
    assert!(desk.is_new("a").await);
    assert!(
        begun.elapsed() < Duration::from_millis(50),
        "it took {:?}",
        begun.elapsed()
    );
    assert_eq!(desk.enter("a").await, Entered::Seen);
    desk.run.cancel_token().cancel();
}
