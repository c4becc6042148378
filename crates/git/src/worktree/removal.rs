//! Removes what the new tree does not have, and what stands in its way.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use gitbarge_core::Result;
use gix::bstr::{BStr, BString, ByteSlice as _};
use gix::dir::entry::Kind as DiskKind;
use gix::index::State;
use gix::index::entry::Mode;

use super::clear::{Broom, Standing};
use super::plan;
use super::scan::{Change, Scan};
use super::{list, on_disk, rights};
use crate::error;
use crate::remote::check_stop;

/// What is removed from a work tree, and reported if it was not known.
pub(crate) struct Removal<'r> {
    pub(crate) root: &'r Path,
    pub(crate) scan: &'r Scan,
    /// What is to be there afterwards.
    pub(crate) index: &'r State,
    pub(crate) keep_nested: bool,
    pub(crate) stop: &'r AtomicBool,
    pub(crate) broom: Broom<'r>,
    /// Lost, and not among the scan's changes.
    pub(crate) lost: Vec<Change>,
    /// The topmost folders that the old index had and the new one has not.
    gone: BTreeSet<BString>,
}

impl<'r> Removal<'r> {
    pub(crate) fn new(
        root: &'r Path,
        scan: &'r Scan,
        index: &'r State,
        keep_nested: bool,
        stop: &'r AtomicBool,
    ) -> Self {
        Self {
            root,
            scan,
            index,
            keep_nested,
            stop,
            broom: Broom::new(root),
            lost: Vec::new(),
            gone: BTreeSet::new(),
        }
    }

    /// Removes what the old index had and the new one has not.
    pub(crate) fn remove_gone(&mut self) -> Result<()> {
        let scan = self.scan;
        for entry in scan.index.entries() {
            let path = entry.path(&scan.index);
            if self.index.entry_by_path(path).is_some() {
                continue;
            }
            check_stop(self.stop, "removing files")?;
            // A folder in a file's place holds files of its own, which are untracked or belong to the new tree.
            match self.broom.look(path)? {
                Standing::File | Standing::Special => self.broom.remove(path)?,
                Standing::Folder if entry.mode == Mode::COMMIT => self.remove_submodule(path)?,
                _ => {}
            }
            self.note_gone_folder(path);
        }
        Ok(())
    }

