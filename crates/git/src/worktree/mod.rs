//! Work trees: what differs from a commit, and making them equal to one.

mod clear;
mod convert;
mod encoding;
mod findings;
mod list;
mod plan;
mod removal;
mod reset;
mod rights;
mod scan;
mod temporary;
mod write;

pub use reset::{Reset, ResetOptions, reset, tree_of};
pub use scan::{Change, Scan, ScanOptions, scan};

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use gix::bstr::{BStr, ByteSlice as _};

/// A path in the repository as a path on disk below `root`.
pub(crate) fn on_disk(root: &Path, path: &BStr) -> PathBuf {
    root.join(OsStr::from_bytes(path))
}

/// Shows a repository path losslessly: what is not UTF-8, control characters and the backslash are written `\xNN`.
pub fn printable(path: &BStr) -> String {
    let mut out = String::with_capacity(path.len());
    for (start, end, character) in path.char_indices() {
        let bytes = &path[start..end];
        let is_invalid = character == '\u{fffd}' && bytes != "\u{fffd}".as_bytes();
        if is_invalid || character.is_control() || character == '\\' {
            out.extend(bytes.iter().map(|byte| format!("\\x{byte:02x}")));
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use gix::bstr::ByteVec as _;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn odd_paths_are_escaped() {
        assert_eq!(printable("a b/ä".into()), "a b/ä");
        assert_eq!(printable(b"x\xff\\y\n".as_bstr()), "x\\xff\\x5cy\\x0a");
    }

    proptest! {
        #[test]
        fn escaping_loses_nothing(path in proptest::collection::vec(any::<u8>(), 0..40)) {
            let shown = printable(path.as_bstr());
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert_eq!(Vec::unescape_bytes(&shown), path);
        }
    }
}
