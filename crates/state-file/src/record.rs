//! The bytes of one file: a header line with a checksum, then the value.
//!
//! `gitbarge-state 1 <crc32> <version> <key as a JSON array>\n<value>`; the checksum covers all that follows it.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use bytes::Bytes;
use gitbarge_core::{Entry, Key, Version};

const MAGIC: &[u8] = b"gitbarge-state 1 ";
const CHECKSUM_DIGITS: usize = 8;

/// A value with the key that it belongs to: names of files may be hashes, which do not tell it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) key: Key,
    pub(crate) entry: Entry,
}

impl Record {
    pub(crate) fn new(key: &Key, value: Bytes) -> Self {
        Self {
            key: key.clone(),
            entry: Entry {
                value,
                version: fresh_version(),
            },
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let key = serde_json::to_string(self.key.segments()).expect("texts are always JSON");
        let mut body = format!("{} {key}\n", self.entry.version.0).into_bytes();
        body.extend_from_slice(&self.entry.value);
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(checksum_of(&body).as_bytes());
        bytes.push(b' ');
        bytes.append(&mut body);
        bytes
    }

    /// `None` if the bytes are torn or damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (checksum, rest) = bytes
            .strip_prefix(MAGIC)?
            .split_at_checked(CHECKSUM_DIGITS)?;
        let body = rest.strip_prefix(b" ")?;
        if checksum != checksum_of(body).as_bytes() {
            return None;
        }
        let end = body.iter().position(|&byte| byte == b'\n')?;
        let (version, key) = std::str::from_utf8(&body[..end]).ok()?.split_once(' ')?;
        let segments: Vec<String> = serde_json::from_str(key).ok()?;
        Some(Self {
            key: Key::from_segments(segments),
            entry: Entry {
                value: Bytes::copy_from_slice(&body[end + 1..]),
                version: Version(version.to_owned()),
            },
        })
    }
}

fn checksum_of(body: &[u8]) -> String {
    format!("{:08x}", crc32fast::hash(body))
}

/// Random, so that a value which was deleted and written again never has an old version.
fn fresh_version() -> Version {
    let random = || RandomState::new().build_hasher().finish();
    Version(format!("{:016x}{:016x}", random(), random()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(segments: Vec<String>, value: Vec<u8>) {
            let record = Record::new(&Key::from_segments(segments), value.into());
            prop_assert_eq!(Record::decode(&record.encode()), Some(record));
        }

        #[test]
        fn a_torn_or_damaged_record_is_noticed(value in proptest::collection::vec(any::<u8>(), 0..200), at: usize, bit in 0..8_u32) {
            let bytes = Record::new(&Key::new("a/b"), value.into()).encode();
            prop_assert!(Record::decode(&bytes[..at % bytes.len()]).is_none());
            let mut damaged = bytes;
            let at = at % damaged.len();
            damaged[at] ^= 1_u8 << bit;
            prop_assert!(Record::decode(&damaged).is_none());
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            prop_assert!(Record::decode(&bytes).is_none());
        }
    }

    #[test]
    fn versions_differ() {
        let one = Record::new(&Key::new("a"), Bytes::new());
        let two = Record::new(&Key::new("a"), Bytes::new());
        assert_ne!(one.entry.version, two.entry.version);
    }
}
