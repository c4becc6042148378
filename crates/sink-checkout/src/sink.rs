//! The story of one delivery: lock the target, get the objects, look for drift, make the work tree equal, move the refs.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gitbarge_core::{Delivery, Error, ErrorKind, FetchOptions, Held, Receipt, Result, Run, Sink};
use gitbarge_git::worktree::Scan;

use crate::apply::{self, Prepared};
use crate::held;
use crate::memory;
use crate::repair::{self, Repair};
use crate::report;
use crate::target;

/// How long to wait for another process that works on the same target.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// How often, and after which pauses, a delivery is tried that another git was in the way of.
const BUSY_TRIES: usize = 4;
const BUSY_PAUSE: Duration = Duration::from_millis(150);

/// How a checkout is kept. See [`crate::CheckoutConfig`] for what each field means.
#[derive(Debug, Clone)]
#[expect(
    missing_docs,
    reason = "documented at the configuration's keys, whose names they bear"
)]
pub struct CheckoutOptions {
    pub path: PathBuf,
    pub allow_replace: bool,
    pub clean_ignored: bool,
    pub keep_nested: bool,
    pub keep_discarded: Duration,
    pub depth: Option<NonZeroU32>,
}

impl CheckoutOptions {
    /// A checkout at `path`, with the defaults of the configuration's keys.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            allow_replace: false,
            clean_ignored: false,
            keep_nested: false,
            keep_discarded: Duration::from_secs(30 * 24 * 60 * 60),
            depth: None,
        }
    }
}

/// Keeps a checkout exactly equal to the remote.
pub struct CheckoutSink {
    options: Arc<CheckoutOptions>,
}

/// What is tried, each after the one before has found damage. None of them loses what can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// Go on from what is there, and mend what is seen to be wrong.
    Ordinary,
    /// Check everything, mend it in place, and fetch everything once more.
    Thorough,
    /// Fetch everything into a new repository beside, take over what survives, and exchange the two.
    Beside,
}

impl CheckoutSink {
    /// A checkout that is kept so.
    pub fn new(options: CheckoutOptions) -> Self {
        Self {
            options: Arc::new(options),
        }
    }

    async fn bring(&self, delivery: &Delivery, effort: Effort, run: &Run) -> Result<Receipt> {
        let beside = match effort {
            Effort::Beside => Some(self.replace(delivery, run).await?),
            Effort::Ordinary | Effort::Thorough => None,
        };
        let (options, wanted) = (self.options.clone(), delivery.clone());
        let mut prepared: Prepared = run
            .blocking("preparing the target", move |stop| {
                apply::prepare(&options, &wanted, effort == Effort::Thorough, beside, stop)
            })
            .await?;
        let fetch = FetchOptions {
            depth: self.options.depth,
            refetch: prepared.repair.refetch,
        };
        let scan = if prepared.is_sound() {
            let (fetched, scan) = tokio::join!(
                // The network and the disk have nothing to do with one another.
                delivery.fetch_into(&prepared.git_dir, fetch, run),
                self.scan(&prepared, run),
            );
            fetched?;
            scan?
        } else {
            delivery.fetch_into(&prepared.git_dir, fetch, run).await?;
            let (options, wanted) = (self.options.clone(), delivery.clone());
            prepared = run
                .blocking("checking the repository", move |stop| {
                    apply::settle(&options, &wanted, prepared, stop)
                })
                .await?;
            self.scan(&prepared, run).await?
        };
        let (options, wanted) = (self.options.clone(), delivery.clone());
        let progress = run.progress().clone();
        let outcome = run
            .blocking("writing files", move |stop| {
                apply::apply(&options, prepared, scan, &wanted, &progress, stop)
            })
            .await?;
        Ok(report::receipt(outcome))
    }

    async fn scan(&self, prepared: &Prepared, run: &Run) -> Result<Scan> {
        let (options, prepared) = (self.options.clone(), prepared.clone());
        run.blocking("looking for drift", move |stop| {
            apply::scan(&options, &prepared, stop)
        })
        .await
    }

