//! Gives folders back the rights that their owner needs to work in them.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use gitbarge_core::Result;
use gix::bstr::{BString, ByteSlice as _};
use gix::worktree::stack::state::ignore::Source;

use super::on_disk;
use crate::error;
use crate::remote::check_stop;

/// What the owner of a folder needs to list it, and to make and remove entries.
const FOLDER: u32 = 0o700;
/// What the owner of a file needs to read it.
const FILE: u32 = 0o400;

/// Whether a file's owner may read it.
pub(crate) fn is_readable(meta: &Metadata) -> bool {
    meta.permissions().mode() & FILE != 0
}

/// Lets the owner work in a folder; whether that was needed. Links are not followed.
pub(crate) fn open_up(folder: &Path) -> io::Result<bool> {
    let meta = fs::symlink_metadata(folder)?;
    if !meta.is_dir() {
        return Ok(false);
    }
    grant(folder, &meta, FOLDER)
}

/// Lets the owner work in a folder and in all folders below it.
pub(crate) fn open_up_all(folder: &Path) -> io::Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        open_up(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}

/// Tries again what failed for want of rights, once the folder is opened up.
pub(crate) fn insist<T>(
    folder: Option<&Path>,
    mut work: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    match work() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            match folder.map(open_up) {
                Some(Ok(true)) => work(),
                _ => Err(error),
            }
        }
        done => done,
    }
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|folder| fs::symlink_metadata(folder).is_err())
        .collect();
    for folder in missing.into_iter().rev() {
        match insist(folder.parent(), || fs::create_dir(folder)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Lets the owner work in all folders of a work tree but ignored ones and nested repositories, and read the files in them
/// that hold rules; returns those files.
pub(crate) fn open_up_work_tree(
    repository: &gix::Repository,
    index: &gix::index::State,
    root: &Path,
    stop: &AtomicBool,
) -> Result<Vec<BString>> {
    let mut excludes = repository
        .excludes(index, None, Source::WorktreeThenIdMappingIfNotSkipped)
        .map_err(|e| error::local("cannot read the ignore rules", e))?;
    let mut opened = Vec::new();
    let mut folders = vec![BString::default()];
    while let Some(folder) = folders.pop() {
        check_stop(stop, "mending rights")?;
        let full = on_disk(root, folder.as_bstr());
        // A folder of somebody else's stays as it is: whoever needs it reports that.
        if open_up(&full).is_err() {
            continue;
        }
        let Ok(entries) = fs::read_dir(&full) else {
            continue;
        };
        let mut inner = Vec::new();
        for entry in entries.flatten() {
            let mut path = folder.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(std::os::unix::ffi::OsStrExt::as_bytes(
                entry.file_name().as_os_str(),
            ));
            let name_is = |name: &str| entry.file_name() == name;
            match entry.metadata() {
                Ok(meta) if meta.is_dir() && !name_is(".git") => inner.push(path),
                Ok(meta)
                    if meta.is_file()
                        && (name_is(".gitignore") || name_is(".gitattributes"))
                        && grant(&entry.path(), &meta, FILE).is_ok_and(|granted| granted) =>
                {
                    opened.push(path);
                }
                _ => {}
            }
        }
        // The rules in a folder must be readable before it is asked what they say.
        for path in inner {
            let is_tracked = index.path_is_directory(path.as_bstr());
            let mut is_kept = || {
                let entry = excludes.at_entry(path.as_bstr(), Some(gix::index::entry::Mode::DIR));
                entry.is_ok_and(|entry| entry.is_excluded())
            };
            if is_tracked || !(is_kept() || on_disk(root, path.as_bstr()).join(".git").exists()) {
                folders.push(path);
            }
        }
    }
    Ok(opened)
}

fn grant(path: &Path, meta: &Metadata, rights: u32) -> io::Result<bool> {
    let mode = meta.permissions().mode() & 0o7777;
    if mode & rights == rights {
        return Ok(false);
    }
    fs::set_permissions(path, Permissions::from_mode(mode | rights)).map(|()| true)
}
