//! Makes a work tree equal to a commit, writing only what differs.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gitbarge_core::{Error, ErrorKind, Progress, Result};
use gix::ObjectId;
use gix::bstr::{BStr, BString, ByteSlice as _};
use gix::dir::entry::Kind as DiskKind;
use gix::index::entry::{Flags, Mode};
use gix::worktree::stack::state::attributes::Source as Attributes;

use super::clear::{Broom, Standing};
use super::scan::{Change, Scan, ScanOptions, is_merged};
use super::{on_disk, printable};
use crate::error;
use crate::progress::Meter;
use crate::remote::check_stop;

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
    let tree = tree_of(repository, commit)?;
    let mut index = repository
        .index_from_tree(&tree)
        .map_err(|e| error::local(format!("cannot read the tree of {commit}"), e))?;
    let to_write = carry_over(&mut index, &scan);
    progress.files.set_total(to_write.len());
    let is_fresh = scan.index.entries().is_empty() && is_empty_but_for_git(&root)?;
    let rules_change = !is_fresh && rules_change(&scan, &index, &to_write);
    let mut broom = Broom::new(&root);
    let mut done = Reset {
        submodules: submodules(&index),
        ..Reset::default()
    };
    if !is_fresh {
        remove_gone(&mut broom, &scan, &index, stop)?;
        let overwritten = clear_the_way(&mut broom, &scan, &root, &to_write)?;
        let is_lost = |change: &&Change| {
            let path = change.path.as_bstr();
            !rules_change || !change.is_untracked() || is_rule(path) || owns(&index, path)
        };
        done.discarded = scan
            .changes
            .iter()
            .filter(is_lost)
            .cloned()
            .chain(overwritten)
            .collect();
    }
    if !is_fresh && !rules_change {
        remove_untracked(&mut broom, &scan, &index, options.keep_nested, stop)?;
    }
    if !to_write.is_empty() {
        check_out(repository, &mut index, &root, is_fresh, progress, stop)?;
        done.files_written = to_write.len();
    }
    for entry in index.entries_mut() {
        entry.flags.remove(Flags::SKIP_WORKTREE);
    }
    make_submodule_folders(&mut broom, &root, &done.submodules)?;
    done.index = write_index(repository, &mut index)?;
    if rules_change {
        remove_untracked_rules(&mut broom, &scan, &index)?;
        let again = ScanOptions {
            head_tree: tree,
            settled_index: done.index,
            include_ignored: options.clean_ignored,
        };
        let scan = super::scan(repository, &again, stop)?;
        remove_untracked(
            &mut Broom::new(&root),
            &scan,
            &index,
            options.keep_nested,
            stop,
        )?;
        done.discarded
            .extend(scan.changes.into_iter().filter(Change::is_untracked));
    }
    done.discarded
        .retain(|change| !(options.keep_nested && change.is_nested()));
    done.discarded.sort();
    done.discarded.dedup();
    Ok(done)
}

/// Whether what is ignored may change, so that only the new rules can tell what is to be removed.
fn rules_change(scan: &Scan, index: &gix::index::State, to_write: &[BString]) -> bool {
    let gone = |entry: &&gix::index::Entry| index.entry_by_path(entry.path(&scan.index)).is_none();
    to_write.iter().any(|path| is_rule(path.as_bstr()))
        || scan
            .untracked
            .iter()
            .any(|(path, _)| is_rule(path.as_bstr()))
        || scan
            .index
            .entries()
            .iter()
            .filter(|e| is_rule(e.path(&scan.index)))
            .any(|e| gone(&e))
}

fn is_rule(path: &BStr) -> bool {
    path == ".gitignore" || path.ends_with(b"/.gitignore")
}

