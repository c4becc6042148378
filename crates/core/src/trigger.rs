//! When to run.

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::{Result, Run};

/// When to run.
#[async_trait]
pub trait Trigger: Send + Sync {
    /// Watches until the run is cancelled, and asks for a run of the pipeline whenever one is due.
    ///
    /// The run's state is this trigger's own. An error, or an early return, ends this trigger only; the engine reports it
    /// and starts it again with back-off.
    async fn watch(&self, requests: Requests, run: &Run) -> Result<()>;
}

/// Asks for runs of one pipeline. Requests coalesce: one that comes during a run is followed by one run that began after it.
#[derive(Clone, Debug)]
pub struct Requests(mpsc::Sender<()>);

impl Requests {
    /// Makes the asking and the receiving end. Made by the engine, and by tests of triggers.
    pub fn channel() -> (Self, mpsc::Receiver<()>) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), receiver)
    }

    /// Asks for a run; never waits.
    pub fn request(&self) {
        // A full channel means that a run which has not begun is waiting already.
        match self.0.try_send(()) {
            Ok(())
            | Err(mpsc::error::TrySendError::Full(()) | mpsc::error::TrySendError::Closed(())) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_coalesce() {
        let (requests, mut receiver) = Requests::channel();
        for _ in 0..100 {
            requests.request();
        }
        assert!(receiver.try_recv().is_ok());
        assert!(receiver.try_recv().is_err());
    }
}
