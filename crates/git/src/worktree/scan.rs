//! Finds what differs between a commit, the index and the files on disk.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gitbarge_core::{Error, ErrorKind, Result};
use gix::ObjectId;
use gix::bstr::{BStr, BString, ByteSlice as _};
use gix::dir::entry::Kind as DiskKind;
use gix::dir::walk::EmissionMode;
use gix::index::entry::{Flags, Stage, Stat};
use gix::status::index_worktree::Options as StatusOptions;
use gix::status::plumbing::index_as_worktree::traits::{
    CompareBlobs, FastEq, ReadData, SubmoduleStatus,
};
use gix::status::tree_index::TrackRenames;
use gix::worktree::stack::state::attributes::Source;

use super::convert::Converter;
use super::findings::{self, Findings};
use super::{on_disk, rights, temporary};
use crate::error;
use crate::remote::check_stop;

/// What a scan looks at.
#[derive(Debug, Clone, Copy)]
pub struct ScanOptions {
    /// The commit's tree that the index is compared with.
    pub head_tree: ObjectId,
    /// The checksum of an index that is known to equal the tree; the comparison is left out for it.
    pub settled_index: Option<ObjectId>,
    /// Whether ignored files count as untracked.
    pub include_ignored: bool,
    /// Whether folders that their owner may not read are opened up, rather than an error.
    pub open_up: bool,
}

/// One difference, as `git status --porcelain=v1 --no-renames -uall` shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The path in the repository; that of a nested repository ends in `/`.
    pub path: BString,
    /// The index's and the work tree's letter.
    pub code: String,
}

impl Change {
    /// Whether it is a nested repository that is not tracked.
    pub fn is_nested(&self) -> bool {
        self.path.ends_with(b"/")
    }

    /// Whether it is in no commit and not staged.
    pub fn is_untracked(&self) -> bool {
        self.code == "??"
    }
}

/// What a scan has found.
#[derive(Debug)]
pub struct Scan {
    /// The differences, by path.
    pub changes: Vec<Change>,
    /// Nested repositories that are not tracked.
    pub nested: Vec<BString>,
    /// The index, with the flags cleared that hide files from git.
    pub(crate) index: gix::index::File,
    /// Tracked paths whose files differ from the index.
    pub(crate) dirty: BTreeSet<BString>,
    /// Stats of files that have been found unchanged although their stats differ.
    pub(crate) stats: HashMap<BString, Stat>,
    /// What is on disk and in no commit, by path.
    pub(crate) untracked: Vec<(BString, DiskKind)>,
    /// Whether the index itself must be written anew: it was missing, damaged, or hid files.
    pub(crate) index_is_off: bool,
}

impl Scan {
    /// Whether index and work tree equal the commit, so that nothing is to be done.
    pub fn is_clean(&self, keep_nested: bool) -> bool {
        let nested_only = keep_nested && self.changes.iter().all(Change::is_nested);
        (self.changes.is_empty() || nested_only) && self.untracked.is_empty() && !self.index_is_off
    }

    /// Whether what stands at a path is known, and thus reported if it is a change.
    pub(crate) fn knows(&self, path: &BStr) -> bool {
        self.dirty.contains(path)
            || self.index.entry_by_path(path).is_some()
            || self
                .untracked
                .binary_search_by(|(untracked, _)| untracked.as_bstr().cmp(path))
                .is_ok()
            || self
                .nested
                .binary_search_by(|nested| nested.as_bstr().cmp(path))
                .is_ok()
    }
}

/// Compares commit, index and work tree. Starts no program, and reads only, unless folders are to be opened up.
///
/// # Errors
/// `corrupt` if the tree cannot be read; `refused` if a folder cannot be; `cancelled`. A damaged index is no error: the tree
/// takes its place.
pub fn scan(
    repository: &gix::Repository,
    options: &ScanOptions,
    stop: &Arc<AtomicBool>,
) -> Result<Scan> {
    let root = repository
        .workdir()
        .ok_or_else(|| Error::new(ErrorKind::Internal, "the repository has no work tree"))?;
    let (index, index_is_off) = index(repository, options.head_tree)?;
    let mut found = match on_disk_against(repository, &index, options, stop) {
        Ok(found) => found,
        Err(error) if options.open_up && is_caused_by(&error, io::ErrorKind::PermissionDenied) => {
            let opened = rights::open_up_work_tree(repository, &index, root, stop)?;
            let mut found =
                on_disk_against(repository, &index, options, stop).map_err(cannot_compare)?;
            let tracked = opened
                .into_iter()
                .filter(|path| index.entry_by_path(path.as_bstr()).is_some());
            tracked.for_each(|path| found.set_modified(path));
            found
        }
        Err(error) => {
            check_stop(stop, "comparing the work tree")?;
            return Err(cannot_compare(error));
        }
    };
    check_stop(stop, "comparing the work tree")?;
    let is_settled = options.settled_index.is_some() && index.checksum() == options.settled_index;
    if !is_settled {
        staged(repository, &index, options.head_tree, stop, &mut found)?;
    }
    look_again(repository, &index, root, &mut found).map_err(cannot_compare)?;
    let may_have_temporary = temporary::may_be_left(repository.git_dir());
    Ok(found.into_scan(root, index, index_is_off, may_have_temporary))
}

