//! The blocking half of a delivery: bringing the checkout to a commit.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gitbarge_core::{Delivery, Progress, Result, Target};
use gitbarge_git::refs;
use gitbarge_git::repository;
use gitbarge_git::worktree::{self, Reset, ResetOptions, Scan, ScanOptions};
use gitbarge_git::{history, mend};
use gix::ObjectId;

use crate::discarded::{self, Lost};
use crate::leftovers;
use crate::memory::{self, Memory, Unfinished};
use crate::repair::{self, Repair};
use crate::sink::{CheckoutOptions, unrelated};
use crate::target::{self, Standing};

/// A target that is locked, has a repository, and is free of what dead processes left.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) git_dir: PathBuf,
    memory: Memory,
    unfinished: Option<Unfinished>,
    pub(crate) repair: Repair,
    /// The history is cut off where the remote's is not.
    is_cut_off: bool,
}

impl Prepared {
    /// Whether the work tree can be compared before anything has been fetched.
    pub(crate) fn is_sound(&self) -> bool {
        self.repair.is_sound()
    }
}

/// What a delivery did to the checkout.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) changed: bool,
    pub(crate) from: Option<ObjectId>,
    pub(crate) subject: Option<String>,
    pub(crate) reset: Reset,
    pub(crate) lost: Lost,
    pub(crate) forced: bool,
    pub(crate) operations: Vec<&'static str>,
    pub(crate) kept_nested: Vec<worktree::Change>,
    /// What was put right of the repository itself.
    pub(crate) repaired: Vec<String>,
    /// The branch that the remote's HEAD has moved to.
    pub(crate) followed: Option<String>,
}

/// Where a repository's HEAD is.
pub(crate) struct Head {
    pub(crate) commit: Option<ObjectId>,
    pub(crate) branch: Option<String>,
}

/// Sees to it that there is a sound repository to fetch into. `thorough` checks all of it; `replaced` says what was done already.
///
/// # Errors
/// `refused` for anything that is not ours to touch, `locked` if a git process works in it, `corrupt` if it is damaged.
pub(crate) fn prepare(
    options: &CheckoutOptions,
    delivery: &Delivery,
    thorough: bool,
    replaced: Option<Repair>,
    stop: &AtomicBool,
) -> Result<Prepared> {
    let git_dir = options.path.join(".git");
    match target::look(&options.path)? {
        Standing::Foreign(what) => return Err(target::refused(&options.path, &what)),
        Standing::Missing | Standing::Empty => {
            let branch = branch_or_main(delivery.target()?);
            repository::init(&options.path, branch, &delivery.address)?;
            Memory::made(&options.path.join(".git"), &delivery.address)?;
        }
        Standing::Repository => {}
    }
    repository::clear_half_made(&options.path)?;
    mend::expire_set_aside(&git_dir, options.keep_discarded);
    let unfinished = memory::unfinished(&git_dir);
    leftovers::clear_dead(&git_dir, unfinished.is_some_and(|u| u.died))?;
    let memory = Memory::read(&git_dir);
    let mut repair = match replaced {
        Some(repair) => repair,
        None => repair::before_fetch(options, delivery, &memory, thorough, stop)?,
    };
    memory::begin(&git_dir, delivery.target()?.commit)?;
    let repository = repository::open(&options.path)?;
    if repository::drop_damaged_index(&repository)? {
        repair.lines.push("made the index anew".to_owned());
    }
    Ok(Prepared {
        is_cut_off: options.depth.is_none() && memory.is_cut_off(&git_dir),
        git_dir,
        memory,
        unfinished,
        repair,
    })
}

/// Puts right what could not be judged before everything had been fetched.
///
/// # Errors
/// `corrupt` if objects are missing still.
pub(crate) fn settle(
    options: &CheckoutOptions,
    delivery: &Delivery,
    mut prepared: Prepared,
    stop: &AtomicBool,
) -> Result<Prepared> {
    repair::after_fetch(
        options,
        delivery,
        &prepared.memory,
        &mut prepared.repair,
        stop,
    )?;
    Ok(prepared)
}

