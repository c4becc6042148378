//! Makes a work tree equal to a commit, writing only what differs.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gitbarge_core::{Error, ErrorKind, Progress, Result};
use gix::ObjectId;
use gix::bstr::{BString, ByteSlice as _};
use gix::index::entry::Flags;

use super::removal::Removal;
use super::scan::{Change, Scan, ScanOptions};
use super::write::write_files;
use super::{plan, temporary};
use crate::error;

/// What a reset did.
#[derive(Debug, Default)]
pub struct Reset {
    /// Files and links written.
    pub files_written: usize,
    /// What was lost: changes, untracked files, and ignored files (`!!`) that stood where the commit has something.
    pub discarded: Vec<Change>,
    /// Submodules of the commit, whose folders are left to others.
    pub submodules: Vec<BString>,
    /// The checksum of the index that was written: for [`ScanOptions::settled_index`].
    pub index: Option<ObjectId>,
}

/// How a reset treats what is in no commit.
#[derive(Debug, Clone, Copy, Default)]
pub struct ResetOptions {
    /// Whether ignored files go too.
    pub clean_ignored: bool,
    /// Whether nested repositories stay.
    pub keep_nested: bool,
}

/// Makes index and work tree of `repository` equal to the tree of `commit`; refs are not touched.
///
/// What is ignored is decided by the commit's own rules, as if `git clean` ran after `git reset`. The index is written after
/// the files: should this end early, the next scan sees what was written as changed.
///
/// # Errors
/// `corrupt` if objects are missing or damaged; `disk_full`, `refused`, `cancelled`.
pub fn reset(
    repository: &gix::Repository,
    scan: Scan,
    commit: ObjectId,
    options: ResetOptions,
    progress: &Arc<Progress>,
    stop: &Arc<AtomicBool>,
) -> Result<Reset> {
    let root = repository
        .workdir()
        .ok_or_else(|| Error::new(ErrorKind::Internal, "the repository has no work tree"))?
        .to_owned();
    temporary::sweep(repository, &root)?;
    let tree = tree_of(repository, commit)?;
    let mut index = repository
        .index_from_tree(&tree)
        .map_err(|e| error::local(format!("cannot read the tree of {commit}"), e))?;
    let to_write = plan::carry_over(&mut index, &scan);
    progress.files.set_total(to_write.len());
    let mut done = Reset {
        files_written: to_write.len(),
        submodules: plan::submodules(&index),
        ..Reset::default()
    };
    let is_fresh = scan.index.entries().is_empty() && is_empty_but_for_git(&root)?;
    let rules_change = !is_fresh && plan::rules_change(&scan, &index, &to_write);
    let mut must_look_again = rules_change;
    let mut removal = Removal::new(&root, &scan, &index, options.keep_nested, stop);
    if !is_fresh {
        removal.remove_gone()?;
        removal.clear_the_way(&to_write)?;
        if rules_change {
            removal.remove_untracked_if(plan::is_attributes)?;
        } else {
            removal.remove_untracked()?;
            must_look_again = removal.is_something_left()?;
        }
    }
    removal.make_submodule_folders(&done.submodules)?;
    done.discarded = std::mem::take(&mut removal.lost);
    done.discarded.extend(lost_of(&scan, &index, rules_change));
    if !to_write.is_empty() {
        temporary::begin(repository.git_dir(), tree)?;
        write_files(repository, &mut index, &root, is_fresh, progress, stop)?;
    }
    temporary::end(repository.git_dir())?;
    done.index = write_index(repository, &mut index)?;
    if must_look_again {
        Removal::new(&root, &scan, &index, options.keep_nested, stop)
            .remove_untracked_if(plan::is_rule)?;
        let again = ScanOptions {
            head_tree: tree,
            settled_index: done.index,
            include_ignored: options.clean_ignored,
            open_up: true,
        };
        let left = super::scan(repository, &again, stop)?;
        Removal::new(&root, &left, &index, options.keep_nested, stop).remove_untracked()?;
        done.discarded
            .extend(left.changes.into_iter().filter(Change::is_untracked));
    }
    done.discarded
        .retain(|change| !(options.keep_nested && change.is_nested()));
    done.discarded.sort();
    done.discarded.dedup();
    Ok(done)
}

/// What is lost of that which a scan has found. If rules change, they alone say which untracked files are.
fn lost_of(scan: &Scan, index: &gix::index::State, rules_change: bool) -> Vec<Change> {
    let is_lost = |change: &&Change| {
        let path = change.path.as_bstr();
        !rules_change
            || !change.is_untracked()
            || plan::is_rule(path)
            || plan::is_attributes(path)
            || plan::owns(index, path)
    };
    scan.changes.iter().filter(is_lost).cloned().collect()
}

/// The tree of a commit.
pub fn tree_of(repository: &gix::Repository, commit: ObjectId) -> Result<ObjectId> {
    let read = || {
        repository
            .find_object(commit)?
            .peel_to_commit()?
            .tree_id()
            .map(gix::Id::detach)
    };
    read().map_err(|e: gix::Error| error::local(format!("cannot read commit {commit}"), e))
}

fn is_empty_but_for_git(root: &Path) -> Result<bool> {
    let cannot = |e| error::io(format!("failed to list `{}`", root.display()), e);
    for entry in fs::read_dir(root).map_err(cannot)? {
        if entry.map_err(cannot)?.file_name() != ".git" {
            return Ok(false);
        }
    }
    Ok(true)
}

fn write_index(
    repository: &gix::Repository,
    index: &mut gix::index::File,
) -> Result<Option<ObjectId>> {
    for entry in index.entries_mut() {
        entry.flags.remove(Flags::SKIP_WORKTREE);
    }
    index.set_path(repository.index_path());
    index
        .write(gix::index::write::Options::default())
        .map_err(|e| {
            error::local(
                format!("failed to write `{}`", repository.index_path().display()),
                e,
            )
        })?;
    Ok(index.checksum())
}