/// The index, or one made from the tree where it is missing or damaged; and whether it must be written anew.
fn index(repository: &gix::Repository, head_tree: ObjectId) -> Result<(gix::index::File, bool)> {
    let mut index = match repository.open_index() {
        Ok(index) if !index.is_sparse() => index,
        unusable => {
            let error = unusable.err().map(|e| e.to_string());
            tracing::debug!(
                error,
                "The index is missing, sparse or damaged and will be made anew."
            );
            let from_tree = repository.index_from_tree(&head_tree);
            return Ok((
                from_tree
                    .map_err(|e| error::local("cannot read the tree of the current commit", e))?,
                true,
            ));
        }
    };
    let hiding = Flags::SKIP_WORKTREE | Flags::ASSUME_VALID | Flags::FSMONITOR_VALID;
    let mut hides = false;
    for entry in index.entries_mut() {
        hides |= entry.flags.intersects(hiding);
        entry.flags.remove(hiding);
    }
    Ok((index, hides))
}

fn on_disk_against(
    repository: &gix::Repository,
    index: &gix::index::State,
    options: &ScanOptions,
    stop: &AtomicBool,
) -> gix::Result<Findings> {
    let mut found = Findings::default();
    let walk = repository
        .dirwalk_options()?
        .emit_untracked(EmissionMode::Matching)
        .emit_ignored(options.include_ignored.then_some(EmissionMode::Matching))
        .emit_empty_directories(true);
    repository.index_worktree_status(
        index,
        Vec::<BString>::new(),
        &mut found,
        Lenient,
        Lenient,
        &mut gix::progress::Discard,
        stop,
        StatusOptions {
            dirwalk_options: Some(walk),
            ..StatusOptions::default()
        },
    )?;
    Ok(found)
}

/// Compares files. One that cannot be read, or not be converted, is not what the commit has; submodules are left to others.
#[derive(Clone)]
struct Lenient;

impl CompareBlobs for Lenient {
    type Output = ();

    fn compare_blobs<'a, 'b>(
        &mut self,
        entry: &gix::index::Entry,
        size: u64,
        data: impl ReadData<'a>,
        buffer: &mut Vec<u8>,
    ) -> gix::Result<Option<()>> {
        Ok(FastEq
            .compare_blobs(entry, size, data, buffer)
            .unwrap_or(Some(())))
    }
}

impl SubmoduleStatus for Lenient {
    type Output = ();

    fn status(&mut self, _: &gix::index::Entry, _: &BStr) -> gix::Result<Option<()>> {
        Ok(None)
    }
}

/// Compares the commit with the index.
fn staged(
    repository: &gix::Repository,
    index: &gix::index::State,
    head_tree: ObjectId,
    stop: &AtomicBool,
    found: &mut Findings,
) -> Result<()> {
    let compared = repository.tree_index_status(
        &head_tree,
        index,
        None,
        TrackRenames::Disabled,
        |change, _, _| {
            let (path, letter) = findings::staged(&change);
            found.staged(path.as_bstr(), letter);
            Ok(match stop.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            })
        },
    );
    compared.map_err(cannot_compare)?;
    check_stop(stop, "comparing the work tree")?;
    for path in findings::intended(index) {
        let tree = repository.find_tree(head_tree).map_err(cannot_compare)?;
        let parts = path.split(|byte| *byte == b'/');
        let entry = tree.lookup_entry(parts).map_err(cannot_compare)?;
        found.intended(
            path.as_bstr(),
            entry.is_some_and(|entry| !entry.mode().is_tree()),
        );
    }
    Ok(())
}

/// Looks again at files that seem modified, and may only be converted in a way that gix does not know, and at files that
/// seem to be as they should, and may have lost their rights.
fn look_again(
    repository: &gix::Repository,
    index: &gix::index::State,
    root: &Path,
    found: &mut Findings,
) -> gix::Result<()> {
    for path in std::mem::take(&mut found.touched) {
        let meta = fs::symlink_metadata(on_disk(root, path.as_bstr()));
        if meta.is_ok_and(|meta| meta.is_file() && !rights::is_readable(&meta)) {
            found.set_modified(path);
        }
    }
    let modified = std::mem::take(&mut found.modified);
    if modified.is_empty() {
        return Ok(());
    }
    let mut converter = Converter::new(repository, index, Source::WorktreeThenIdMapping)?;
    for path in modified {
        let Ok(rules) = converter.rules(path.as_bstr()) else {
            continue;
        };
        let Some(entry) = index
            .entry_by_path(path.as_bstr())
            .filter(|_| rules.convert())
        else {
            continue;
        };
        let full = on_disk(root, path.as_bstr());
        // What is no file any more, such as a pipe, must not be read.
        let meta = match gix::index::fs::Metadata::from_path_no_follow(&full) {
            Ok(meta) if meta.is_file() => meta,
            _ => continue,
        };
        let (Ok(content), Ok(blob)) = (fs::read(&full), repository.find_blob(entry.id)) else {
            continue;
        };
        if rules.is_same(content, &entry.id, &blob.data)? {
            found.set_same(path, Stat::from_fs(&meta).map_err(gix::Error::from_error)?);
        }
    }
    Ok(())
}

fn is_caused_by(error: &gix::Error, kind: io::ErrorKind) -> bool {
    let mut causes = error
        .iter_errors()
        .filter_map(|e| e.downcast_ref::<io::Error>());
    causes.any(|e| e.kind() == kind)
}

fn cannot_compare(error: gix::Error) -> Error {
    let what = "cannot compare the work tree with its index";
    // Folders that are nested too deeply are no damage of the repository.
    if is_caused_by(&error, io::ErrorKind::InvalidFilename) {
        return Error::new(ErrorKind::Refused, what).with_source(error);
    }
    error::local(what, error)
}

/// Whether an entry stands for one agreed version.
pub(crate) fn is_merged(entry: &gix::index::Entry) -> bool {
    entry.stage() == Stage::Unconflicted
}
