//! When to run.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::config::RefName;
use crate::{Endpoint, Result, Run};

/// When to run.
#[async_trait]
pub trait Trigger: Send + Sync {
    /// Watches until the run is cancelled, and asks for a run of the pipeline whenever one is due.
    ///
    /// The run's state is this trigger's own. An error, or an early return, ends this trigger only; the engine reports it
    /// and starts it again with back-off.
    async fn watch(&self, requests: Requests, run: &Run) -> Result<()>;

    /// The path on the daemon's listener where it hears, for a pipeline of this name; `None` for a trigger that does not listen.
    fn path(&self, _pipeline: &str) -> Option<String> {
        None
    }

    /// What the daemon's listener mounts at [`Self::path`]. Asked for once, when the pipeline begins to be followed.
    fn endpoint(&self, _listening: Listening) -> Option<Arc<dyn Endpoint>> {
        None
    }
}

/// What an endpoint needs to know of the pipeline that it asks runs for.
#[derive(Clone)]
pub struct Listening {
    /// The pipeline's name.
    pub pipeline: String,
    /// The pipeline's ref; `None` for the remote's HEAD.
    pub reference: Option<RefName>,
    /// Asks for runs.
    pub requests: Requests,
    /// Cancelled when the pipeline is followed no longer; its state is the trigger's own.
    pub run: Run,
}

/// Asks for runs of one pipeline. Requests coalesce: one that comes during a run is followed by one run that began after it.
#[derive(Clone, Debug)]
pub struct Requests {
    turns: Arc<watch::Sender<Turns>>,
    since: Timestamp,
}

/// How far asking and answering have come; runs are numbered from 1.
#[derive(Debug, Clone, Copy, Default)]
struct Turns {
    asked: u64,
    begun: u64,
    ended: u64,
    /// The last that was successful.
    good: u64,
}

impl Requests {
    /// Makes the asking and the answering end. Made by the engine, and by tests of triggers.
    pub fn channel() -> (Self, Asked) {
        let (turns, receiver) = watch::channel(Turns::default());
        let turns = Arc::new(turns);
        let requests = Self {
            turns: turns.clone(),
            since: Timestamp::now(),
        };
        (requests, Asked { turns, receiver })
    }

    /// Whether a run is asked for that has not begun.
    pub fn is_waiting(&self) -> bool {
        let turns = *self.turns.borrow();
        turns.asked > turns.begun
    }

    /// Asks for a run; never waits. Whoever wants to know what becomes of it keeps the ticket.
    pub fn request(&self) -> Ticket {
        let mut number = 0;
        self.turns.send_modify(|turns| {
            number = turns.begun + 1;
            turns.asked = number;
        });
        Ticket {
            id: format!("{:x}-{number}", self.since.as_millisecond()),
            number,
            turns: self.turns.subscribe(),
        }
    }
}

/// The answering end of [`Requests`].
#[derive(Debug)]
pub struct Asked {
    turns: Arc<watch::Sender<Turns>>,
    receiver: watch::Receiver<Turns>,
}

impl Asked {
    /// Waits until a run is asked for. Dropping the future loses nothing.
    pub async fn wait(&mut self) {
        // This end keeps the channel open.
        drop(
            self.receiver
                .wait_for(|turns| turns.asked > turns.begun)
                .await,
        );
    }

    /// Waits until a run is asked for, and begins it.
    pub async fn next(&mut self) {
        self.wait().await;
        self.begin();
    }

    /// Whether a run is asked for.
    pub fn is_waiting(&self) -> bool {
        let turns = *self.turns.borrow();
        turns.asked > turns.begun
    }

    /// A run begins, which answers everything that was asked for so far.
    pub fn begin(&mut self) {
        self.turns.send_modify(|turns| turns.begun += 1);
    }

    /// The run that began last has ended.
    pub fn end(&mut self, is_good: bool) {
        self.turns.send_modify(|turns| {
            turns.ended = turns.begun;
            if is_good {
                turns.good = turns.begun;
            }
        });
    }
}

/// A request that waits for its run.
#[derive(Debug, Clone)]
pub struct Ticket {
    id: String,
    number: u64,
    turns: watch::Receiver<Turns>,
}

impl Ticket {
    /// Names the run that will answer the request; requests that one run answers have the same.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Waits until the run has ended; whether it, or one after it, was successful. Dropping the future loses nothing.
    pub async fn succeeded(mut self) -> bool {
        let number = self.number;
        match self.turns.wait_for(|turns| turns.ended >= number).await {
            Ok(turns) => turns.good >= number,
            // The pipeline is followed no longer.
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_coalesce() {
        let (requests, mut asked) = Requests::channel();
        let first = requests.request();
        assert_eq!(requests.request().id(), first.id());
        asked.wait().await;
        asked.begin();
        assert!(!asked.is_waiting());
        let second = requests.request();
        assert_ne!(second.id(), first.id());
        assert!(asked.is_waiting());
        asked.end(false);
        assert!(!first.succeeded().await);
        asked.begin();
        asked.end(true);
        assert!(second.succeeded().await);
    }

    #[tokio::test]
    async fn a_request_that_nobody_answers_any_more_has_failed() {
        let (requests, asked) = Requests::channel();
        let ticket = requests.request();
        drop((requests, asked));
        assert!(!ticket.succeeded().await);
    }
}
