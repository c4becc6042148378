//! Asks for a run when the process gets a signal.

use async_trait::async_trait;
use gitbarge_core::{Error, ErrorKind, Requests, Result, Run, Trigger};
use tokio::signal::unix::signal;

use crate::signal::UserSignal;

/// Asks for a run at each signal that the process gets; signals that come together are one, as the system has it.
///
/// Once a trigger has begun to watch, its signal ends the process no longer, also when nobody watches any more.
#[derive(Debug, Clone)]
pub struct SignalTrigger {
    signal: UserSignal,
}

impl SignalTrigger {
    /// Listens to this signal.
    pub fn new(signal: UserSignal) -> Self {
        Self { signal }
    }
}

#[async_trait]
impl Trigger for SignalTrigger {
    async fn watch(&self, requests: Requests, run: &Run) -> Result<()> {
        let deaf = |error| {
            Error::new(ErrorKind::Internal, "the signal cannot be heard").with_source(error)
        };
        let mut heard = signal(self.signal.kind()).map_err(deaf)?;
        loop {
            tokio::select! {
                biased;
                () = run.cancelled() => return Ok(()),
                Some(()) = heard.recv() => drop(requests.request()),
            }
        }
    }
}
