//! How commits relate: what would be lost, and whether two histories have anything in common.

use gitbarge_core::{Error, ErrorKind, Result};
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
    let tips = tips.iter().copied().filter(|id| !hidden.contains(id));
    let tips: Vec<ObjectId> = tips.collect();
    if tips.is_empty() {
        return Ok(Vec::new());
    }
    let readable: Vec<ObjectId> = hidden
        .iter()
        .copied()
        .filter(|id| is_readable(repository, *id))
        .collect();
    // A history that is damaged further back hides less: better to keep too much than too little.
    for hidden in [readable.as_slice(), readable.get(..1).unwrap_or_default()] {
        match walk(repository, &tips, hidden, most) {
            Ok(commits) => return Ok(commits),
            Err(error) => tracing::warn!(%error, "A history cannot be walked to its end."),
        }
    }
    Ok(tips
        .into_iter()
        .map(|id| Commit {
            id,
            subject: subject(repository, id).unwrap_or_default(),
        })
        .collect())
}

fn walk(
    repository: &gix::Repository,
    tips: &[ObjectId],
    hidden: &[ObjectId],
    most: usize,
) -> Result<Vec<Commit>> {
    let cannot = |e| error::local("cannot walk the history", e);
    let walk = repository
        .rev_walk(tips.iter().copied())
        .with_hidden(hidden.iter().copied())
        .all()
        .map_err(cannot)?;
    walk.take(most)
        .map(|step| {
            let id = step.map_err(cannot)?.id;
            Ok(Commit {
                id,
                subject: subject(repository, id).unwrap_or_default(),
            })
        })
        .collect()
}

fn is_readable(repository: &gix::Repository, id: ObjectId) -> bool {
    repository
        .find_commit(id)
        .is_ok_and(|commit| commit.decode().is_ok())
}

/// The commit that an object is, or that it leads to if it is a tag.
///
/// # Errors
/// `ref_missing` if it is a tree or a file; `corrupt` if it cannot be read.
pub fn commit_of(repository: &gix::Repository, id: ObjectId) -> Result<ObjectId> {
    let cannot = |e| error::local(format!("cannot read {id}"), e);
    let object = repository.find_object(id).map_err(cannot)?;
    let object = object.peel_tags_to_end().map_err(cannot)?;
    if object.kind.is_commit() {
        return Ok(object.id);
    }
    let message = format!(
        "`ref` leads to the {} {}, which is no commit",
        object.kind, object.id
    );
    let hint = "name a branch, or a tag or hash of a commit";
    Err(Error::new(ErrorKind::RefMissing, message).with_hint(hint))
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