fn owns(index: &gix::index::State, path: &BStr) -> bool {
    index.entry_by_path(path).is_some() || index.path_is_directory(path)
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

/// Takes the stats of unchanged files over from the old index and marks these entries as not to be written; returns the rest.
///
/// Attributes decide what a file looks like on disk. If any of them change, every file is written.
fn carry_over(index: &mut gix::index::File, scan: &Scan) -> Vec<BString> {
    let mut to_write = Vec::new();
    let attributes_change =
        named(b".gitattributes", &scan.index) != named(b".gitattributes", index);
    let old: &gix::index::State = &scan.index;
    let mut old_entries = old.entries().iter().peekable();
    let (entries, paths) = index.entries_mut_and_pathbacking();
    for entry in entries {
        let path = entry.path_in(paths);
        // Both are sorted by path.
        while old_entries.next_if(|o| o.path(old) < path).is_some() {}
        let same = old_entries
            .peek()
            .filter(|o| {
                o.path(old) == path && is_merged(o) && o.id == entry.id && o.mode == entry.mode
            })
            .filter(|_| !scan.dirty.contains(path) && !attributes_change);
        match same {
            Some(old_entry) => {
                entry.stat = scan.stats.get(path).copied().unwrap_or(old_entry.stat);
                entry.flags.insert(Flags::SKIP_WORKTREE);
            }
            None if entry.mode == Mode::COMMIT => entry.flags.insert(Flags::SKIP_WORKTREE),
            None => to_write.push(path.to_owned()),
        }
    }
    to_write
}

/// All entries whose file has this name, in any folder.
fn named<'i>(name: &[u8], index: &'i gix::index::State) -> Vec<(&'i BStr, ObjectId)> {
    let is_named = |path: &BStr| path.rsplit(|byte| *byte == b'/').next() == Some(name);
    let entries = index
        .entries()
        .iter()
        .map(|entry| (entry.path(index), entry.id));
    entries.filter(|(path, _)| is_named(path)).collect()
}

fn remove_gone(
    broom: &mut Broom<'_>,
    scan: &Scan,
    index: &gix::index::State,
    stop: &AtomicBool,
) -> Result<()> {
    for entry in scan.index.entries() {
        let path = entry.path(&scan.index);
        let is_gone = index.entry_by_path(path).is_none();
        // A folder in a file's place holds files of its own, which are untracked or belong to the new tree.
        if is_gone && matches!(broom.look(path)?, Standing::File | Standing::Special) {
            check_stop(stop, "removing files")?;
            broom.remove(path)?;
        } else if is_gone && entry.mode == Mode::COMMIT {
            remove_submodule_folder(broom, path)?;
        }
    }
    Ok(())
}

/// An empty folder of a submodule that is gone. One with content was filled by somebody else, and shows as untracked next time.
fn remove_submodule_folder(broom: &mut Broom<'_>, path: &BStr) -> Result<()> {
    match broom.look(path)? {
        Standing::Folder if broom.is_empty(path)? => broom.remove(path),
        _ => Ok(()),
    }
}

/// The commit's rules alone decide what is ignored: others go before they are asked.
fn remove_untracked_rules(
    broom: &mut Broom<'_>,
    scan: &Scan,
    index: &gix::index::State,
) -> Result<()> {
    for (path, _) in scan
        .untracked
        .iter()
        .filter(|(path, _)| is_rule(path.as_bstr()))
    {
        if !owns(index, path.as_bstr()) {
            broom.remove(path.as_bstr())?;
        }
    }
    Ok(())
}

fn remove_untracked(
    broom: &mut Broom<'_>,
    scan: &Scan,
    index: &gix::index::State,
    keep_nested: bool,
    stop: &AtomicBool,
) -> Result<()> {
    for (path, kind) in &scan.untracked {
        check_stop(stop, "removing untracked files")?;
        let is_overwritten =
            index.entry_by_path(path.as_bstr()).is_some() && *kind != DiskKind::Directory;
        if !is_overwritten {
            broom.remove(path.as_bstr())?;
        }
    }
    for path in &scan.nested {
        check_stop(stop, "removing nested repositories")?;
        let is_in_the_way = index.entry_by_path(path.as_bstr()).is_some()
            || index.path_is_directory(path.as_bstr());
        if !keep_nested || is_in_the_way {
            broom.remove(path.as_bstr())?;
        }
    }
    Ok(())
}

