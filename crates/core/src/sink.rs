//! What must end up equal to the source.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use gix::ObjectId;
use serde_json::{Map, Value};

use crate::{Address, Result, Run};

/// What must end up equal to the source.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Reads from the target itself what it holds; changes nothing.
    async fn held(&self, run: &Run) -> Result<Held>;

    /// Makes the target equal to the delivery's commit. On any error the target stays valid: it holds the old state, or
    /// the next delivery completes it.
    async fn deliver(&self, delivery: &Delivery, run: &Run) -> Result<Receipt>;

    /// Whether the target is reachable and writable; changes nothing.
    async fn probe(&self, _run: &Run) -> Result<()> {
        Ok(())
    }
}

/// What a target holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// The commit that it stands at.
    pub commit: Option<ObjectId>,
    /// The full name of the branch that it is on; `None` if it is on none.
    pub branch: Option<String>,
    /// Whether it has drifted from that commit: the next run must deliver even if the remote has not changed.
    pub drifted: bool,
    /// The commit's subject line.
    pub subject: Option<String>,
    /// More keys for this sink in the run's result, should the run find nothing to do.
    pub details: Map<String, Value>,
}

impl Held {
    /// Whether nothing needs to be done to hold `target`.
    pub fn equals(&self, target: &Target) -> bool {
        !self.drifted
            && self.commit == Some(target.commit)
            && self.branch.as_deref() == target.branch()
    }
}

/// What the pipeline's `ref` means on the remote right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The commit, with tags peeled.
    pub commit: ObjectId,
    /// What to ask the remote for: the commit, or the annotated tag that leads to it.
    pub tip: ObjectId,
    /// The full name of the branch or tag; `None` for a hash.
    pub reference: Option<String>,
}

impl Target {
    /// The full name of the branch, if it is one.
    pub fn branch(&self) -> Option<&str> {
        self.reference
            .as_deref()
            .filter(|name| name.starts_with("refs/heads/"))
    }
}

/// A ref that the remote has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteRef {
    /// Its full name, in bytes as the remote sent them.
    pub name: Vec<u8>,
    /// What it points to.
    pub id: ObjectId,
    /// What an annotated tag leads to.
    pub peeled: Option<ObjectId>,
    /// The full name of the ref that it stands for, if it is symbolic.
    pub symref: Option<Vec<u8>>,
}

/// What a sink is given: a resolved commit, and a way to get its objects.
#[derive(Clone)]
pub struct Delivery {
    /// The commit to deliver.
    pub target: Target,
    /// The refs that the remote has shown: those that the pipeline asked for.
    pub refs: Arc<[RemoteRef]>,
    /// Where it comes from, fit to print.
    pub address: Address,
    objects: Arc<dyn Objects>,
}

impl Delivery {
    /// Made by the engine; `objects` brings them.
    pub fn new(
        target: Target,
        refs: Arc<[RemoteRef]>,
        address: Address,
        objects: Arc<dyn Objects>,
    ) -> Self {
        Self {
            target,
            refs,
            address,
            objects,
        }
    }

    /// Brings everything that the target's tip reaches into the object database of the repository at `git_dir`.
    ///
    /// Objects cross the network once per run: a second repository gets them from the first. Refs are not touched.
    ///
    /// # Errors
    /// Those of [`crate::Source::connect`]; `protocol`, `corrupt`, `disk_full`, `ref_missing` if the remote refuses the hash.
    pub async fn fetch_into(&self, git_dir: &Path, options: FetchOptions, run: &Run) -> Result<()> {
        self.objects
            .fetch_into(git_dir, &self.target, options, run)
            .await
    }
}

/// How objects are fetched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FetchOptions {
    /// Only so many commits of history.
    pub depth: Option<std::num::NonZeroU32>,
    /// Take nothing that is there for granted: ask for everything anew.
    pub refetch: bool,
}

/// Brings objects from the remote, for [`Delivery`].
#[async_trait]
pub trait Objects: Send + Sync {
    /// See [`Delivery::fetch_into`].
    async fn fetch_into(
        &self,
        git_dir: &Path,
        target: &Target,
        options: FetchOptions,
        run: &Run,
    ) -> Result<()>;
}

/// What a delivery did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Whether anything was changed.
    pub changed: bool,
    /// The commit that the target held before.
    pub from: Option<ObjectId>,
    /// The delivered commit's subject line, if the sink has read it.
    pub subject: Option<String>,
    /// More keys for this sink in the run's result.
    pub details: Map<String, Value>,
}
