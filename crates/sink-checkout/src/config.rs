//! The keys of a `checkout` sink.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::{PluginConfig, Problem, Sink};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::sink::{CheckoutOptions, CheckoutSink};

/// The keys of a `checkout` sink.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckoutConfig {
    /// The folder of the checkout. It is made if it is missing; one that holds anything but a checkout of the same history is refused.
    pub path: PathBuf,
    /// Whether a checkout of an unrelated history may be replaced.
    #[serde(default)]
    pub allow_replace: bool,
    /// Whether files that git ignores are removed too.
    #[serde(default)]
    pub clean_ignored: bool,
    /// Whether nested repositories that are not tracked stay.
    #[serde(default)]
    pub keep_nested: bool,
    /// How long discarded commits are kept under `refs/gitbarge/discarded/`.
    #[serde(
        default = "thirty_days",
        deserialize_with = "gitbarge_core::duration::deserialize"
    )]
    #[schemars(schema_with = "gitbarge_core::duration::schema")]
    pub keep_discarded: Duration,
    /// Fetch only so many commits of history. The default is the whole history.
    #[serde(default)]
    pub depth: Option<NonZeroU32>,
}

fn thirty_days() -> Duration {
    Duration::from_secs(30 * 24 * 60 * 60)
}

impl PluginConfig<dyn Sink> for CheckoutConfig {
    const TYPE: &'static str = "checkout";
    const SUMMARY: &'static str = "keeps a checkout equal to the remote: what differs is discarded, reported and, for commits, kept";
    const EXAMPLE: &'static str = "path = \"/home/src/site\"";

    fn build(&self) -> Result<Arc<dyn Sink>, Vec<Problem>> {
        if self.path.as_os_str().is_empty() {
            return Err(vec![Problem::new(
                "path",
                "the path of the checkout is empty",
            )]);
        }
        if self.path.parent().is_none() {
            return Err(vec![Problem::new(
                "path",
                "the root of the file system cannot be a checkout",
            )]);
        }
        Ok(Arc::new(CheckoutSink::new(CheckoutOptions {
            path: self.path.clone(),
            allow_replace: self.allow_replace,
            clean_ignored: self.clean_ignored,
            keep_nested: self.keep_nested,
            keep_discarded: self.keep_discarded,
            depth: self.depth,
        })))
    }

    fn claims(&self) -> Vec<PathBuf> {
        vec![self.path.clone()]
    }
}
