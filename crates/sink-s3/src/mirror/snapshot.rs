//! What a mirror holds, read from the store itself.

use std::collections::HashSet;

use gitbarge_core::{Error, ErrorKind, Held, RemoteRef, Result, Target};
use gix::ObjectId;

use super::layout::{self, REFS};
use super::record::{Head, RECORD, Record};
use crate::store::{Store, Tag};

/// The largest record and list of refs that are read, in bytes: those of some million refs.
const LARGEST: u64 = 256 << 20;

/// How many refs of writers that died one after the other are remembered.
const MOST_PENDING: usize = 8;

/// What a mirror holds, and the tags by which a newer writer is recognised.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    pub(crate) refs: Vec<RemoteRef>,
    pub(crate) refs_tag: Option<Tag>,
    /// The fingerprint of `info/refs`.
    pub(crate) refs_digest: Option<String>,
    /// `None` for a target that gitbarge has not written yet.
    pub(crate) record: Option<Record>,
    pub(crate) record_tag: Option<Tag>,
}

impl Snapshot {
    /// Two requests.
    ///
    /// # Errors
    /// Those of [`Store::get`]; `corrupt`, `refused`.
    pub(crate) async fn read(store: &Store) -> Result<Self> {
        let get = |key| store.get_limited(key, LARGEST);
        let (mut refs, mut record) = tokio::join!(get(REFS), get(RECORD));
        // Only once something was read is it known what a refusal means.
        let is_refused =
            |got: &Result<_>| matches!(got, Err(e) if e.kind() == ErrorKind::AuthFailed);
        if is_refused(&refs) && record.is_ok() {
            refs = get(REFS).await;
        } else if is_refused(&record) && refs.is_ok() {
            record = get(RECORD).await;
        }
        let (refs, record) = (refs?, record?);
        let mut snapshot = Self::default();
        if let Some(record) = record {
            snapshot.record = Some(Record::parse(&record.bytes)?);
            snapshot.record_tag = Some(record.tag);
        }
        if let Some(refs) = refs {
            match layout::parse_refs(&refs.bytes) {
                Ok(parsed) => snapshot.refs = parsed,
                // What somebody else has put there is replaced; what we have put there is damaged.
                Err(error) if snapshot.record.is_some() => return Err(error),
                Err(_) => {}
            }
            snapshot.refs_digest = Some(layout::digest(&refs.bytes));
            snapshot.refs_tag = Some(refs.tag);
        }
        Ok(snapshot)
    }

    /// Whether everything that the refs lead to is there: gitbarge wrote them.
    pub(crate) fn is_trusted(&self) -> bool {
        match (&self.record, &self.refs_digest) {
            (Some(record), Some(digest)) => record.wrote(digest),
            _ => false,
        }
    }

    /// Whether a writer has named new refs in the record that it has not published, or not yet.
    pub(crate) fn is_pending(&self) -> bool {
        let refs = self.record.as_ref().map(|record| &record.refs);
        self.is_trusted() && refs != self.refs_digest.as_ref()
    }

    /// The fingerprints of the refs that may stand until a run has published its own, and lead into listed packs.
    pub(crate) fn may_stand(&self) -> Vec<String> {
        let Some(record) = self.record.as_ref().filter(|_| self.is_trusted()) else {
            return Vec::new();
        };
        let mut digests: Vec<String> = self.refs_digest.iter().cloned().collect();
        if self.is_pending() {
            let named = [&record.refs].into_iter().chain(&record.also);
            for digest in named.take(MOST_PENDING) {
                if !digests.contains(digest) {
                    digests.push(digest.clone());
                }
            }
        }
        digests
    }

    /// Lets go what a run that was broken off has brought, if these refs have moved on since: nothing may lead to the LFS
    /// objects that it missed. What still is wanted comes again.
    pub(crate) fn forget_moved(&mut self, refs: &[RemoteRef]) {
        let Some(record) = &mut self.record else {
            return;
        };
        let shown: HashSet<ObjectId> = refs.iter().map(|r| r.id).collect();
        if !record.reached.iter().all(|hash| shown.contains(&hash.0)) {
            record.reached.clear();
            record.lfs_new.clear();
        }
    }

    /// What need not be sent: it is there with all that it reaches.
    pub(crate) fn haves(&self) -> Vec<ObjectId> {
        let mut haves: Vec<ObjectId> = Vec::new();
        if self.is_trusted() {
            haves.extend(self.refs.iter().map(|r| r.id));
        }
        let reached = self.record.iter().flat_map(|record| &record.reached);
        haves.extend(reached.map(|hash| hash.0));
        haves.sort_unstable();
        haves.dedup();
        haves
    }

    pub(crate) fn head(&self) -> Option<&Head> {
        self.record.as_ref().and_then(|record| record.head.as_ref())
    }

    /// All that readers see: HEAD, as the record has it, and the refs.
    pub(crate) fn shown(&self) -> Vec<RemoteRef> {
        let head = self.head().map(|head| RemoteRef {
            name: layout::HEAD.into(),
            id: head.id.0,
            peeled: None,
            symref: head.branch.as_ref().map(|branch| branch.clone().into()),
        });
        head.into_iter().chain(self.refs.iter().cloned()).collect()
    }

    /// The commit that a target's ref leads to.
    pub(crate) fn commit(&self, target: Option<&Target>) -> Option<ObjectId> {
        let reference = target?.reference.as_deref()?;
        let mut refs = self.refs.iter();
        let found = refs.find(|r| r.name == reference.as_bytes())?;
        Some(found.peeled.unwrap_or(found.id))
    }

    /// For the engine.
    pub(crate) fn held(&self) -> Held {
        let head = self.head();
        Held {
            commit: head.map(|head| head.id.0),
            branch: head.and_then(|head| head.branch.clone()),
            refs: Some(self.shown()),
            // A first delivery publishes even an empty repository; refs that somebody else wrote may lead nowhere.
            drifted: !self.is_trusted(),
            subject: head.and_then(|head| head.subject.clone()),
            ..Held::default()
        }
    }
}

/// Why a run must begin anew: somebody else has published in the meantime.
pub(crate) fn overtaken(what: &str) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("another process has written `{what}` of the mirror in the meantime"),
    )
}
