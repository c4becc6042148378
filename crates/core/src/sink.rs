//! What must end up equal to the source.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use gix::ObjectId;
use serde_json::{Map, Value};

use crate::{Address, Error, ErrorKind, LfsServer, PackStream, RefPatterns, Result, Run};

/// What must end up equal to the source.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Which of the remote's refs it is made from; the remote is asked for no others.
    fn wanted(&self) -> Wanted {
        Wanted::Target
    }

    /// Reads from the target itself what it holds; changes nothing.
    async fn held(&self, run: &Run) -> Result<Held>;

    /// Makes the target equal to the delivery's commit. On any error the target stays valid: it holds the old state, or
    /// the next delivery completes it.
    async fn deliver(&self, delivery: &Delivery, run: &Run) -> Result<Receipt>;

    /// Whether the target is reachable and writable; changes nothing.
    async fn probe(&self, _run: &Run) -> Result<()> {
        Ok(())
    }

    /// Reads the whole target back and sees to it that it is what it claims to be; returns what was found, for people.
    ///
    /// # Errors
    /// `corrupt`, naming what is missing or damaged; `config` if the sink has no way to tell.
    async fn verify(&self, _run: &Run) -> Result<Map<String, Value>> {
        let message = "this sink cannot be verified";
        Err(Error::new(ErrorKind::Config, message))
    }
}

/// Which of the remote's refs a sink is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The one that the pipeline's `ref` means.
    Target,
    /// HEAD, and all refs that match; there may be none.
    Refs(RefPatterns),
}

/// What a target holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// The commit that it stands at.
    pub commit: Option<ObjectId>,
    /// The full name of the branch that it is on; `None` if it is on none.
    pub branch: Option<String>,
    /// HEAD and the refs that it shows, sorted by name, for a sink that wants refs.
    pub refs: Option<Vec<RemoteRef>>,
    /// Whether it has drifted from that commit: the next run must deliver even if the remote has not changed.
    pub drifted: bool,
    /// The commit's subject line.
    pub subject: Option<String>,
    /// More keys for this sink in the run's result, should the run find nothing to do.
    pub details: Map<String, Value>,
}

impl Held {
    /// Whether nothing needs to be done to hold what `delivery` brings.
    pub fn equals(&self, delivery: &Delivery) -> bool {
        let is_there = match (&self.refs, &delivery.target) {
            (Some(refs), _) => refs[..] == delivery.refs[..],
            (None, Some(target)) => {
                self.commit == Some(target.commit) && self.branch.as_deref() == target.branch()
            }
            (None, None) => false,
        };
        is_there && !self.drifted
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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

/// What a sink is given: the remote's refs, and ways to get the objects behind them.
#[derive(Clone)]
pub struct Delivery {
    /// What the pipeline's `ref` means. A sink that wants the target has it; for others the remote may be without.
    pub target: Option<Target>,
    /// The refs that the sink wants and the remote has, sorted by name.
    pub refs: Arc<[RemoteRef]>,
    /// Where it comes from, fit to print.
    pub address: Address,
    objects: Arc<dyn Objects>,
}

impl Delivery {
    /// Made by the engine; `objects` brings them.
    pub fn new(
        target: Option<Target>,
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

    /// The target, for sinks that cannot do without.
    ///
    /// # Errors
    /// `ref_missing`.
    pub fn target(&self) -> Result<&Target> {
        self.target.as_ref().ok_or_else(|| {
            let message = format!("`{}` does not have the ref", self.address);
            Error::new(ErrorKind::RefMissing, message)
        })
    }

    /// Brings everything that the target's tip reaches into the object database of the repository at `git_dir`.
    ///
    /// Objects cross the network once per run: a second repository gets them from the first. Refs are not touched.
    ///
    /// # Errors
    /// Those of [`crate::Source::connect`]; `protocol`, `corrupt`, `disk_full`, `ref_missing` if the remote refuses the hash.
    pub async fn fetch_into(&self, git_dir: &Path, options: FetchOptions, run: &Run) -> Result<()> {
        let target = self.target()?;
        self.objects.fetch_into(git_dir, target, options, run).await
    }

    /// Asks for one pack with everything that is reached from the wants and not from the haves.
    ///
    /// It stands alone: no delta in it leans on an object that is not in it.
    ///
    /// # Errors
    /// Those of [`crate::Source::connect`]; `protocol`, `ref_missing` if the remote refuses a want. What happens later is an
    /// error of the stream.
    pub async fn pack(&self, request: PackRequest, run: &Run) -> Result<PackStream> {
        self.objects.pack(request, run).await
    }

    /// Where the repository's LFS objects are; `None` if the source does not know of such a place.
    ///
    /// # Errors
    /// Those of [`crate::Source::connect`].
    pub async fn lfs(&self, run: &Run) -> Result<Option<LfsServer>> {
        self.objects.lfs(run).await
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

/// Which objects a pack is to have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackRequest {
    /// What must be there afterwards; at least one.
    pub wants: Vec<ObjectId>,
    /// What is there already, with everything that it reaches. Those that the remote does not know are no harm.
    pub haves: Vec<ObjectId>,
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

    /// See [`Delivery::pack`].
    async fn pack(&self, request: PackRequest, run: &Run) -> Result<PackStream>;

    /// See [`Delivery::lfs`].
    async fn lfs(&self, run: &Run) -> Result<Option<LfsServer>>;
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
