//! Asks for a run when a delivery comes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gitbarge_core::{Endpoint, Listening, Requests, Result, Run, Trigger};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::endpoint::Hook;
use crate::flood::Floods;
use crate::journal::Journal;
use crate::judge::Judge;
use crate::keys::Keyring;
use crate::ledger::Ledger;
use crate::networks::Networks;
use crate::proof::Scheme;
use crate::provider::Provider;
use crate::secrets::Secrets;
use crate::sender::Senders;
use crate::wanted::Wanted;

/// The largest body that GitHub sends.
pub(crate) const LARGEST_BODY: u64 = 25 << 20;
/// How long the last deliveries may take to be written down when the pipeline is followed no longer.
const LAST_WORDS: Duration = Duration::from_millis(80);

/// Asks for a run when a forge delivers a push, by an [`Endpoint`] that a listener mounts.
///
/// The endpoint must be asked for within a tokio runtime: it remembers deliveries in the state of its run.
#[derive(Debug)]
pub struct WebhookTrigger {
    provider: Provider,
    scheme: Scheme,
    keyring: Arc<Keyring>,
    path: Option<String>,
    senders: Senders,
    largest_body: u64,
    tasks: TaskTracker,
}

impl WebhookTrigger {
    /// Takes deliveries of this provider from everybody who knows one of the secrets.
    pub fn new(provider: Provider, secrets: &Secrets) -> Self {
        Self {
            provider,
            scheme: Scheme::of(provider, None, None),
            keyring: Arc::new(Keyring::new(secrets.as_slice(), provider)),
            path: None,
            senders: Senders::default(),
            largest_body: LARGEST_BODY,
            tasks: TaskTracker::new(),
        }
    }

    /// Listens at this path rather than at `/hooks/<pipeline>`.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// For the providers `token` and `signature`: which header carries the proof, and what stands before it there.
    #[must_use]
    pub fn proved_by(mut self, header: Option<&str>, prefix: Option<&str>) -> Self {
        self.scheme = Scheme::of(self.provider, header, prefix);
        self
    }

    /// Hears senders with these addresses only.
    #[must_use]
    pub fn allowing(mut self, senders: Networks) -> Self {
        self.senders.allowed = Some(senders);
        self
    }

    /// Believes these proxies whom they had before them.
    #[must_use]
    pub fn trusting(mut self, proxies: Networks) -> Self {
        self.senders.proxies = proxies;
        self
    }

    /// Takes bodies of at most so many bytes.
    #[must_use]
    pub fn with_largest_body(mut self, bytes: u64) -> Self {
        self.largest_body = bytes;
        self
    }
}

#[async_trait]
impl Trigger for WebhookTrigger {
    /// Waits for the end: it is the endpoint that asks for runs.
    async fn watch(&self, _: Requests, run: &Run) -> Result<()> {
        run.cancelled().await;
        self.tasks.close();
        // What takes longer goes on, if the process does.
        drop(timeout(LAST_WORDS, self.tasks.wait()).await);
        Ok(())
    }

    fn path(&self, pipeline: &str) -> Option<String> {
        let usual = || format!("/hooks/{pipeline}");
        Some(self.path.clone().unwrap_or_else(usual))
    }

    fn endpoint(&self, listening: Listening) -> Option<Arc<dyn Endpoint>> {
        let Listening {
            pipeline,
            reference,
            requests,
            run,
        } = listening;
        Some(Arc::new(Hook {
            largest_body: self.largest_body,
            senders: self.senders.clone(),
            judge: Arc::new(Judge {
                provider: self.provider,
                scheme: self.scheme.clone(),
                wanted: Wanted::new(reference.as_ref()),
            }),
            keyring: self.keyring.clone(),
            ledger: Ledger::open(requests, run, &self.tasks),
            floods: Floods::default(),
            journal: Journal::new(&pipeline, self.provider),
        }))
    }
}