/// Removes what cannot be overwritten where files are to be written; returns what of it git ignored, and was thus not reported yet.
fn clear_the_way(
    broom: &mut Broom<'_>,
    scan: &Scan,
    root: &Path,
    to_write: &[BString],
) -> Result<Vec<Change>> {
    let mut overwritten = Vec::new();
    for path in to_write {
        let path = path.as_bstr();
        if let Some(obstacle) = broom.obstacle(path)? {
            broom.remove(obstacle.as_bstr())?;
            if !scan.knows(obstacle.as_bstr()) {
                overwritten.push(Change {
                    path: obstacle,
                    code: "!!".to_owned(),
                });
            }
        }
        let standing = broom.look(path)?;
        if standing != Standing::Nothing && !scan.knows(path) {
            overwritten.push(Change {
                path: path.to_owned(),
                code: "!!".to_owned(),
            });
        }
        // A link is removed too: it is replaced, and never written through.
        if standing != Standing::Nothing
            && (standing != Standing::File || on_disk(root, path).is_symlink())
        {
            broom.remove(path)?;
        }
    }
    overwritten.sort();
    overwritten.dedup();
    Ok(overwritten)
}

fn check_out(
    repository: &gix::Repository,
    index: &mut gix::index::File,
    root: &Path,
    is_fresh: bool,
    progress: &Arc<Progress>,
    stop: &AtomicBool,
) -> Result<()> {
    let cannot = |e| error::local(format!("failed to write files to `{}`", root.display()), e);
    let mut options = repository
        .checkout_options(Attributes::IdMappingThenWorktree)
        .map_err(cannot)?;
    options.destination_is_initially_empty = is_fresh;
    options.overwrite_existing = !is_fresh;
    let objects = repository.objects.clone().into_arc().map_err(|e| {
        let message = format!("cannot read the objects of `{}`", root.display());
        Error::new(ErrorKind::Corrupt, message).with_source(e)
    })?;
    let (files, bytes) = (Meter::files(progress), gix::progress::Discard);
    let outcome =
        gix::worktree::state::checkout(index, root, objects, &files, &bytes, stop, options);
    check_stop(stop, "writing files")?;
    all_written(outcome.map_err(cannot)?, root)
}

/// Turns the first path that could not be written into an error.
fn all_written(outcome: gix::worktree::state::checkout::Outcome, root: &Path) -> Result<()> {
    if let Some(collision) = outcome.collisions.first() {
        let (path, root) = (printable(collision.path.as_bstr()), root.display());
        let message = format!(
            "`{path}` in `{root}` appeared while files were written, or is the same file as another path"
        );
        return Err(Error::new(ErrorKind::Refused, message));
    }
    match outcome.errors.into_iter().next() {
        Some(failed) => {
            let (path, root) = (printable(failed.path.as_bstr()), root.display());
            Err(error::local(
                format!("failed to write `{path}` in `{root}`"),
                failed.error,
            ))
        }
        None => Ok(()),
    }
}

fn submodules(index: &gix::index::State) -> Vec<BString> {
    let entries = index
        .entries()
        .iter()
        .filter(|entry| entry.mode == Mode::COMMIT);
    entries.map(|entry| entry.path(index).to_owned()).collect()
}

/// Submodules that are not checked out are empty folders, as in git.
fn make_submodule_folders(
    broom: &mut Broom<'_>,
    root: &Path,
    submodules: &[BString],
) -> Result<()> {
    for path in submodules {
        if broom.obstacle(path.as_bstr())?.is_none()
            && broom.look(path.as_bstr())? == Standing::Nothing
        {
            let folder = on_disk(root, path.as_bstr());
            fs::create_dir_all(&folder)
                .map_err(|e| Error::io(format!("failed to create `{}`", folder.display()), e))?;
        }
    }
    Ok(())
}

fn is_empty_but_for_git(root: &Path) -> Result<bool> {
    let cannot = |e| Error::io(format!("failed to list `{}`", root.display()), e);
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
