//! Decides what a reset writes, and what it must look at again.

use gix::ObjectId;
use gix::bstr::{BStr, BString, ByteSlice as _};
use gix::index::State;
use gix::index::entry::{Flags, Mode};

use super::scan::{Scan, is_merged};

/// Takes the stats of unchanged files over from the old index and marks these entries as not to be written; returns the rest.
///
/// Attributes decide what a file looks like on disk. If any of them change, every file is written.
pub(crate) fn carry_over(index: &mut gix::index::File, scan: &Scan) -> Vec<BString> {
    let mut to_write = Vec::new();
    let attributes_change = attributes_change(scan, index);
    let old: &State = &scan.index;
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

/// Whether attributes differ between the old files and the new index.
fn attributes_change(scan: &Scan, index: &State) -> bool {
    let untracked = scan.untracked.iter().map(|(path, _)| path);
    untracked
        .chain(&scan.dirty)
        .any(|path| is_attributes(path.as_bstr()))
        || attributes_in(&scan.index) != attributes_in(index)
}

fn attributes_in(index: &State) -> Vec<(&BStr, ObjectId)> {
    let entries = index
        .entries()
        .iter()
        .map(|entry| (entry.path(index), entry.id));
    entries.filter(|(path, _)| is_attributes(path)).collect()
}

/// Whether what is ignored may change, so that only the new rules can tell what is to be removed.
pub(crate) fn rules_change(scan: &Scan, index: &State, to_write: &[BString]) -> bool {
    let mut old = scan
        .index
        .entries()
        .iter()
        .map(|entry| entry.path(&scan.index));
    to_write.iter().any(|path| is_rule(path.as_bstr()))
        || scan
            .untracked
            .iter()
            .any(|(path, _)| is_rule(path.as_bstr()))
        || old.any(|path| is_rule(path) && index.entry_by_path(path).is_none())
}

/// Whether a file holds rules of what is ignored.
pub(crate) fn is_rule(path: &BStr) -> bool {
    has_name(path, b".gitignore")
}

/// Whether a file holds attributes.
pub(crate) fn is_attributes(path: &BStr) -> bool {
    has_name(path, b".gitattributes")
}

fn has_name(path: &BStr, name: &[u8]) -> bool {
    path.rsplit(|byte| *byte == b'/').next() == Some(name)
}

/// Whether the index has a file, or files below a folder, at this path.
pub(crate) fn owns(index: &State, path: &BStr) -> bool {
    index.entry_by_path(path).is_some() || index.path_is_directory(path)
}

/// The submodules of an index.
pub(crate) fn submodules(index: &State) -> Vec<BString> {
    let entries = index
        .entries()
        .iter()
        .filter(|entry| entry.mode == Mode::COMMIT);
    entries.map(|entry| entry.path(index).to_owned()).collect()
}
