//! Files that are written beside the place where they belong, and what a killed process leaves of them.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use gitbarge_core::Result;
use gix::ObjectId;
use gix::bstr::{BStr, BString, ByteSlice as _};

use super::on_disk;
use crate::error;

/// How the names begin; sixteen hexadecimal digits follow.
const PREFIX: &str = ".gitbarge-tmp-";

/// A name that nothing has yet.
pub(crate) fn name() -> String {
    format!(
        "{PREFIX}{:016x}",
        RandomState::new().hash_one(std::process::id())
    )
}

/// Whether a path has such a name.
pub(crate) fn is_temporary(path: &BStr) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    name.strip_prefix(PREFIX.as_bytes())
        .is_some_and(|digits| digits.len() == 16 && digits.iter().all(u8::is_ascii_hexdigit))
}

/// Whether a process has died, or may be at work, that wrote such files.
pub(crate) fn may_be_left(git_dir: &Path) -> bool {
    mark(git_dir).exists()
}

/// Notes that files of `tree` are being written, so that what is left of them can be found.
pub(crate) fn begin(git_dir: &Path, tree: ObjectId) -> Result<()> {
    let mark = mark(git_dir);
    let write = || {
        fs::create_dir_all(mark.parent().unwrap_or(git_dir))?;
        fs::write(&mark, tree.to_string())
    };
    write().map_err(|e| error::io(format!("failed to write `{}`", mark.display()), e))
}

/// Notes that none is left.
pub(crate) fn end(git_dir: &Path) -> Result<()> {
    match fs::remove_file(mark(git_dir)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(error::io(
            format!("failed to remove `{}`", mark(git_dir).display()),
            e,
        )),
        _ => Ok(()),
    }
}

/// Removes what a killed process has left.
pub(crate) fn sweep(repository: &gix::Repository, root: &Path) -> Result<()> {
    let Ok(noted) = fs::read(mark(repository.git_dir())) else {
        return Ok(());
    };
    // Without a tree nothing was written; without its objects the scan alone must do.
    let index = ObjectId::from_hex(noted.trim())
        .ok()
        .and_then(|tree| repository.index_from_tree(&tree).ok());
    let mut folders = BTreeSet::new();
    if let Some(index) = &index {
        let paths = index.entries().iter().map(|entry| entry.path(index));
        folders.extend(
            paths.map(|path| {
                BString::from(path.rfind_byte(b'/').map_or(&b""[..], |end| &path[..end]))
            }),
        );
    }
    let mut broom = super::clear::Broom::new(root);
    for folder in folders {
        let separator: &[u8] = if folder.is_empty() { b"" } else { b"/" };
        for entry in fs::read_dir(on_disk(root, folder.as_bstr()))
            .into_iter()
            .flatten()
            .flatten()
        {
            let path =
                BString::from([&folder[..], separator, entry.file_name().as_bytes()].concat());
            if is_temporary(path.as_bstr()) {
                broom.remove(path.as_bstr())?;
            }
        }
    }
    Ok(())
}

fn mark(git_dir: &Path) -> PathBuf {
    git_dir.join("gitbarge/writing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_names_are_known_and_no_others() {
        let own = format!("a/{}", name());
        assert!(is_temporary(own.as_str().into()));
        assert_ne!(name(), name());
        for other in [
            ".gitbarge-tmp-",
            ".gitbarge-tmp-mine",
            "x.gitbarge-tmp-0123456789abcdef",
            &format!("{own}/x"),
        ] {
            assert!(!is_temporary(other.into()), "{other}");
        }
    }
}
