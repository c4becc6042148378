//! The keys of a `checkout` sink.

use std::num::NonZeroU32;
use std::os::unix::ffi::OsStrExt as _;
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

/// The most commits that the git protocol can ask for.
const MOST_DEPTH: u32 = i32::MAX.cast_unsigned();

impl CheckoutConfig {
    fn problems(&self) -> Vec<Problem> {
        let path = self.path.as_os_str();
        let wrong = if path.is_empty() {
            Some("the path of the checkout is empty")
        } else if path.as_bytes().contains(&0) {
            Some("a path cannot contain a NUL character")
        } else if path == "~" || path.as_bytes().starts_with(b"~/") {
            Some("`~` is not expanded: write the folder out")
        } else if self.path.parent().is_none() {
            Some("the root of the file system cannot be a checkout")
        } else {
            None
        };
        let mut problems: Vec<Problem> = wrong
            .map(|text| Problem::new("path", text))
            .into_iter()
            .collect();
        if self.depth.is_some_and(|depth| depth.get() > MOST_DEPTH) {
            problems.push(Problem::new(
                "depth",
                format!("the depth is more than {MOST_DEPTH}; leave it out for the whole history"),
            ));
        }
        problems
    }
}

impl PluginConfig<dyn Sink> for CheckoutConfig {
    const TYPE: &'static str = "checkout";
    const SUMMARY: &'static str = "keeps a checkout equal to the remote: what differs is discarded, reported and, for commits, kept";
    const EXAMPLE: &'static str = "path = \"/home/src/site\"";

    fn build(&self) -> Result<Arc<dyn Sink>, Vec<Problem>> {
        let problems = self.problems();
        if !problems.is_empty() {
            return Err(problems);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let config: CheckoutConfig = serde_json::from_str(text).unwrap();
        config.problems().into_iter().map(|p| p.key).collect()
    }

    #[test]
    fn what_cannot_be_a_checkout_is_told_before_anything_is_done() {
        for path in ["", "/", "~/site", "~", "a\\u0000b"] {
            assert_eq!(
                problems(&format!("{{\"path\": \"{path}\"}}")),
                ["path"],
                "{path}"
            );
        }
        assert_eq!(problems(r#"{"path": "a", "depth": 2147483648}"#), ["depth"]);
        assert_eq!(problems(r#"{"path": "~a", "depth": 2147483647}"#), [""; 0]);
    }
}