    /// Fetches everything into a new repository, which takes the damaged one's place only when it is complete.
    async fn replace(&self, delivery: &Delivery, run: &Run) -> Result<Repair> {
        let (options, wanted) = (self.options.clone(), delivery.clone());
        let folder = run
            .blocking("making a new repository", move |_| {
                repair::begin_beside(&options, &wanted)
            })
            .await?;
        let fetch = FetchOptions {
            depth: self.options.depth,
            refetch: true,
        };
        delivery.fetch_into(&folder, fetch, run).await?;
        let (options, wanted) = (self.options.clone(), delivery.clone());
        run.blocking("replacing the repository", move |stop| {
            repair::finish_beside(&options, &wanted, stop)
        })
        .await
    }

    /// Waits a little while another git works in the repository.
    async fn patiently(&self, delivery: &Delivery, effort: Effort, run: &Run) -> Result<Receipt> {
        for _ in 0..BUSY_TRIES {
            match self.bring(delivery, effort, run).await {
                Err(error) if repair::is_momentary(&error) => {
                    self.pause().await;
                }
                result => return result,
            }
        }
        self.bring(delivery, effort, run).await
    }

    /// The next try must not take this process for one that has died, and all locks for its own.
    async fn pause(&self) {
        memory::give_up(&self.options.path.join(".git"));
        tokio::time::sleep(BUSY_PAUSE).await;
    }

    async fn with_all_efforts(&self, delivery: &Delivery, run: &Run) -> Result<Receipt> {
        let mut result = self.patiently(delivery, Effort::Ordinary, run).await;
        // What was written to while it was read looks damaged once, but not twice.
        for effort in [Effort::Ordinary, Effort::Thorough, Effort::Beside] {
            match result {
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    let failure = error.failure();
                    tracing::warn!(
                        error = failure.message,
                        ?effort,
                        "The repository seems to be damaged."
                    );
                }
                result => return result,
            }
            self.pause().await;
            result = self.patiently(delivery, effort, run).await;
        }
        result
    }

    async fn give_up(&self, error: &Error, run: &Run) {
        let (options, is_full) = (self.options.clone(), error.kind() == ErrorKind::DiskFull);
        let tidied = run
            .blocking("tidying up", move |_| {
                drop(gitbarge_git::repository::clear_half_made(&options.path));
                let space = if is_full {
                    repair::make_space(&options)
                } else {
                    Ok(())
                };
                memory::give_up(&options.path.join(".git"));
                space
            })
            .await;
        if let Err(error) = tidied {
            tracing::debug!(%error, "What was half written stays until the next delivery.");
        }
    }
}

#[async_trait]
impl Sink for CheckoutSink {
    async fn held(&self, run: &Run) -> Result<Held> {
        let options = self.options.clone();
        run.blocking("reading the checkout", move |stop| {
            held::held(&options, stop)
        })
        .await
    }

    async fn deliver(&self, delivery: &Delivery, run: &Run) -> Result<Receipt> {
        let _lock = target::lock(&self.options.path, LOCK_PATIENCE, run).await?;
        let result = self.with_all_efforts(delivery, run).await;
        if let Err(error) = &result {
            self.give_up(error, run).await;
        }
        result
    }

    async fn probe(&self, run: &Run) -> Result<()> {
        let path = self.options.path.clone();
        run.blocking("probing the target", move |_| match target::look(&path)? {
            target::Standing::Foreign(what) => Err(target::refused(&path, &what)),
            target::Standing::Missing => target::is_writable(nearest_parent(&path)),
            target::Standing::Empty | target::Standing::Repository => target::is_writable(&path),
        })
        .await
    }
}

/// The closest folder above a missing one that exists.
fn nearest_parent(path: &std::path::Path) -> &std::path::Path {
    path.ancestors()
        .skip(1)
        .find(|p| p.exists())
        .unwrap_or_else(|| std::path::Path::new("."))
}

/// What stands at the path is not ours to touch.
pub(crate) fn unrelated(path: &std::path::Path) -> Error {
    let message = format!(
        "`{}` holds a repository whose history has nothing in common with the source",
        path.display()
    );
    Error::new(ErrorKind::Refused, message)
        .with_hint("move it away, or set `allow_replace = true` on the sink if it may be replaced")
}