/// Looks for drift.
pub(crate) fn scan(
    options: &CheckoutOptions,
    prepared: &Prepared,
    stop: &Arc<AtomicBool>,
) -> Result<Scan> {
    let repository = repository::open(&options.path)?;
    scan_repository(
        &repository,
        &head(&repository),
        &prepared.memory,
        options,
        true,
        stop,
    )
}

/// Makes the checkout equal to the delivery's commit, whose objects are there.
pub(crate) fn apply(
    options: &CheckoutOptions,
    prepared: Prepared,
    scan: Scan,
    delivery: &Delivery,
    progress: &Arc<Progress>,
    stop: &Arc<AtomicBool>,
) -> Result<Outcome> {
    let repository = repository::open(&options.path)?;
    let wanted = delivery.target()?;
    let target = &Target {
        commit: history::commit_of(&repository, wanted.commit)?,
        ..wanted.clone()
    };
    let head = head(&repository);
    let is_ours = prepared.memory.is_from(&delivery.address) || options.allow_replace;
    if !is_ours && !is_related(&repository, &head, target, &scan) {
        memory::end(&prepared.git_dir)?;
        return Err(unrelated(&options.path));
    }
    let operations = leftovers::operations(&prepared.git_dir);
    let kept_nested = if options.keep_nested {
        nested(&scan)
    } else {
        Vec::new()
    };
    let subject = Some(history::subject(&repository, target.commit)?);
    if prepared.unfinished.is_none()
        && prepared.repair.lines.is_empty()
        && !prepared.is_cut_off
        && operations.is_empty()
        && is_settled(&repository, &head, target, &scan, options)
    {
        if prepared.repair.is_suspect {
            let index = prepared.memory.index();
            remember(options, &prepared, delivery, target, index)?;
        }
        memory::end(&prepared.git_dir)?;
        return Ok(Outcome {
            from: head.commit,
            subject,
            kept_nested,
            ..Outcome::default()
        });
    }
    let lost = discarded::keep(
        &repository,
        head.commit,
        head.branch.as_deref(),
        target,
        options.keep_discarded,
    )?;
    let forced = is_forced(&repository, target);
    let unfinished = discarded::paths_of_unfinished(&repository, head.commit, prepared.unfinished);
    leftovers::clear_operations(&prepared.git_dir)?;
    let how = ResetOptions {
        clean_ignored: options.clean_ignored,
        keep_nested: options.keep_nested,
    };
    let mut reset = worktree::reset(&repository, scan, target.commit, how, progress, stop)?;
    reset
        .discarded
        .retain(|change| !unfinished.contains(&change.path));
    let followed = followed(delivery, &prepared.memory);
    move_refs(&repository, target)?;
    remember(options, &prepared, delivery, target, reset.index)?;
    memory::end(&prepared.git_dir)?;
    Ok(Outcome {
        changed: true,
        from: head.commit,
        subject,
        reset,
        lost,
        forced,
        operations,
        kept_nested,
        repaired: prepared.repair.lines,
        followed,
    })
}

fn remember(
    options: &CheckoutOptions,
    prepared: &Prepared,
    delivery: &Delivery,
    target: &Target,
    index: Option<ObjectId>,
) -> Result<()> {
    let (git_dir, is_whole) = (&prepared.git_dir, options.depth.is_none());
    Memory::write(git_dir, &delivery.address, target, index, is_whole)
}

/// The branch that the remote's HEAD leads to now, if it led to another at the last delivery and nothing but HEAD was asked for.
fn followed(delivery: &Delivery, memory: &Memory) -> Option<String> {
    let is_head_asked = delivery.refs.iter().all(|found| found.name == b"HEAD");
    let now = delivery.target.as_ref()?.branch()?;
    let before = memory
        .branch()
        .filter(|before| is_head_asked && *before != now)?;
    tracing::info!(
        before,
        now,
        "The remote's HEAD is on another branch, which is followed."
    );
    Some(now.to_owned())
}

