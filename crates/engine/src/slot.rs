//! How many pipelines work at a time: those that only wait keep no other from working.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One of a limited number of places for runs.
pub(crate) struct Slot {
    all: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Slot {
    /// Waits for a place.
    pub(crate) async fn take(all: &Arc<Semaphore>) -> Self {
        let mut slot = Self {
            all: all.clone(),
            permit: None,
        };
        slot.enter().await;
        slot
    }

    /// Lets another run have the place.
    pub(crate) fn leave(&mut self) {
        self.permit = None;
    }

    /// Waits for a place again, if it was left.
    pub(crate) async fn enter(&mut self) {
        if self.permit.is_none() {
            // The semaphore is never closed.
            self.permit = self.all.clone().acquire_owned().await.ok();
        }
    }
}
