//! Removes what must not be there, without ever following a symbolic link.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gitbarge_core::{Error, Result};
use gix::bstr::{BStr, BString, ByteSlice as _};

use super::{on_disk, rights};
use crate::error;

/// Removes files and folders below one root, and never through a link that stands where a folder should.
pub(crate) struct Broom<'r> {
    root: &'r Path,
    /// Folders that have been looked at: whether the way to them leads through real folders only.
    ways: HashMap<PathBuf, bool>,
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Nothing,
    /// A regular file or a symbolic link, which can be overwritten.
    File,
    Folder,
    /// A pipe, a socket or a device.
    Special,
}

impl<'r> Broom<'r> {
    pub(crate) fn new(root: &'r Path) -> Self {
        Self {
            root,
            ways: HashMap::new(),
        }
    }

    /// What stands at a path; nothing if the way to it leads through a link or a file.
    pub(crate) fn look(&mut self, path: &BStr) -> Result<Standing> {
        let full = on_disk(self.root, path);
        if !self.way_is_real(full.parent())? {
            return Ok(Standing::Nothing);
        }
        standing(&full)
    }

    /// Removes whatever stands at a path, and the folders above it that became empty. Nothing there is no error.
    pub(crate) fn remove(&mut self, path: &BStr) -> Result<()> {
        let full = on_disk(self.root, path);
        let standing = self.look(path)?;
        let remove = || match standing {
            Standing::Nothing => Ok(()),
            Standing::Folder => remove_folder(&full),
            Standing::File | Standing::Special => fs::remove_file(&full),
        };
        match rights::insist(full.parent(), remove) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(cannot("remove", &full, error));
            }
            _ => {}
        }
        self.ways.clear();
        self.remove_empty_above(&full);
        Ok(())
    }

    /// Whether a folder is empty.
    pub(crate) fn is_empty(&self, path: &BStr) -> Result<bool> {
        let full = on_disk(self.root, path);
        let mut entries = fs::read_dir(&full).map_err(|e| cannot("list", &full, e))?;
        Ok(entries.next().is_none())
    }

    /// The first link, file or pipe that stands where a folder on the way to `path` should.
    pub(crate) fn obstacle(&mut self, path: &BStr) -> Result<Option<BString>> {
        if self.way_is_real(on_disk(self.root, path).parent())? {
            return Ok(None);
        }
        for (end, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            let folder = path[..end].as_bstr();
            match standing(&on_disk(self.root, folder))? {
                Standing::Folder => {}
                Standing::Nothing => return Ok(None),
                Standing::File | Standing::Special => return Ok(Some(folder.to_owned())),
            }
        }
        Ok(None)
    }

    /// Whether every folder from the root to this one is a folder, rather than a link to one.
    fn way_is_real(&mut self, folder: Option<&Path>) -> Result<bool> {
        let Some(folder) = folder.filter(|f| *f != self.root) else {
            return Ok(true);
        };
        if let Some(known) = self.ways.get(folder) {
            return Ok(*known);
        }
        let real = self.way_is_real(folder.parent())? && standing(folder)? == Standing::Folder;
        self.ways.insert(folder.to_owned(), real);
        Ok(real)
    }

    fn remove_empty_above(&self, removed: &Path) {
        for folder in removed.ancestors().skip(1).take_while(|f| *f != self.root) {
            // A folder that is not empty stays, and so do those above it.
            if rights::insist(folder.parent(), || fs::remove_dir(folder)).is_err() {
                return;
            }
        }
    }
}

/// Removes a folder with all that is in it, whatever rights the folders in it lack.
fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            // If that does not help, the second error says why.
            drop(rights::open_up_all(folder));
            fs::remove_dir_all(folder)
        }
        removed => removed,
    }
}

fn standing(path: &Path) -> Result<Standing> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => Ok(Standing::Folder),
        Ok(meta) if meta.is_file() || meta.is_symlink() => Ok(Standing::File),
        Ok(_) => Ok(Standing::Special),
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(Standing::Nothing)
        }
        Err(e) => Err(cannot("look at", path, e)),
    }
}

fn cannot(what: &str, path: &Path, error: io::Error) -> Error {
    error::io(format!("failed to {what} `{}`", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_removed_through_a_link() {
        let outside = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "x").unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("d")).unwrap();
        let mut broom = Broom::new(root.path());
        broom.remove("d/kept".into()).unwrap();
        assert!(outside.path().join("kept").exists());
        assert_eq!(broom.obstacle("d/kept".into()).unwrap(), Some("d".into()));
        broom.remove("d".into()).unwrap();
        assert!(!root.path().join("d").is_symlink() && outside.path().join("kept").exists());
    }

    #[test]
    fn folders_that_become_empty_go_too() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        fs::write(root.path().join("a/b/c"), "x").unwrap();
        fs::write(root.path().join("a/d"), "x").unwrap();
        Broom::new(root.path()).remove("a/b/c".into()).unwrap();
        assert!(!root.path().join("a/b").exists() && root.path().join("a/d").exists());
    }
}