    /// Whether something is left in a folder that is gone: ignored files, or a repository that stood in its place.
    pub(crate) fn is_something_left(&mut self) -> Result<bool> {
        for folder in &self.gone {
            if self.broom.look(folder.as_bstr())? == Standing::Folder {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn note_gone_folder(&mut self, path: &BStr) {
        let ends = path
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .map(|(end, _)| end);
        let mut folders = ends.map(|end| path[..end].as_bstr());
        if let Some(folder) = folders.find(|folder| !self.index.path_is_directory(folder)) {
            self.gone.insert(folder.to_owned());
        }
    }

    /// A submodule that is gone: its folder goes, and if somebody has put a repository there, that is reported.
    fn remove_submodule(&mut self, path: &BStr) -> Result<()> {
        if self.broom.is_empty(path)? {
            return self.broom.remove(path);
        }
        let is_in_the_way = self.index.path_is_directory(path);
        let is_repository = on_disk(self.root, path).join(".git").exists();
        if is_repository && (is_in_the_way || !self.keep_nested) {
            self.report(BString::from([path.as_bytes(), b"/"].concat()), "??");
            return self.broom.remove(path);
        }
        self.gone.insert(path.to_owned());
        Ok(())
    }

    /// Removes what is in no commit.
    pub(crate) fn remove_untracked(&mut self) -> Result<()> {
        let scan = self.scan;
        for (path, kind) in &scan.untracked {
            check_stop(self.stop, "removing untracked files")?;
            let is_overwritten =
                *kind != DiskKind::Directory && self.index.entry_by_path(path.as_bstr()).is_some();
            if !is_overwritten {
                self.broom.remove(path.as_bstr())?;
            }
        }
        for path in &scan.nested {
            check_stop(self.stop, "removing nested repositories")?;
            if !self.keep_nested || plan::owns(self.index, path.as_bstr()) {
                self.broom.remove(path.as_bstr())?;
            }
        }
        Ok(())
    }

    /// Removes untracked files that would have a say in what is removed or written.
    pub(crate) fn remove_untracked_if(&mut self, has_a_say: fn(&BStr) -> bool) -> Result<()> {
        let scan = self.scan;
        for (path, _) in &scan.untracked {
            let path = path.as_bstr();
            if has_a_say(path) && !plan::owns(self.index, path) {
                self.broom.remove(path)?;
            }
        }
        Ok(())
    }

    /// Removes what cannot be replaced where files are to be written, and notes what of it git ignored.
    pub(crate) fn clear_the_way(&mut self, to_write: &[BString]) -> Result<()> {
        for path in to_write {
            check_stop(self.stop, "clearing the way")?;
            let path = path.as_bstr();
            self.remove_obstacle(path)?;
            match self.broom.look(path)? {
                Standing::Nothing => {}
                Standing::File => {
                    if !self.scan.knows(path) && !self.is_as_in_index(path) {
                        self.report(path.to_owned(), "!!");
                    }
                }
                Standing::Folder | Standing::Special => self.remove_and_report(path)?,
            }
        }
        Ok(())
    }

    /// Makes an empty folder of each submodule that is not checked out, as git does.
    pub(crate) fn make_submodule_folders(&mut self, submodules: &[BString]) -> Result<()> {
        for path in submodules {
            let path = path.as_bstr();
            self.remove_obstacle(path)?;
            match self.broom.look(path)? {
                Standing::Folder => continue,
                Standing::Nothing => {}
                Standing::File | Standing::Special => self.remove_and_report(path)?,
            }
            let folder = on_disk(self.root, path);
            rights::make_folder(&folder)
                .map_err(|e| error::io(format!("failed to create `{}`", folder.display()), e))?;
        }
        Ok(())
    }

    fn remove_obstacle(&mut self, path: &BStr) -> Result<()> {
        match self.broom.obstacle(path)? {
            Some(obstacle) => self.remove_and_report(obstacle.as_bstr()),
            None => Ok(()),
        }
    }

    fn remove_and_report(&mut self, path: &BStr) -> Result<()> {
        let is_folder = self.broom.look(path)? == Standing::Folder;
        match list::below(self.root, path) {
            Ok(listing) if is_folder => {
                listing
                    .files
                    .into_iter()
                    .for_each(|path| self.report(path, "!!"));
                for path in listing.nested {
                    if !self.scan.knows(path.as_bstr()) {
                        self.report(BString::from([&path[..], b"/"].concat()), "!!");
                    }
                }
            }
            _ => self.report(path.to_owned(), "!!"),
        }
        self.broom.remove(path)
    }

    fn report(&mut self, path: BString, code: &str) {
        if !self.scan.knows(path.as_bstr()) {
            let code = code.to_owned();
            self.lost.push(Change { path, code });
        }
    }

    /// Whether a file or link already has the content that is to be written, byte for byte.
    fn is_as_in_index(&self, path: &BStr) -> bool {
        let Some(entry) = self.index.entry_by_path(path) else {
            return false;
        };
        let hash = |stream: &mut dyn io::Read, length| {
            let kind = gix::objs::Kind::Blob;
            let mut progress = gix::progress::Discard;
            gix::objs::compute_stream_hash(
                entry.id.kind(),
                kind,
                stream,
                length,
                &mut progress,
                self.stop,
            )
            .ok()
        };
        let full = on_disk(self.root, path);
        let meta = fs::symlink_metadata(&full).ok();
        let found = meta.and_then(
            |meta| match (meta.is_symlink(), entry.mode == Mode::SYMLINK) {
                (true, true) => {
                    let target = fs::read_link(&full).ok()?;
                    let bytes = target.as_os_str().as_bytes();
                    hash(&mut &*bytes, bytes.len() as u64)
                }
                (false, false) => hash(&mut File::open(&full).ok()?, meta.len()),
                _ => None,
            },
        );
        found == Some(entry.id)
    }
}
