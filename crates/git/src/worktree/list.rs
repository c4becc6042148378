//! Lists what is in a folder that goes as a whole.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use gix::bstr::{BStr, BString, ByteSlice as _};

use super::on_disk;

/// What is below a folder, by paths in the repository.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Everything but folders.
    pub(crate) files: Vec<BString>,
    /// Repositories, which are not looked into.
    pub(crate) nested: Vec<BString>,
    /// Folders in which nothing is.
    pub(crate) empty: Vec<BString>,
}

/// Lists all that is below a folder, following no links.
pub(crate) fn below(root: &Path, folder: &BStr) -> io::Result<Listing> {
    let mut listing = Listing::default();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let full = on_disk(root, folder.as_bstr());
        if fs::symlink_metadata(full.join(".git")).is_ok() {
            listing.nested.push(folder);
            continue;
        }
        let mut is_empty = true;
        for entry in fs::read_dir(full)? {
            let entry = entry?;
            is_empty = false;
            let path =
                BString::from([folder.as_bytes(), b"/", entry.file_name().as_bytes()].concat());
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else {
                listing.files.push(path);
            }
        }
        if is_empty {
            listing.empty.push(folder);
        }
    }
    Ok(listing)
}
