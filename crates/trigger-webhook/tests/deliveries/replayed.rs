//! Deliveries that come again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gitbarge_core::{Requests, Secret, StateStore, Trigger as _};
use gitbarge_testkit::memory::MemoryState;
use gitbarge_trigger_webhook::{Provider, Secrets, WebhookTrigger};

use crate::lab::{Lab, SECRET, body, github};

fn lab(state: Arc<dyn StateStore>) -> Lab {
    let secrets = Secrets::new([Secret::literal(SECRET)]);
    Lab::with_state(WebhookTrigger::new(Provider::Github, &secrets), state)
}

#[tokio::test]
async fn a_delivery_asks_once_and_only_its_proof_uses_it_up() {
    let mut lab = Lab::new(Provider::Github);
    let one = github("one", body());
    lab.refused(
        &one.with("X-Hub-Signature-256", &format!("sha256={}", "0".repeat(64))),
        401,
    )
    .await;
    lab.accepted(&one).await;
    for _ in 0..3 {
        let answer = lab.refused(&one, 200).await;
        assert_eq!(answer.reason, "this delivery was seen before");
    }
    lab.accepted(&github("two", body())).await;
}

#[tokio::test]
async fn a_delivery_whose_run_failed_may_come_again() {
    let mut lab = Lab::new(Provider::Github);
    let one = github("one", body());
    assert_eq!(lab.send(&one).await.status, 202);
    lab.asked.next().await;
    lab.refused(&one, 200).await;
    lab.asked.end(false);
    let begun = Instant::now();
    while lab.send(&one).await.status != 202 {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "it is still remembered"
        );
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn those_that_come_at_the_same_time_ask_once() {
    let lab = Arc::new(Lab::new(Provider::Github));
    let sent: Vec<_> = (0..50)
        .map(|_| {
            let lab = lab.clone();
            tokio::spawn(async move { lab.send(&github("one", body())).await.status })
        })
        .collect();
    let mut accepted = 0;
    for answer in sent {
        accepted += usize::from(answer.await.unwrap() == 202);
    }
    assert_eq!(accepted, 1);
}

#[tokio::test]
async fn a_restart_knows_what_was_delivered_before_it() {
    let store = MemoryState::new();
    let state = || Arc::new(store.clone());
    let mut before = lab(state());
    before.accepted(&github("one", body())).await;
    // As the engine does it at the end: what was delivered a moment ago is written down by then.
    before.run.cancel_token().cancel();
    let begun = Instant::now();
    before
        .trigger
        .watch(Requests::channel().0, &before.run)
        .await
        .unwrap();
    assert!(
        begun.elapsed() < Duration::from_millis(500),
        "it took {:?}",
        begun.elapsed()
    );

    let after = lab(state());
    assert_eq!(after.send(&github("one", body())).await.status, 200);
    assert_eq!(after.send(&github("two", body())).await.status, 202);
}

#[tokio::test]
async fn a_sudden_death_forgets_only_what_came_a_moment_before() {
    let store = MemoryState::new();
    let state = || Arc::new(store.clone());
    let mut before = lab(state());
    before.accepted(&github("one", body())).await;
    let begun = Instant::now();
    // Nobody tells the first one to end.
    while lab(state()).send(&github("one", body())).await.status != 200 {
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "it was not written down"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
