//! Which refs of a remote somebody wants.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::RemoteRef;

/// Patterns of full ref names, such as `refs/heads/*`; a `*` stands for any characters, `/` included.
///
/// No pattern means all refs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
#[schemars(with = "Vec<String>")]
pub struct RefPatterns(Vec<String>);

impl RefPatterns {
    /// # Errors
    /// Says which pattern can match no ref.
    pub fn new(patterns: Vec<String>) -> Result<Self, String> {
        match patterns.iter().find(|pattern| !is_possible(pattern)) {
            Some(bad) => Err(format!(
                "`{}` can match no ref: write full names, such as `refs/heads/*`, with at most one `*`",
                bad.escape_debug()
            )),
            None => Ok(Self(patterns)),
        }
    }

    /// The beginnings that all matching names have, for protocol v2's `ref-prefix`; none if any name may match.
    pub fn prefixes(&self) -> Vec<&str> {
        let start = |pattern: &'_ String| pattern.find('*').unwrap_or(pattern.len());
        self.0.iter().map(|p| &p[..start(p)]).collect()
    }

    /// Whether a ref's full name is meant.
    pub fn matches(&self, name: &[u8]) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| matches(pattern, name))
    }

    /// The matching refs of what a remote has shown, sorted by name, and HEAD before them if it leads to one of them.
    pub fn select(&self, shown: &[RemoteRef]) -> Vec<RemoteRef> {
        let (heads, refs): (Vec<_>, Vec<_>) = shown.iter().partition(|r| r.name == b"HEAD");
        let refs = refs.into_iter().filter(|r| self.matches(&r.name));
        let mut refs: Vec<_> = refs.cloned().collect();
        refs.sort_unstable();
        let leads_here = |head: &&RemoteRef| match &head.symref {
            Some(branch) => self.matches(branch),
            None => self.0.is_empty() || refs.iter().any(|r| r.id == head.id),
        };
        let head = heads.into_iter().find(leads_here);
        head.cloned().into_iter().chain(refs).collect()
    }
}

impl TryFrom<Vec<String>> for RefPatterns {
    type Error = String;

    fn try_from(patterns: Vec<String>) -> Result<Self, String> {
        Self::new(patterns)
    }
}

impl From<RefPatterns> for Vec<String> {
    fn from(patterns: RefPatterns) -> Self {
        patterns.0
    }
}

fn is_possible(pattern: &str) -> bool {
    pattern.starts_with("refs/")
        && pattern.matches('*').count() <= 1
        && !pattern.contains(|c: char| c.is_control() || c.is_whitespace())
}

fn matches(pattern: &str, name: &[u8]) -> bool {
    match pattern.split_once('*') {
        None => name == pattern.as_bytes(),
        Some((before, after)) => {
            name.len() >= before.len() + after.len()
                && name.starts_with(before.as_bytes())
                && name.ends_with(after.as_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_matched_like_refspecs() {
        let patterns =
            RefPatterns::new(vec!["refs/heads/*".into(), "refs/tags/v1".into()]).unwrap();
        for (name, expected) in [
            ("refs/heads/main", true),
            ("refs/heads/a/b", true),
            ("refs/tags/v1", true),
            ("refs/tags/v10", false),
            ("refs/pull/1/head", false),
        ] {
            assert_eq!(patterns.matches(name.as_bytes()), expected, "{name}");
        }
        assert_eq!(patterns.prefixes(), ["refs/heads/", "refs/tags/v1"]);
        assert!(RefPatterns::default().matches(b"refs/anything"));
    }

    #[test]
    fn what_can_match_nothing_is_refused() {
        for bad in ["main", "refs/*/*", "refs/he ads", ""] {
            assert!(RefPatterns::new(vec![bad.into()]).is_err(), "{bad}");
        }
    }
}
