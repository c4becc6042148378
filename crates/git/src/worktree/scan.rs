//! Finds what differs between a commit, the index and the files on disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gitbarge_core::Result;
use gix::ObjectId;
use gix::bstr::{BStr, BString, ByteSlice as _};
use gix::dir::entry::{Kind as DiskKind, Property, Status as DirStatus};
use gix::dir::walk::EmissionMode;
use gix::index::entry::{Flags, Mode, Stage, Stat};
use gix::status::index_worktree::Item as WorktreeItem;
use gix::status::plumbing::index_as_worktree::{Change as FileChange, Conflict, EntryStatus};

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
    /// What is on disk and in no commit.
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

    pub(crate) fn knows(&self, path: &BStr) -> bool {
        self.dirty.contains(path)
            || self.index.entry_by_path(path).is_some()
            || self
                .untracked
                .iter()
                .any(|(untracked, _)| untracked == path)
    }
}

/// Compares commit, index and work tree. Reads only; starts no program.
///
/// # Errors
/// `corrupt` if the tree cannot be read; `cancelled`. A damaged index is no error: the tree takes its place.
pub fn scan(
    repository: &gix::Repository,
    options: &ScanOptions,
    stop: &Arc<AtomicBool>,
) -> Result<Scan> {
    let (index, index_is_off) = index(repository, options.head_tree)?;
    let index_is_settled =
        options.settled_index.is_some() && index.checksum() == options.settled_index;
    let mut found = Findings::default();
    let cannot = |e| error::local("cannot compare the work tree with its index", e);
    let platform = repository
        .status(gix::progress::Discard)
        .map_err(cannot)?
        .index(gix::worktree::IndexPersistedOrInMemory::InMemory(
            index.clone(),
        ))
        .index_worktree_submodules(None)
        .index_worktree_rewrites(None)
        .tree_index_track_renames(gix::status::tree_index::TrackRenames::Disabled)
        .should_interrupt_owned(stop.clone())
        .dirwalk_options(|walk| {
            walk.emit_untracked(EmissionMode::Matching)
                .emit_ignored(options.include_ignored.then_some(EmissionMode::Matching))
                .emit_empty_directories(true)
        });
    if index_is_settled {
        for item in platform
            .into_index_worktree_iter(Vec::<BString>::new())
            .map_err(cannot)?
        {
            found.on_disk(item.map_err(cannot)?);
        }
    } else {
        for item in platform
            .head_tree(options.head_tree)
            .into_iter(Vec::<BString>::new())
            .map_err(cannot)?
        {
            match item.map_err(cannot)? {
                gix::status::Item::TreeIndex(change) => found.staged(&change),
                gix::status::Item::IndexWorktree(item) => found.on_disk(item),
            }
        }
    }
    check_stop(stop, "comparing the work tree")?;
    Ok(found.into_scan(index, index_is_off))
}

