//! The story of one delivery: lock the target, get the objects, look for drift, make the work tree equal, move the refs.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gitbarge_core::{Delivery, Error, ErrorKind, FetchOptions, Held, Receipt, Result, Run, Sink};

use crate::apply::{self, Prepared};
use crate::memory;
use crate::report;
use crate::target;

/// How long to wait for another process that works on the same target.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

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

/// What is tried, each after the one before has found damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// Go on from what is there.
    Ordinary,
    /// Fetch everything into a new repository in the old one's place; the work tree stays.
    Anew,
}

impl CheckoutSink {
    /// A checkout that is kept so.
    pub fn new(options: CheckoutOptions) -> Self {
        Self {
            options: Arc::new(options),
        }
    }

    async fn bring(&self, delivery: &Delivery, effort: Effort, run: &Run) -> Result<Receipt> {
        let (options, wanted) = (self.options.clone(), delivery.clone());
        let prepared: Prepared = run
            .blocking("preparing the target", move |stop| match effort {
                Effort::Ordinary => apply::prepare(&options, &wanted, stop),
                Effort::Anew => apply::start_anew(&options, &wanted),
            })
            .await?;
        let fetch = FetchOptions {
            depth: self.options.depth,
            refetch: effort == Effort::Anew,
        };
        let (options, scanned) = (self.options.clone(), prepared.clone());
        // The network and the disk have nothing to do with one another.
        let (fetched, scan) = tokio::join!(
            delivery.fetch_into(&prepared.git_dir, fetch, run),
            run.blocking("looking for drift", move |stop| apply::scan(
                &options, &scanned, stop
            )),
        );
        fetched?;
        let (scan, options, wanted) = (scan?, self.options.clone(), delivery.clone());
        let progress = run.progress().clone();
        let outcome = run
            .blocking("writing files", move |stop| {
                apply::apply(&options, prepared, scan, &wanted, &progress, stop)
            })
            .await?;
        Ok(report::receipt(outcome, effort == Effort::Anew))
    }
}

#[async_trait]
impl Sink for CheckoutSink {
    async fn held(&self, run: &Run) -> Result<Held> {
        let options = self.options.clone();
        run.blocking("reading the checkout", move |stop| {
            apply::held(&options, stop)
        })
        .await
    }

    async fn deliver(&self, delivery: &Delivery, run: &Run) -> Result<Receipt> {
        let _lock = target::lock(&self.options.path, LOCK_PATIENCE, run).await?;
        match self.bring(delivery, Effort::Ordinary, run).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                let failure = error.failure();
                tracing::warn!(
                    error = failure.message,
                    "The repository is damaged and is cloned anew."
                );
                self.bring(delivery, Effort::Anew, run).await
            }
            result => result,
        }
        .inspect_err(|_| memory::give_up(&self.options.path.join(".git")))
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
