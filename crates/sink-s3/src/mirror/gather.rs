//! Brings packs from the remote into the store, within the memory that is allowed.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use gitbarge_core::{Delivery, PackRequest, Result, Run};
use gitbarge_git::index::{self, Beyond, Index, Indexed, PackBytes, Spool};
use gitbarge_git::pointer::Pointer;
use gix::ObjectId;
use gix::bstr::ByteSlice as _;
use jiff::Timestamp;

use super::bundle;
use super::chunks::chunks;
use super::gate::Indexes;
use super::layout::pack_key;
use super::record::{Hash, Pack};
use crate::store::{Body, Staged, Store};

/// The most ids of a pack's haves that are remembered; with fewer of them, a later pack in its place is larger than it need be.
const MOST_HAVES: usize = 256;

/// The most objects of a pack that the record lists: it is written by each run.
const MOST_IDS: u32 = 256;

/// Where packs stand while they are indexed.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    /// How many bytes of a pack may be in memory.
    pub(crate) memory: u64,
    /// Where larger ones go; without, into the store itself.
    pub(crate) spool: Option<PathBuf>,
}

impl Room {
    /// The place of one pack. What it wrote to the store goes when the second part is dropped.
    fn open(&self, store: &Store, run: &Run) -> (index::Room, Option<Staged>) {
        let (beyond, staged): (Box<dyn Beyond>, _) = match &self.spool {
            Some(folder) => (Box::new(Spool::new(folder)), None),
            None => {
                let (staged, writer) = store.stage(run.cancel_token());
                (writer, Some(staged))
            }
        };
        let memory = self.memory;
        (index::Room { memory, beyond }, staged)
    }
}

/// What is needed to bring packs.
pub(crate) struct Gathering<'g> {
    pub(crate) store: &'g Store,
    pub(crate) indexes: &'g Indexes,
    pub(crate) delivery: &'g Delivery,
    pub(crate) room: &'g Room,
    /// Whether a pack with the whole history becomes a bundle too.
    pub(crate) bundle: bool,
    pub(crate) run: &'g Run,
}

/// One pack that is needed.
pub(crate) struct Need<'g> {
    pub(crate) wants: &'g [ObjectId],
    pub(crate) haves: &'g [ObjectId],
    /// Those in the store.
    pub(crate) packs: &'g [Pack],
    /// The commit whose subject line is to be found.
    pub(crate) tip: Option<ObjectId>,
}

/// A pack that is in the store, with its index.
pub(crate) struct Arrived {
    pub(crate) pack: Pack,
    pub(crate) pointers: Vec<Pointer>,
    /// The subject line of [`Need::tip`], if that is in this pack.
    pub(crate) subject: Option<String>,
    pub(crate) is_bundled: bool,
}

impl Gathering<'_> {
    /// Brings one pack with everything that the wants reach and the haves do not; `None` if there is nothing such.
    ///
    /// # Errors
    /// Those of [`Delivery::pack`] and [`Store::upload`]; `corrupt` if links lead nowhere.
    pub(crate) async fn bring(&self, need: Need<'_>) -> Result<Option<Arrived>> {
        let request = PackRequest {
            wants: need.wants.to_vec(),
            haves: need.haves.to_vec(),
        };
        let stream = self.delivery.pack(request, self.run).await?;
        let (room, staged) = self.room.open(self.store, self.run);
        let progress = self.run.progress().clone();
        let work = move |stop: &Arc<_>| index::index(stream, room, &progress, stop);
        let (indexed, bytes) = self.run.blocking("indexing the pack", work).await?;
        if indexed.objects == 0 {
            let Need { wants, packs, .. } = need;
            self.indexes
                .check(self.store, wants.to_vec(), packs)
                .await?;
            return Ok(None);
        }
        let arrived = self.store(indexed, bytes, staged.as_ref(), need).await?;
        Ok(Some(arrived))
    }

    /// Uploads a pack whose links are closed, and its index after it: an index without its pack fails readers.
    async fn store(
        &self,
        indexed: Indexed,
        bytes: PackBytes,
        staged: Option<&Staged>,
        need: Need<'_>,
    ) -> Result<Arrived> {
        let (name, size) = (indexed.name, bytes.length());
        let (bytes, index) = (Arc::new(bytes), Bytes::from(indexed.index));
        let new = Index::parse(index.clone())?;
        // What the haves are is there, as is all that they reach.
        let haves: HashSet<&ObjectId> = need.haves.iter().collect();
        let wants = need.wants.iter().copied().filter(|id| !new.contains(id));
        let links = wants.chain(indexed.links).filter(|id| !haves.contains(id));
        self.indexes
            .check(self.store, links.collect(), need.packs)
            .await?;
        let subject = match need.tip {
            Some(tip) => subject(&bytes, &index, tip, self.run).await?,
            None => None,
        };
        self.put_pack(&pack_key(name, "pack"), &bytes, staged)
            .await?;
        let body = stream::iter([Ok(index.clone())]);
        let key = pack_key(name, "idx");
        let length = index.len() as u64;
        self.store.upload(&key, length, body, Body::Idx).await?;
        let ids = match need.haves {
            // Its index is the one that the next run reads anyway.
            [] => Vec::new(),
            _ if new.len() > MOST_IDS => Vec::new(),
            _ => new.ids().map(Hash).collect(),
        };
        self.indexes.remember(name, index);
        let is_bundled = self.bundle && need.haves.is_empty();
        if is_bundled {
            bundle::upload(self.store, &self.delivery.refs, name, &bytes).await?;
        }
        tracing::debug!(%name, objects = indexed.objects, size, "Pack uploaded.");
        let haves = need.haves.iter().take(MOST_HAVES);
        Ok(Arrived {
            pack: Pack {
                name: Hash(name),
                objects: u64::from(indexed.objects),
                size,
                created: Timestamp::now(),
                haves: haves.map(|id| Hash(*id)).collect(),
                ids,
            },
            pointers: indexed.pointers,
            subject,
            is_bundled,
        })
    }

    async fn put_pack(
        &self,
        key: &str,
        bytes: &Arc<PackBytes>,
        staged: Option<&Staged>,
    ) -> Result<()> {
        let length = bytes.length();
        if let Some(staged) = staged.filter(|_| !bytes.is_in_memory())
            && staged.publish(key, length, Body::Pack).await?
        {
            return Ok(());
        }
        let body = chunks(Bytes::new(), bytes);
        self.store.upload(key, length, body, Body::Pack).await
    }
}

/// The first line of a commit's message; `None` if the commit is not in this pack.
async fn subject(
    pack: &Arc<PackBytes>,
    index: &Bytes,
    commit: ObjectId,
    run: &Run,
) -> Result<Option<String>> {
    let (pack, index) = (pack.clone(), index.clone());
    let read = move |_: &Arc<_>| index::read_object(&pack, &index, commit);
    let object = run.blocking("reading the commit", read).await?;
    Ok(object.map(|(_, data)| first_line(&data)))
}

/// The first line of the message in the text of a commit.
fn first_line(commit: &[u8]) -> String {
    let message = commit
        .find("\n\n")
        .map_or(&[][..], |end| &commit[end + 2..]);
    let line = message.lines().next().unwrap_or_default();
    line.to_str_lossy().into_owned()
}
