//! How commits relate: what would be lost, and whether two histories have anything in common.

use gitbarge_core::Result;
use gix::ObjectId;
use gix::bstr::ByteSlice as _;

use crate::error;

/// A commit, as far as reports show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: ObjectId,
    /// The first line of its message.
    pub subject: String,
}

/// The commits that `tips` reach and `hidden` do not, newest first, but no more than `most`.
///
/// Commits that are missing on the side of `hidden`, as in a shallow repository, hide nothing.
pub fn only_in(
    repository: &gix::Repository,
    tips: &[ObjectId],
    hidden: &[ObjectId],
    most: usize,
) -> Result<Vec<Commit>> {
    let cannot = |e| error::local("cannot walk the history", e);
    let tips = tips.iter().copied().filter(|id| !hidden.contains(id));
    let tips: Vec<ObjectId> = tips.collect();
    if tips.is_empty() {
        return Ok(Vec::new());
    }
    let walk = repository
        .rev_walk(tips)
        .with_hidden(hidden.iter().copied())
        .all()
        .map_err(cannot)?;
    walk.take(most)
        .map(|step| {
            let id = step.map_err(cannot)?.id;
            Ok(Commit {
                id,
                subject: subject(repository, id)?,
            })
        })
        .collect()
}

/// The first line of a commit's message.
pub fn subject(repository: &gix::Repository, commit: ObjectId) -> Result<String> {
    let read = || -> gix::Result<String> {
        let commit = repository.find_commit(commit)?;
        let message = commit.message_raw()?;
        Ok(message
            .lines()
            .next()
            .unwrap_or_default()
            .to_str_lossy()
            .into_owned())
    };
    read().map_err(|e| error::local(format!("cannot read commit {commit}"), e))
}

/// Whether two commits have an ancestor in common.
pub fn are_related(repository: &gix::Repository, one: ObjectId, other: ObjectId) -> bool {
    one == other
        || repository
            .merge_base(one, other)
            .is_ok_and(|base| base.is_some())
}

/// Whether `ancestor` is `commit` or one of its ancestors.
pub fn is_ancestor(repository: &gix::Repository, ancestor: ObjectId, commit: ObjectId) -> bool {
    repository
        .merge_base(ancestor, commit)
        .is_ok_and(|base| base.is_some_and(|base| base == ancestor))
}
