//! Which refs a pipeline cares for.

use gitbarge_core::config::RefName;

const BRANCHES: &str = "refs/heads/";

/// The pushes that a pipeline's `ref` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// To the remote's HEAD: its default branch, or any branch where nobody says which that is.
    Head,
    /// Any: each of them may bring the commit.
    Commit,
    /// To a ref of one of these full names.
    Named(Vec<String>),
}

impl Wanted {
    pub(crate) fn new(reference: Option<&RefName>) -> Self {
        match reference {
            None => Self::Head,
            Some(name) if name.as_str() == "HEAD" => Self::Head,
            Some(name) if name.as_hash().is_some() => Self::Commit,
            Some(name) => Self::Named(name.candidates()),
        }
    }

    /// Whether a push to this ref counts. The name of the default branch is a short one.
    pub(crate) fn counts(&self, full_name: &str, default_branch: Option<&str>) -> bool {
        match self {
            Self::Commit => true,
            Self::Named(names) => names.iter().any(|name| name == full_name),
            Self::Head => full_name
                .strip_prefix(BRANCHES)
                .is_some_and(|branch| default_branch.is_none_or(|default| default == branch)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str) -> Wanted {
        Wanted::new(Some(&RefName::new(name).unwrap()))
    }

    #[test]
    fn a_name_is_a_branch_or_a_tag_and_nothing_like_it() {
        let main = wanted("main");
        for yes in ["refs/heads/main", "refs/tags/main"] {
            assert!(main.counts(yes, Some("other")), "{yes}");
        }
        for no in [
            "main",
            "refs/heads/mai",
            "refs/heads/main2",
            "refs/heads/Main",
            "refs/heads/feature/main",
            "refs/heads/x/refs/heads/main",
            "refs/remotes/origin/main",
            "",
        ] {
            assert!(!main.counts(no, Some("main")), "{no}");
        }
        assert!(wanted("größe/ü").counts("refs/heads/größe/ü", None));
    }

    #[test]
    fn a_full_name_is_itself_only() {
        let tag = wanted("refs/tags/v1");
        assert!(tag.counts("refs/tags/v1", None));
        assert!(!tag.counts("refs/heads/v1", None));
    }

    #[test]
    fn the_head_is_the_default_branch_or_any() {
        for head in [Wanted::new(None), wanted("HEAD")] {
            assert!(head.counts("refs/heads/trunk", Some("trunk")));
            assert!(!head.counts("refs/heads/main", Some("trunk")));
            assert!(head.counts("refs/heads/main", None));
            assert!(!head.counts("refs/tags/main", None));
            assert!(!head.counts("refs/tags/main", Some("main")));
        }
    }

    #[test]
    fn a_commit_may_come_with_any_push() {
        let commit = wanted("0123456789012345678901234567890123456789");
        assert!(commit.counts("refs/heads/x", Some("main")) && commit.counts("refs/tags/x", None));
    }
}
