//! The poll trigger keeps the promises of every trigger.

use std::sync::Arc;
use std::time::Duration;

use gitbarge_testkit::trigger;
use gitbarge_trigger_poll::PollTrigger;

#[tokio::test(start_paused = true)]
async fn the_poll_trigger_keeps_the_contract() {
    let poll = PollTrigger::new(Duration::from_secs(30), Duration::from_secs(3));
    // Paused time runs on by itself to the next timer.
    trigger::conformance(Arc::new(poll), async || {}).await;
}
