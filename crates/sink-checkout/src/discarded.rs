//! What a reset would lose of the history: it is found, kept for a while, and reported.

use std::collections::BTreeSet;
use std::time::Duration;

use gitbarge_core::{Error, ErrorKind, Result, Target};
use gitbarge_git::history::{self, Commit};
use gitbarge_git::{refs, repository, worktree};
use gix::ObjectId;
use gix::bstr::BString;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::apply::tracking_name;
use crate::memory::Unfinished;

/// The most commits that a report lists; all are kept.
const MOST_REPORTED: usize = 1_000;
/// How a kept ref is named after its time, which must not contain a colon.
const TIME_FORMAT: &str = "%Y-%m-%dT%H-%M-%SZ";

/// Commits that no branch leads to any more.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    pub(crate) commits: Vec<Commit>,
    /// The ref that keeps them.
    pub(crate) kept_at: Option<String>,
}

/// Finds the commits that moving HEAD and the branch to `target` would lose, and keeps them under a ref of their own.
/// What was kept for longer than `keep` is let go.
pub(crate) fn keep(
    repository: &gix::Repository,
    head: Option<ObjectId>,
    head_branch: Option<&str>,
    target: &Target,
    keep: Duration,
) -> Result<Lost> {
    let now = Timestamp::now();
    expire(repository, now, keep)?;
    let tips = endangered(repository, head, head_branch, target)?;
    let hidden = safe(repository, target)?;
    let commits = history::only_in(repository, &tips, &hidden, MOST_REPORTED)?;
    if commits.is_empty() {
        return Ok(Lost::default());
    }
    let mut kept_at = None;
    for tip in tips
        .into_iter()
        .filter(|tip| commits.iter().any(|commit| commit.id == *tip))
    {
        let name = free_name(repository, now);
        refs::set(repository, &name, tip, "gitbarge: kept what was discarded")?;
        kept_at.get_or_insert(name);
    }
    Ok(Lost { commits, kept_at })
}

/// The tips that will be moved or removed: the branch itself, branches in its way, and HEAD if it is on none that stays.
fn endangered(
    repository: &gix::Repository,
    head: Option<ObjectId>,
    head_branch: Option<&str>,
    target: &Target,
) -> Result<Vec<ObjectId>> {
    let mut tips = Vec::new();
    if head_branch.is_none() {
        tips.extend(head);
    }
    if let Some(branch) = target.branch() {
        tips.extend(refs::find(repository, branch));
        let in_the_way = refs::obstacles(repository, branch)?;
        tips.extend(
            in_the_way
                .iter()
                .filter_map(|name| refs::find(repository, name)),
        );
    }
    let mut seen = BTreeSet::new();
    tips.retain(|tip| seen.insert(*tip) && repository.has_object(*tip));
    Ok(tips)
}

/// What keeps commits alive in any case: the target, and all branches that stay.
///
/// In a shallow history the last delivered commit is no ancestor of the next one, and is not lost either.
fn safe(repository: &gix::Repository, target: &Target) -> Result<Vec<ObjectId>> {
    let mut safe = vec![target.commit];
    let moved = target
        .branch()
        .map(|branch| refs::obstacles(repository, branch))
        .transpose()?
        .unwrap_or_default();
    for name in refs::below(repository, "refs/heads/")? {
        if Some(name.as_str()) != target.branch() && !moved.contains(&name) {
            safe.extend(refs::find(repository, &name));
        }
    }
    if repository::is_shallow(repository)? {
        let delivered = target.branch().and_then(tracking_name);
        safe.extend(delivered.and_then(|name| refs::find(repository, &name)));
    }
    safe.retain(|id| repository.has_object(*id));
    Ok(safe)
}

fn free_name(repository: &gix::Repository, now: Timestamp) -> String {
    let time = format!("{}{}", refs::DISCARDED, now.strftime(TIME_FORMAT));
    let numbered = (2..).map(|n| format!("{time}-{n}"));
    let mut names = std::iter::once(time.clone()).chain(numbered);
    names
        .find(|name| refs::find(repository, name).is_none())
        .unwrap_or(time)
}

fn expire(repository: &gix::Repository, now: Timestamp, keep: Duration) -> Result<()> {
    let oldest = now.checked_sub(keep).map_err(|e| {
        Error::new(ErrorKind::Config, "`keep_discarded` is too long").with_source(e)
    })?;
    for name in refs::below(repository, refs::DISCARDED)? {
        if kept_since(&name).is_some_and(|time| time < oldest) {
            refs::delete(repository, &name)?;
        }
    }
    Ok(())
}

fn kept_since(name: &str) -> Option<Timestamp> {
    let text = name.strip_prefix(refs::DISCARDED)?;
    let text = &text[..=text.find('Z')?];
    let time = DateTime::strptime(TIME_FORMAT, text).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The paths that an unfinished delivery may have written itself, which is nobody's drift.
pub(crate) fn paths_of_unfinished(
    repository: &gix::Repository,
    head: Option<ObjectId>,
    unfinished: Option<Unfinished>,
) -> BTreeSet<BString> {
    let index = |commit| {
        repository
            .index_from_tree(&worktree::tree_of(repository, commit).ok()?)
            .ok()
    };
    let Some(written) = unfinished.and_then(|u| index(u.commit)) else {
        return BTreeSet::new();
    };
    let before = head.and_then(index);
    let mut paths = BTreeSet::new();
    for entry in written.entries() {
        let path = entry.path(&written);
        let old = before.as_ref().and_then(|index| index.entry_by_path(path));
        if old.is_none_or(|old| old.id != entry.id || old.mode != entry.mode) {
            paths.insert(path.to_owned());
        }
    }
    let gone = before
        .iter()
        .flat_map(|index| index.entries().iter().map(|entry| entry.path(index)));
    paths.extend(
        gone.filter(|path| written.entry_by_path(path).is_none())
            .map(|path| path.to_owned()),
    );
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_kept_ref_is_read_back() {
        let time: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let name = format!("{}{}", refs::DISCARDED, time.strftime(TIME_FORMAT));
        assert_eq!(name, "refs/gitbarge/discarded/2026-01-02T03-04-05Z");
        assert_eq!(kept_since(&name), Some(time));
        assert_eq!(kept_since(&format!("{name}-2")), Some(time));
        assert_eq!(kept_since("refs/gitbarge/discarded/mine"), None);
    }
}