/// The index, or one made from the tree where it is missing or damaged; and whether it must be written anew.
fn index(repository: &gix::Repository, head_tree: ObjectId) -> Result<(gix::index::File, bool)> {
    let mut index = match repository.open_index() {
        Ok(index) => index,
        Err(error) => {
            tracing::debug!(%error, "The index is missing or damaged and will be made anew.");
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

#[derive(Default)]
struct Findings {
    codes: BTreeMap<BString, [u8; 2]>,
    conflicts: BTreeMap<BString, &'static str>,
    dirty: BTreeSet<BString>,
    stats: HashMap<BString, Stat>,
    untracked: Vec<(BString, DiskKind)>,
    empty_folders: Vec<BString>,
    nested: Vec<BString>,
}

impl Findings {
    fn staged(&mut self, change: &gix::diff::index::Change) {
        use gix::diff::index::ChangeRef;
        let (location, letter) = match change {
            ChangeRef::Addition { location, .. } => (location, b'A'),
            ChangeRef::Deletion { location, .. } => (location, b'D'),
            ChangeRef::Modification {
                location,
                previous_entry_mode,
                entry_mode,
                ..
            } => (
                location,
                if same_type(*previous_entry_mode, *entry_mode) {
                    b'M'
                } else {
                    b'T'
                },
            ),
            // Rename tracking is off.
            ChangeRef::Rewrite { location, .. } => (location, b'M'),
        };
        self.code(location.as_ref())[0] = letter;
    }

    fn on_disk(&mut self, item: WorktreeItem) {
        match item {
            WorktreeItem::Modification {
                rela_path, status, ..
            } => self.tracked(rela_path, status),
            WorktreeItem::DirectoryContents { entry, .. } => self.directory_entry(entry),
            // Rename tracking is off.
            WorktreeItem::Rewrite { .. } => {}
        }
    }

    fn tracked<T, U>(&mut self, path: BString, status: EntryStatus<T, U>) {
        let letter = match status {
            EntryStatus::NeedsUpdate(stat) => {
                self.stats.insert(path, stat);
                return;
            }
            EntryStatus::Conflict { summary, .. } => {
                self.conflicts.insert(path.clone(), conflict_code(summary));
                self.dirty.insert(path);
                return;
            }
            EntryStatus::IntentToAdd => b'A',
            EntryStatus::Change(FileChange::Removed) => b'D',
            EntryStatus::Change(FileChange::Type { .. }) => b'T',
            EntryStatus::Change(
                FileChange::Modification { .. } | FileChange::SubmoduleModification(_),
            ) => b'M',
        };
        self.code(path.as_bstr())[1] = letter;
        self.dirty.insert(path);
    }

    fn directory_entry(&mut self, entry: gix::dir::Entry) {
        if !matches!(entry.status, DirStatus::Untracked | DirStatus::Ignored(_)) {
            return;
        }
        match (entry.property, entry.disk_kind) {
            (Some(Property::DotGit), _) => {}
            (Some(Property::EmptyDirectory | Property::EmptyDirectoryAndCWD), _) => {
                self.empty_folders.push(entry.rela_path);
            }
            (_, Some(DiskKind::Repository)) => self.nested.push(entry.rela_path),
            (_, kind) => self
                .untracked
                .push((entry.rela_path, kind.unwrap_or(DiskKind::File))),
        }
    }

    fn code(&mut self, path: &BStr) -> &mut [u8; 2] {
        self.codes.entry(path.to_owned()).or_insert(*b"  ")
    }

    fn into_scan(mut self, index: gix::index::File, index_is_off: bool) -> Scan {
        let mut changes = Vec::new();
        for (path, code) in self.codes {
            if !self.conflicts.contains_key(&path) {
                changes.push(Change {
                    path,
                    code: String::from_utf8_lossy(&code).into_owned(),
                });
            }
        }
        changes.extend(self.conflicts.into_iter().map(|(path, code)| Change {
            path,
            code: code.to_owned(),
        }));
        let folder = |path: &BString| BString::from([path.as_slice(), b"/"].concat());
        let untracked = self
            .untracked
            .iter()
            .map(|(path, _)| path.clone())
            .chain(self.nested.iter().map(folder));
        changes.extend(untracked.map(|path| Change {
            path,
            code: "??".to_owned(),
        }));
        changes.sort();
        self.untracked.extend(
            self.empty_folders
                .into_iter()
                .map(|path| (path, DiskKind::Directory)),
        );
        Scan {
            changes,
            nested: self.nested,
            index,
            dirty: self.dirty,
            stats: self.stats,
            untracked: self.untracked,
            index_is_off,
        }
    }
}

fn same_type(a: Mode, b: Mode) -> bool {
    let file = |mode: Mode| mode == Mode::FILE || mode == Mode::FILE_EXECUTABLE;
    a == b || (file(a) && file(b))
}

fn conflict_code(conflict: Conflict) -> &'static str {
    match conflict {
        Conflict::BothDeleted => "DD",
        Conflict::AddedByUs => "AU",
        Conflict::DeletedByThem => "UD",
        Conflict::AddedByThem => "UA",
        Conflict::DeletedByUs => "DU",
        Conflict::BothAdded => "AA",
        Conflict::BothModified => "UU",
    }
}

/// Whether an entry stands for one agreed version.
pub(crate) fn is_merged(entry: &gix::index::Entry) -> bool {
    entry.stage() == Stage::Unconflicted
}
