//! The sink `s3`, and the mirror that it is made of.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use gitbarge_core::{
    Delivery, Error, ErrorKind, Held, Problem, Receipt, Result, Run, Sink, Source, Wanted,
};
use gitbarge_git::remote::{Asked, Remote};
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use crate::config::S3Config;
use crate::mirror::{self, Done, Indexes, Mirror, Room, Snapshot};
use crate::store::{Figures, Store};

/// How often a mirror outside an engine begins anew because somebody else has published.
const MOST_TRIES: usize = 3;

/// Keeps a bucket equal to the remote's refs.
pub struct S3Sink {
    config: S3Config,
    mirror: OnceCell<Mirror>,
    /// What was read before the remote was listed: a newer writer is one that has published since.
    seen: Mutex<Option<Seen>>,
}

struct Seen {
    snapshot: Snapshot,
    /// What the store had been asked for before.
    figures: Figures,
}

impl S3Sink {
    /// Checks the configuration; touches neither network nor files.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn new(config: S3Config) -> Result<Self, Vec<Problem>> {
        config.check()?;
        Ok(Self {
            config,
            mirror: OnceCell::new(),
            seen: Mutex::default(),
        })
    }

    async fn mirror(&self) -> Result<&Mirror> {
        let open = || async {
            let config = &self.config;
            Ok(Mirror {
                store: Store::open(config).await?,
                indexes: Indexes::default(),
                room: Room {
                    memory: config.memory,
                    spool: config.spool.clone(),
                },
                grace: config.grace,
                lfs: config.lfs,
                bundle: config.bundle,
            })
        };
        self.mirror.get_or_try_init(open).await
    }

    async fn look(&self, run: &Run) -> Result<Seen> {
        let mirror = self.mirror().await?;
        let figures = mirror.store.figures();
        let snapshot =
            cancellable("reading the mirror", run, Snapshot::read(&mirror.store)).await?;
        Ok(Seen { snapshot, figures })
    }
}

#[async_trait]
impl Sink for S3Sink {
    fn wanted(&self) -> Wanted {
        Wanted::Refs(self.config.refs.clone())
    }

    async fn held(&self, run: &Run) -> Result<Held> {
        let seen = self.look(run).await?;
        let mut held = seen.snapshot.held();
        let figures = self.mirror().await?.store.figures();
        held.details = details(&Done::default(), &figures.since(&seen.figures));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        Ok(held)
    }

    async fn deliver(&self, delivery: &Delivery, run: &Run) -> Result<Receipt> {
        let seen = self
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Seen { snapshot, figures } = match seen {
            Some(seen) => seen,
            None => self.look(run).await?,
        };
        let mirror = self.mirror().await?;
        if snapshot.held().equals(delivery) {
            return Ok(Receipt {
                from: snapshot.commit(delivery.target.as_ref()),
                ..Receipt::default()
            });
        }
        let work = mirror.deliver(delivery, snapshot, run);
        let done = cancellable("writing the mirror", run, work).await;
        mirror.store.settle().await;
        let done = done?;
        Ok(Receipt {
            changed: true,
            from: done.from,
            subject: done.subject.clone(),
            details: details(&done, &mirror.store.figures().since(&figures)),
        })
    }

    async fn probe(&self, run: &Run) -> Result<()> {
        self.look(run).await.map(drop)
    }

    async fn verify(&self, run: &Run) -> Result<Map<String, Value>> {
        let mirror = self.mirror().await?;
        let work = mirror::verify(&mirror.store, mirror.room.memory, run);
        cancellable("verifying the mirror", run, work).await
    }
}

/// A mirror outside any engine.
pub struct S3Mirror(S3Sink);

impl S3Mirror {
    /// Checks the configuration; touches neither network nor files.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn new(config: S3Config) -> Result<Self, Vec<Problem>> {
        S3Sink::new(config).map(Self)
    }

    /// Makes the mirror equal to the source.
    ///
    /// # Errors
    /// Those of [`Source::connect`] and of the store; `conflict` if others published three times in the meantime.
    pub async fn mirror(&self, source: &Arc<dyn Source>, run: &Run) -> Result<Receipt> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_once(source, run).await {
                Err(error) if error.kind() == ErrorKind::Conflict && tries < MOST_TRIES => {}
                result => return result,
            }
        }
    }

    async fn try_once(&self, source: &Arc<dyn Source>, run: &Run) -> Result<Receipt> {
        let held = self.0.held(run).await?;
        let Wanted::Refs(patterns) = self.0.wanted() else {
            unreachable!("a mirror wants refs");
        };
        let asked = Asked {
            reference: None,
            patterns: vec![patterns.clone()],
        };
        let remote = Arc::new(Remote::open(source, asked, run).await?);
        let refs = patterns.select(&remote.refs()).into();
        let target = remote.resolve().ok();
        let delivery = Delivery::new(target, refs, source.address(), remote);
        if held.equals(&delivery) {
            return Ok(Receipt {
                from: held.commit,
                subject: held.subject,
                details: held.details,
                ..Receipt::default()
            });
        }
        self.0.deliver(&delivery, run).await
    }
}

async fn cancellable<T>(what: &str, run: &Run, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        () = run.cancelled() => Err(Error::cancelled(what)),
        result = work => result,
    }
}

fn details(done: &Done, figures: &Figures) -> Map<String, Value> {
    let mut details = Map::new();
    let mut put = |key: &str, value: u64| details.insert(key.to_owned(), json!(value));
    put("packs_uploaded", done.packs_uploaded);
    put("objects", done.objects);
    put("bytes_sent", figures.bytes_sent);
    put("requests", figures.requests);
    if done.lfs_uploaded > 0 {
        put("lfs_objects", done.lfs_uploaded);
    }
    if done.lfs_missing > 0 {
        put("lfs_missing", done.lfs_missing);
    }
    details
}

#[cfg(test)]
mod tests;
