//! File names for keys: any text, on any file system, without two keys ever meeting in one name.

use std::path::{Path, PathBuf};

use gitbarge_core::Key;
use sha2::{Digest, Sha256};

/// Longer names are replaced by their hash: most file systems end at 255 bytes, and suffixes need room.
const LONGEST: usize = 200;

/// The suffix of a file that holds a value. Escaped names have no dot, so no folder can be called so.
pub(crate) const VALUE: &str = "value";

/// The file that holds a key's value: a folder for each segment but the last. `None` for the key without segments.
pub(crate) fn value_path(values: &Path, key: &Key) -> Option<PathBuf> {
    let (last, folders) = key.segments().split_last()?;
    let mut path = folder_path(values, folders);
    path.push(format!("{}.{VALUE}", file_name(last)));
    Some(path)
}

/// The folder that holds the values below a key.
pub(crate) fn folder_path(values: &Path, segments: &[String]) -> PathBuf {
    let mut path = values.to_owned();
    path.extend(segments.iter().map(|segment| file_name(segment)));
    path
}

/// The name of a lease's file: all segments in one name.
pub(crate) fn lease_name(key: &Key) -> String {
    let segments: Vec<String> = key.segments().iter().map(|s| escaped(s)).collect();
    bounded(segments.join("."))
}

fn file_name(segment: &str) -> String {
    bounded(escaped(segment))
}

/// Capitals are escaped too: some file systems take `A` and `a` for one name.
fn escaped(segment: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut name = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            _ => {
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                name.extend(['%', char::from(HEX[high]), char::from(HEX[low])]);
            }
        }
    }
    name
}

/// A `~` marks a hash: no escaped name has one.
fn bounded(name: String) -> String {
    if name.len() <= LONGEST {
        return name;
    }
    let hash: String = Sha256::digest(name.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("~{hash}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn names_are_readable_where_they_can_be() {
        let path = value_path(Path::new("/s"), &Key::new("pipeline/My Site/..")).unwrap();
        assert_eq!(path, Path::new("/s/pipeline/%4dy%20%53ite/%2e%2e.value"));
        assert_eq!(lease_name(&Key::new("pipeline/site")), "pipeline.site");
        assert_eq!(value_path(Path::new("/s"), &Key::new("")), None);
    }

    proptest! {
        #[test]
        fn names_are_safe_and_tell_segments_apart(one in "\\PC{1,80}", two in "\\PC{1,80}") {
            let name = file_name(&one);
            prop_assert!(name.len() <= LONGEST);
            prop_assert!(name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'%' | b'~')));
            prop_assert_eq!(one == two, name == file_name(&two));
        }
    }
}
