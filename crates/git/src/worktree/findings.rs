//! Collects what a scan comes across, and says it in git's words.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use gix::bstr::{BStr, BString, ByteSlice as _};
use gix::dir::entry::{Kind as DiskKind, Property, Status as DirStatus};
use gix::index::entry::{Flags, Mode, Stat};
use gix::status::plumbing::index_as_worktree::{Change as FileChange, Conflict, EntryStatus};
use gix::status::plumbing::index_as_worktree_with_renames::{Entry, VisitEntry};

use super::scan::{Change, Scan};
use super::{list, temporary};

/// What a scan has come across so far.
#[derive(Default)]
pub(crate) struct Findings {
    codes: BTreeMap<BString, [u8; 2]>,
    conflicts: BTreeMap<BString, &'static str>,
    dirty: BTreeSet<BString>,
    stats: HashMap<BString, Stat>,
    untracked: Vec<(BString, DiskKind)>,
    empty_folders: Vec<BString>,
    nested: Vec<BString>,
    /// Files whose content seems to differ, and nothing else.
    pub(crate) modified: Vec<BString>,
    /// Files with the right content whose inode has changed: perhaps their rights.
    pub(crate) touched: Vec<BString>,
}

impl<'index> VisitEntry<'index> for Findings {
    type ContentChange = ();
    type SubmoduleStatus = ();

    fn visit_entry(&mut self, entry: Entry<'index, (), ()>) {
        match entry {
            Entry::Modification {
                entry,
                rela_path,
                status,
                ..
            } => self.tracked(entry, rela_path.to_owned(), status),
            Entry::DirectoryContents { entry, .. } => self.directory_entry(entry),
            // Rename tracking is off.
            Entry::Rewrite { .. } => {}
        }
    }
}

impl Findings {
    /// A difference between the commit and the index.
    pub(crate) fn staged(&mut self, path: &BStr, letter: u8) {
        self.code(path)[0] = letter;
    }

    /// A path that is only intended to be added: git compares the commit as if it was not in the index.
    pub(crate) fn intended(&mut self, path: &BStr, is_in_commit: bool) {
        self.code(path)[0] = if is_in_commit { b'D' } else { b' ' };
    }

    /// A tracked file that is not as it should be, for a reason that is found outside.
    pub(crate) fn set_modified(&mut self, path: BString) {
        self.stats.remove(&path);
        self.code(path.as_bstr())[1] = b'M';
        self.dirty.insert(path);
    }

    /// A file that only seemed to be modified.
    pub(crate) fn set_same(&mut self, path: BString, stat: Stat) {
        self.dirty.remove(&path);
        let code = self.code(path.as_bstr());
        code[1] = b' ';
        if *code == *b"  " {
            self.codes.remove(&path);
        }
        self.stats.insert(path, stat);
    }

    fn tracked(&mut self, entry: &gix::index::Entry, path: BString, status: EntryStatus<(), ()>) {
        let letter = match status {
            EntryStatus::NeedsUpdate(stat) => {
                if stat.ctime != entry.stat.ctime {
                    self.touched.push(path.clone());
                }
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
            EntryStatus::Change(FileChange::Modification {
                executable_bit_changed,
                ..
            }) => {
                if !executable_bit_changed {
                    self.modified.push(path.clone());
                }
                b'M'
            }
            EntryStatus::Change(FileChange::SubmoduleModification(())) => b'M',
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

    /// Ignored folders are found as one: puts what is in them in their place.
    fn list_folders(&mut self, root: &Path) {
        let (folders, files) = std::mem::take(&mut self.untracked)
            .into_iter()
            .partition(|(_, kind)| *kind == DiskKind::Directory);
        self.untracked = files;
        for (folder, kind) in folders {
            match list::below(root, folder.as_bstr()) {
                Ok(listing) => {
                    let files = listing.files.into_iter().map(|path| (path, DiskKind::File));
                    self.untracked.extend(files);
                    self.nested.extend(listing.nested);
                    self.empty_folders.extend(listing.empty);
                }
                // It is still there to be removed, and whatever is wrong shows then.
                Err(_) => self.untracked.push((folder, kind)),
            }
        }
    }

    /// What was found, where `may_have_temporary` says whether a killed process may have left files of its own.
    pub(crate) fn into_scan(
        mut self,
        root: &Path,
        index: gix::index::File,
        index_is_off: bool,
        may_have_temporary: bool,
    ) -> Scan {
        // What stands where a submodule should is tracked already.
        self.untracked
            .retain(|(path, _)| index.entry_by_path(path.as_bstr()).is_none());
        self.list_folders(root);
        self.codes
            .retain(|path, code| code != b"  " && !self.conflicts.contains_key(path));
        let tracked = self
            .codes
            .into_iter()
            .map(|(path, code)| (path, String::from_utf8_lossy(&code).into_owned()));
        let conflicts = self
            .conflicts
            .into_iter()
            .map(|(path, code)| (path, code.to_owned()));
        let untracked = self.untracked.iter().map(|(path, _)| path.clone());
        let untracked = untracked
            .filter(|path| !(may_have_temporary && temporary::is_temporary(path.as_bstr())));
        let folder = |path: &BString| BString::from([path.as_slice(), b"/"].concat());
        let untracked = untracked.chain(self.nested.iter().map(folder));
        let mut changes: Vec<Change> = tracked
            .chain(conflicts)
            .chain(untracked.map(|path| (path, "??".to_owned())))
            .map(|(path, code)| Change { path, code })
            .collect();
        changes.sort();
        let empty = self
            .empty_folders
            .into_iter()
            .map(|path| (path, DiskKind::Directory));
        self.untracked.extend(empty);
        self.untracked.sort();
        self.nested.sort();
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

/// The letter of a difference between the commit and the index, and its path.
pub(crate) fn staged(change: &gix::diff::index::ChangeRef<'_, '_>) -> (BString, u8) {
    use gix::diff::index::ChangeRef;
    let (location, letter) = match change {
        ChangeRef::Addition { location, .. } => (location, b'A'),
        ChangeRef::Deletion { location, .. } => (location, b'D'),
        ChangeRef::Modification {
            location,
            previous_entry_mode,
            entry_mode,
            ..
        } if same_type(*previous_entry_mode, *entry_mode) => (location, b'M'),
        ChangeRef::Modification { location, .. } => (location, b'T'),
        // Rename tracking is off.
        ChangeRef::Rewrite { location, .. } => (location, b'M'),
    };
    (location.clone().into_owned(), letter)
}

/// The paths that are only intended to be added.
pub(crate) fn intended(index: &gix::index::State) -> Vec<BString> {
    let entries = index.entries().iter();
    let intended = entries.filter(|entry| entry.flags.contains(Flags::INTENT_TO_ADD));
    intended.map(|entry| entry.path(index).to_owned()).collect()
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
