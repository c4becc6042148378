//! `gitbarge/state.json`: what a mirror knows of itself besides what readers see.

use std::collections::{BTreeMap, BTreeSet};

use gitbarge_core::{Error, ErrorKind, Result};
use gix::ObjectId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::{Condition, Tag};

/// Where it lies.
pub(crate) const RECORD: &str = "gitbarge/state.json";
/// The only version so far.
const VERSION: u32 = 1;

/// What a mirror knows of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    version: u32,
    /// Whether the store keeps its promise of conditional writes.
    pub(crate) conditional: bool,
    /// The fingerprint of the `info/refs` that goes with it.
    pub(crate) refs: String,
    /// Those of others that may stand for now, all of which lead into the listed packs. Any more are somebody else's.
    #[serde(default)]
    pub(crate) also: Vec<String>,
    pub(crate) head: Option<Head>,
    /// The tag of `HEAD`, as the store gave it.
    #[serde(default)]
    pub(crate) head_tag: Option<String>,
    /// The tag of `objects/info/packs`, as the store gave it.
    pub(crate) packs_tag: Option<String>,
    /// The packs that readers are told of, oldest first.
    pub(crate) packs: Vec<Pack>,
    /// Packs that are listed for the refs of before, until the next run has published.
    #[serde(default)]
    pub(crate) superseded: Vec<Pack>,
    /// Packs that readers may still be reading.
    #[serde(default)]
    pub(crate) retired: Vec<Retired>,
    /// Commits that are there with all that they reach, though no ref leads to them yet.
    #[serde(default)]
    pub(crate) reached: Vec<Hash>,
    /// The LFS objects that are there, by their SHA-256.
    #[serde(default)]
    pub(crate) lfs: BTreeSet<String>,
    /// The LFS objects that packs point to, and that are not there yet, with their sizes.
    #[serde(default)]
    pub(crate) lfs_wanted: BTreeMap<String, u64>,
    /// The same of packs that no ref leads into yet.
    #[serde(default)]
    pub(crate) lfs_new: BTreeMap<String, u64>,
    /// The pack whose bundle readers are told of.
    #[serde(default)]
    pub(crate) bundle: Option<Hash>,
    /// When leftovers were last looked for.
    pub(crate) swept: Option<Timestamp>,
    /// Another for each write: stores give the same text the same tag, and every write has to show.
    #[serde(default)]
    pub(crate) nonce: u64,
}

/// Where HEAD leads, and the subject line of that commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) id: Hash,
    pub(crate) branch: Option<String>,
    pub(crate) subject: Option<String>,
}

/// A pack of the mirror.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pack {
    pub(crate) name: Hash,
    pub(crate) objects: u64,
    pub(crate) size: u64,
    pub(crate) created: Timestamp,
    /// Some of what was there before it: with all older packs, everything that these reach is there.
    #[serde(default)]
    pub(crate) haves: Vec<Hash>,
    /// What is in it, sorted, of a small pack that came after others: its index need not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ids: Vec<Hash>,
}

/// A pack that readers are no longer told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Retired {
    pub(crate) name: Hash,
    /// `None` until a run has published without it.
    pub(crate) since: Option<Timestamp>,
}

/// A git hash, in JSON as hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Hash(pub(crate) ObjectId);

impl TryFrom<String> for Hash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let id = ObjectId::from_hex(text.as_bytes());
        id.map(Self).map_err(|_| format!("`{text}` is no hash"))
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.0.to_string()
    }
}

impl Record {
    /// Of a mirror that has nothing yet.
    pub(crate) fn new(conditional: bool) -> Self {
        Self {
            version: VERSION,
            conditional,
            refs: String::new(),
            also: Vec::new(),
            head: None,
            head_tag: None,
            packs_tag: None,
            packs: Vec::new(),
            superseded: Vec::new(),
            retired: Vec::new(),
            reached: Vec::new(),
            lfs: BTreeSet::new(),
            lfs_wanted: BTreeMap::new(),
            lfs_new: BTreeMap::new(),
            bundle: None,
            swept: None,
            nonce: 0,
        }
    }

    /// # Errors
    /// `corrupt`; `refused` if a newer version of gitbarge wrote it.
    pub(crate) fn parse(json: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let corrupt = |e| {
            Error::new(ErrorKind::Corrupt, format!("`{RECORD}` is damaged"))
                .with_source(e)
                .with_hint(
                    "delete it: the next run mirrors everything anew, and keeps what is there",
                )
        };
        let Versioned { version } = serde_json::from_slice(json).map_err(corrupt)?;
        if version > VERSION {
            return Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "`{RECORD}` has version {version}, and this gitbarge knows {VERSION}: a newer one writes here"
                ),
            ));
        }
        serde_json::from_slice(json).map_err(corrupt)
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        let json = serde_json::to_vec(self);
        json.expect("plain data with string keys is JSON")
    }

    /// The condition that nobody has written since a tag was read, for stores that know conditions.
    pub(crate) fn unless_changed(&self, tag: Option<&Tag>) -> Condition {
        match tag {
            _ if !self.conditional => Condition::None,
            Some(tag) => Condition::Is(tag.clone()),
            None => Condition::Absent,
        }
    }

    /// Whether every LFS object that packs point to is there.
    pub(crate) fn has_all_lfs(&self) -> bool {
        self.lfs_wanted.is_empty() && self.lfs_new.is_empty()
    }

    /// The packs that readers are told of, newest first.
    pub(crate) fn listed(&self) -> impl Iterator<Item = ObjectId> {
        let (packs, superseded) = (self.packs.iter().rev(), self.superseded.iter().rev());
        packs.chain(superseded).map(|pack| pack.name.0)
    }

    /// Readers are to be told of these packs no longer; what they have begun to read stays for a while.
    pub(crate) fn retire(&mut self, packs: impl IntoIterator<Item = Pack>) {
        let retired = packs.into_iter().map(|pack| Retired {
            name: pack.name,
            since: None,
        });
        self.retired.extend(retired);
    }

    /// The same, knowing nothing of HEAD: it is written anew before anybody relies on it.
    pub(crate) fn without_head(self) -> Self {
        Self { head: None, ..self }
    }

    /// Whether an `info/refs` with this fingerprint is ours, so that all it leads to is there.
    pub(crate) fn wrote(&self, refs: &str) -> bool {
        self.refs == refs || self.also.iter().any(|also| also == refs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_the_way_there_and_back() {
        let mut record = Record::new(true);
        record.packs.push(Pack {
            name: Hash(ObjectId::null(gix::hash::Kind::Sha1)),
            objects: 3,
            size: 2411,
            created: Timestamp::UNIX_EPOCH,
            haves: Vec::new(),
            ids: Vec::new(),
        });
        let read = Record::parse(&record.to_json()).unwrap();
        assert_eq!(read.packs, record.packs);
    }

    #[test]
    fn damage_and_the_future_are_told_apart() {
        for (json, kind) in [
            ("{", ErrorKind::Corrupt),
            ("{\"version\":1}", ErrorKind::Corrupt),
            ("{\"version\":2}", ErrorKind::Refused),
        ] {
            assert_eq!(Record::parse(json.as_bytes()).unwrap_err().kind(), kind);
        }
    }
}
