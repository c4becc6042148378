//! Sources, sinks, triggers and alerters that do as they are told.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gitbarge_core::config::{AlertRoute, Occasion, Paused};
use gitbarge_core::{
    Address, Alert, Alerter, Component, Connection, Delivery, Error, ErrorKind, Event, Held,
    Notice, Receipt, Requests, Result, Run, Service, Sink, Source, Trigger,
};
use gitbarge_testkit::repository::Repository;
use gitbarge_testkit::upload_pack::UploadPack;

use crate::script::Script;

/// Serves a repository, after its script.
pub(crate) struct FakeSource {
    repository: Option<UploadPack>,
    pub(crate) connecting: Script,
}

impl FakeSource {
    pub(crate) fn of(repository: &Repository) -> Arc<Self> {
        Arc::new(Self {
            repository: Some(UploadPack(repository.path().to_owned())),
            connecting: Script::new(),
        })
    }

    /// A source that has nothing to serve: its script must fail.
    pub(crate) fn broken() -> Arc<Self> {
        Arc::new(Self {
            repository: None,
            connecting: Script::new(),
        })
    }
}

#[async_trait]
impl Source for FakeSource {
    async fn connect(&self, service: Service, run: &Run) -> Result<Connection> {
        self.connecting.play(run).await?;
        match &self.repository {
            Some(repository) => repository.connect(service, run).await,
            None => Err(Error::new(ErrorKind::RemoteMissing, "there is nothing")),
        }
    }

    fn address(&self) -> Address {
        Address::new("example.org:site")
    }
}

/// Takes whatever it is given, after its scripts.
pub(crate) struct FakeSink {
    held: Mutex<Held>,
    pub(crate) asking: Script,
    pub(crate) delivering: Script,
}

impl FakeSink {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            held: Mutex::default(),
            asking: Script::new(),
            delivering: Script::new(),
        })
    }

    fn with_held<T>(&self, work: impl FnOnce(&mut Held) -> T) -> T {
        work(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Sink for FakeSink {
    async fn held(&self, run: &Run) -> Result<Held> {
        self.asking.play(run).await?;
        Ok(self.with_held(|held| held.clone()))
    }

    async fn deliver(&self, delivery: &Delivery, run: &Run) -> Result<Receipt> {
        self.delivering.play(run).await?;
        let target = delivery.target()?;
        Ok(self.with_held(|held| {
            let from = held.commit.replace(target.commit);
            held.branch = target.branch().map(str::to_owned);
            Receipt {
                changed: true,
                from,
                ..Receipt::default()
            }
        }))
    }
}

/// Asks when the test does, and watches after its script.
pub(crate) struct FakeTrigger {
    requests: Mutex<Option<Requests>>,
    pub(crate) watching: Script,
}

impl FakeTrigger {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            requests: Mutex::default(),
            watching: Script::new(),
        })
    }

    pub(crate) fn request(&self) {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.as_ref().expect("it watches").request();
    }
}

#[async_trait]
impl Trigger for FakeTrigger {
    async fn watch(&self, requests: Requests, run: &Run) -> Result<()> {
        *self.requests.lock().unwrap_or_else(PoisonError::into_inner) = Some(requests);
        self.watching.play(run).await?;
        run.cancelled().await;
        Ok(())
    }
}

/// Remembers what it was told, after its script.
pub(crate) struct FakeAlerter {
    taken: Mutex<Vec<Alert>>,
    patience: Duration,
    pub(crate) telling: Script,
}

impl FakeAlerter {
    pub(crate) fn new() -> Arc<Self> {
        Self::with_patience(Duration::from_secs(10))
    }

    pub(crate) fn with_patience(patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            taken: Mutex::default(),
            patience,
            telling: Script::new(),
        })
    }

    /// The messages that it has taken.
    pub(crate) fn messages(&self) -> Vec<Alert> {
        self.taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// All notices of its messages.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        self.messages()
            .into_iter()
            .flat_map(|m| m.notices)
            .collect()
    }

    /// What its notices tell of, with their counts.
    pub(crate) fn told(&self) -> Vec<(Event, u64)> {
        let notices = self.notices().into_iter();
        notices.map(|notice| (notice.event, notice.count)).collect()
    }

    /// As an alerter that keeps silent about the same fault for an hour.
    pub(crate) fn route(self: &Arc<Self>, name: &str) -> AlertRoute {
        AlertRoute {
            name: name.to_owned(),
            component: Component::made("fake", self.clone()),
            on: vec![Occasion::Failed, Occasion::Recovered],
            suppress: Duration::from_secs(3600),
            paused: Paused::No,
        }
    }
}

#[async_trait]
impl Alerter for FakeAlerter {
    async fn alert(&self, alert: &Alert, run: &Run) -> Result<()> {
        self.telling.play(run).await?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.push(alert.clone());
        Ok(())
    }

    fn patience(&self) -> Duration {
        self.patience
    }
}