pub(crate) fn head(repository: &gix::Repository) -> Head {
    let branch = repository
        .head_name()
        .ok()
        .flatten()
        .map(|name| name.as_bstr().to_string());
    Head {
        commit: repository.head_id().ok().map(gix::Id::detach),
        branch,
    }
}

pub(crate) fn scan_repository(
    repository: &gix::Repository,
    head: &Head,
    memory: &Memory,
    options: &CheckoutOptions,
    open_up: bool,
    stop: &Arc<AtomicBool>,
) -> Result<Scan> {
    let head_tree = match head.commit {
        Some(commit) => worktree::tree_of(repository, commit)?,
        None => ObjectId::empty_tree(repository.object_hash()),
    };
    let settled_index = head.commit.and_then(|commit| memory.settled_index(commit));
    let options = ScanOptions {
        head_tree,
        settled_index,
        include_ignored: options.clean_ignored,
        open_up,
    };
    worktree::scan(repository, &options, stop)
}

/// Whether the branch that HEAD is on is remembered as the remote's too.
pub(crate) fn tracking_is_right(repository: &gix::Repository, head: &Head) -> bool {
    match head.branch.as_deref().and_then(tracking_name) {
        Some(name) => refs::find(repository, &name) == head.commit,
        None => true,
    }
}

fn is_settled(
    repository: &gix::Repository,
    head: &Head,
    target: &Target,
    scan: &Scan,
    options: &CheckoutOptions,
) -> bool {
    head.commit == Some(target.commit)
        && head.branch.as_deref() == target.branch()
        && scan.is_clean(options.keep_nested)
        && tracking_is_right(repository, head)
}

/// Whether the repository's own history has anything to do with the remote's. One that is empty, and has no files that
/// somebody works on, fits every remote.
fn is_related(repository: &gix::Repository, head: &Head, target: &Target, scan: &Scan) -> bool {
    let own_branch = target
        .branch()
        .and_then(|name| refs::find(repository, name));
    let mut tips = head.commit.into_iter().chain(own_branch).peekable();
    match tips.peek() {
        Some(_) => tips.any(|tip| history::are_related(repository, tip, target.commit)),
        None => scan.changes.is_empty(),
    }
}

/// Whether the remote's branch went elsewhere than forward since the last delivery. A shallow history cannot tell.
fn is_forced(repository: &gix::Repository, target: &Target) -> bool {
    let before = target
        .branch()
        .and_then(tracking_name)
        .and_then(|name| refs::find(repository, &name));
    let can_tell = repository::is_shallow(repository).is_ok_and(|shallow| !shallow);
    before
        .is_some_and(|before| can_tell && !history::is_ancestor(repository, before, target.commit))
}

pub(crate) fn nested(scan: &Scan) -> Vec<worktree::Change> {
    scan.changes
        .iter()
        .filter(|change| change.is_nested())
        .cloned()
        .collect()
}

fn move_refs(repository: &gix::Repository, target: &Target) -> Result<()> {
    const MESSAGE: &str = "gitbarge: reset to the remote";
    let Some(branch) = target.branch() else {
        return refs::detach_head(repository, target.commit, MESSAGE);
    };
    if let Some(tracking) = tracking_name(branch) {
        refs::set(repository, &tracking, target.commit, MESSAGE)?;
    }
    refs::set(repository, branch, target.commit, MESSAGE)?;
    refs::attach_head(repository, branch, MESSAGE)
}

/// `refs/remotes/origin/main` for `refs/heads/main`.
pub(crate) fn tracking_name(branch: &str) -> Option<String> {
    branch
        .strip_prefix("refs/heads/")
        .map(|short| format!("refs/remotes/origin/{short}"))
}

pub(crate) fn branch_or_main(target: &Target) -> &str {
    target.branch().unwrap_or("refs/heads/main")
}
