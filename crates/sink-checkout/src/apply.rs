//! The blocking half of a delivery: reading the checkout, and bringing it to a commit.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gitbarge_core::{Delivery, ErrorKind, Held, Progress, Result, Target};
use gitbarge_git::refs;
use gitbarge_git::repository;
use gitbarge_git::worktree::{self, Reset, ResetOptions, Scan, ScanOptions};
use gitbarge_git::{history, integrity};
use gix::ObjectId;

use crate::discarded::{self, Lost};
use crate::leftovers;
use crate::memory::{self, Memory, Unfinished};
use crate::report;
use crate::sink::{CheckoutOptions, unrelated};
use crate::target::{self, Standing};

/// A target that is locked, has a repository, and is free of what dead processes left.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) git_dir: PathBuf,
    memory: Memory,
    unfinished: Option<Unfinished>,
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
}

/// Where a repository's HEAD is.
struct Head {
    commit: Option<ObjectId>,
    branch: Option<String>,
}

/// Reads what the checkout holds. Changes nothing.
pub(crate) fn held(options: &CheckoutOptions, stop: &Arc<AtomicBool>) -> Result<Held> {
    let git_dir = options.path.join(".git");
    if target::look(&options.path)? != Standing::Repository {
        return Ok(Held::default());
    }
    let is_unsettled = memory::unfinished(&git_dir).is_some()
        || !leftovers::operations(&git_dir).is_empty()
        || !leftovers::locks(&git_dir).is_empty();
    let drifted = Held {
        drifted: true,
        ..Held::default()
    };
    if is_unsettled {
        return Ok(drifted);
    }
    match held_by_repository(options, stop) {
        // The delivery finds the damage again, and repairs it.
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(drifted),
        held => held,
    }
}

fn held_by_repository(options: &CheckoutOptions, stop: &Arc<AtomicBool>) -> Result<Held> {
    let repository = repository::open(&options.path)?;
    let head = head(&repository);
    let Some(commit) = head.commit else {
        return Ok(Held {
            drifted: true,
            ..Held::default()
        });
    };
    let memory = Memory::read(repository.git_dir());
    if memory.objects_changed(repository.git_dir())? {
        return Ok(Held {
            drifted: true,
            ..Held::default()
        });
    }
    let scan = scan_repository(&repository, &head, &memory, options, stop)?;
    Ok(Held {
        commit: Some(commit),
        drifted: !scan.is_clean(options.keep_nested) || !tracking_is_right(&repository, &head),
        branch: head.branch,
        subject: Some(history::subject(&repository, commit)?),
        details: report::unchanged(&nested(&scan)),
    })
}

/// Sees to it that there is a sound repository to fetch into.
///
/// # Errors
/// `refused` for anything that is not ours to touch, `locked` if a git process works in it, `corrupt` if it is damaged.
pub(crate) fn prepare(
    options: &CheckoutOptions,
    delivery: &Delivery,
    stop: &AtomicBool,
) -> Result<Prepared> {
    let repository = match target::look(&options.path)? {
        Standing::Foreign(what) => return Err(target::refused(&options.path, &what)),
        Standing::Missing | Standing::Empty => {
            let branch = branch_or_main(&delivery.target);
            repository::init(&options.path, branch, &delivery.address)?
        }
        Standing::Repository => repository::open(&options.path)?,
    };
    let git_dir = options.path.join(".git");
    repository::clear_half_made(&options.path)?;
    let unfinished = memory::unfinished(&git_dir);
    leftovers::clear_dead(&git_dir, unfinished.is_some_and(|u| u.died))?;
    let memory = Memory::read(&git_dir);
    if memory.objects_changed(&git_dir)? {
        integrity::check(&repository, stop)?;
    }
    memory::begin(&git_dir, delivery.target.commit)?;
    repository::drop_damaged_index(&repository)?;
    Ok(Prepared {
        git_dir,
        memory,
        unfinished,
    })
}

/// Puts a new, empty repository in a damaged one's place.
///
/// # Errors
/// `refused` if the damaged one did not come from this source: what is in it may be all that somebody has.
pub(crate) fn start_anew(options: &CheckoutOptions, delivery: &Delivery) -> Result<Prepared> {
    let git_dir = options.path.join(".git");
    let memory = Memory::read(&git_dir);
    if !memory.is_from(&delivery.address) && !options.allow_replace {
        return Err(target::refused(
            &options.path,
            "holds a damaged repository that gitbarge did not make",
        ));
    }
    let unfinished = Unfinished {
        commit: delivery.target.commit,
        died: false,
    };
    repository::replace(
        &options.path,
        branch_or_main(&delivery.target),
        &delivery.address,
    )?;
    memory::begin(&git_dir, delivery.target.commit)?;
    // Nothing is known of what the files were; reporting them all as lost would be wrong.
    Ok(Prepared {
        git_dir,
        memory,
        unfinished: Some(unfinished),
    })
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
    let (target, head) = (&delivery.target, head(&repository));
    let is_ours = prepared.memory.is_from(&delivery.address) || options.allow_replace;
    if !is_ours && !is_related(&repository, &head, target) {
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
        && operations.is_empty()
        && is_settled(&repository, &head, target, &scan, options)
    {
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
    move_refs(&repository, target)?;
    Memory::write(
        &prepared.git_dir,
        &delivery.address,
        target.commit,
        reset.index,
    )?;
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
    })
}

fn head(repository: &gix::Repository) -> Head {
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

fn scan_repository(
    repository: &gix::Repository,
    head: &Head,
    memory: &Memory,
    options: &CheckoutOptions,
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
    };
    worktree::scan(repository, &options, stop)
}

/// Whether the branch that HEAD is on is remembered as the remote's too.
fn tracking_is_right(repository: &gix::Repository, head: &Head) -> bool {
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

/// Whether the repository's own history has anything to do with the remote's. An empty repository fits every remote.
fn is_related(repository: &gix::Repository, head: &Head, target: &Target) -> bool {
    let own_branch = target
        .branch()
        .and_then(|name| refs::find(repository, name));
    let mut tips = head.commit.into_iter().chain(own_branch).peekable();
    tips.peek().is_none() || tips.any(|tip| history::are_related(repository, tip, target.commit))
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

fn nested(scan: &Scan) -> Vec<worktree::Change> {
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

fn branch_or_main(target: &Target) -> &str {
    target.branch().unwrap_or("refs/heads/main")
}
