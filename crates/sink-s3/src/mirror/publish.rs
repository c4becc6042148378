//! The order in which readers come to see a run's work; the last write is the commit point.

use bytes::Bytes;
use gitbarge_core::{Error, ErrorKind, RemoteRef, Result};

use super::bundle;
use super::layout::{self, HEAD, PACKS, REFS};
use super::record::{RECORD, Record};
use super::snapshot::{Snapshot, overtaken};
use crate::store::{Body, Store, Tag};

/// Makes the store show these refs, whose objects are in the packs of the record.
///
/// Every pointer is written on the condition that it is still as it was at the start: a slower writer that went on would put
/// an old list of packs over a newer one, and leave refs without objects.
///
/// # Errors
/// `conflict` if somebody else has published in the meantime; those of [`Store::put`].
pub(crate) async fn publish(
    store: &Store,
    before: &Snapshot,
    record: Record,
    refs: &[RemoteRef],
) -> Result<Record> {
    let tag = before.record_tag.clone();
    let mut publication = Publication {
        store,
        before,
        record,
        tag,
    };
    publication.packs().await?;
    let is_head_new = publication.head(refs).await?;
    publication.bundle().await?;
    match publication.commit(refs).await {
        Err(error) if is_head_new && error.kind() == ErrorKind::Conflict => {
            doubt_head(store).await?;
            Err(error)
        }
        committed => committed.map(|()| publication.record),
    }
}

/// The quicker writer's HEAD may be overwritten by now: whoever comes next is made to write it again.
///
/// The condition of its write does not exclude that: with the same text it has the same tag as before.
async fn doubt_head(store: &Store) -> Result<()> {
    loop {
        let now = Snapshot::read(store).await?;
        let Some(record) = now.record.filter(|record| record.head.is_some()) else {
            return Ok(());
        };
        match put_record(store, &record.without_head(), now.record_tag.as_ref()).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            put => return put.map(drop),
        }
    }
}

struct Publication<'p> {
    store: &'p Store,
    before: &'p Snapshot,
    /// What is to be written.
    record: Record,
    /// The tag of the record that is there.
    tag: Option<Tag>,
}

impl Publication<'_> {
    /// Written by every run: a writer that died may have left another list.
    async fn packs(&mut self) -> Result<()> {
        let mut known = self.record.packs_tag.take().map(Tag::from);
        let mut others = Bytes::new();
        if self.before.refs_tag.is_some() && !self.before.is_trusted() {
            // The refs are somebody else's, and so are the packs that they lead into.
            if let Some(found) = self.store.get(PACKS).await? {
                (known, others) = (Some(found.tag), found.bytes);
            }
        }
        let text = layout::packs_text(self.record.listed(), &others);
        let tag = self.point(PACKS, text.into(), known).await?;
        self.record.packs_tag = Some(tag.into());
        Ok(())
    }

    /// Whether it was written.
    async fn head(&mut self, refs: &[RemoteRef]) -> Result<bool> {
        let text = layout::head_text(refs);
        let is_right = layout::head_text(&self.before.shown()) == text;
        if is_right && self.before.head().is_some() && self.before.is_trusted() {
            return Ok(false);
        }
        let old = self.before.record.as_ref();
        if let Some(old) = old.filter(|old| old.head.is_some()) {
            // Should this run end before the commit point, the next one must not take HEAD for what it was.
            let doubtful = old.clone().without_head();
            self.write(&doubtful).await?;
        }
        let known = self.record.head_tag.take().map(Tag::from);
        let tag = self.point(HEAD, text.into(), known).await?;
        self.record.head_tag = Some(tag.into());
        Ok(true)
    }

    async fn bundle(&self) -> Result<()> {
        let old = self.before.record.as_ref().and_then(|old| old.bundle);
        match self.record.bundle.filter(|new| Some(*new) != old) {
            Some(name) => bundle::publish(self.store, name.0).await,
            None => Ok(()),
        }
    }

    /// Writes what the mirror knows of itself, and then the refs.
    async fn commit(&mut self, refs: &[RemoteRef]) -> Result<()> {
        let text = layout::refs_text(refs)?;
        self.record.also = self.before.may_stand();
        self.record.refs = layout::digest(&text);
        self.record.reached.clear();
        let record = self.record.clone();
        self.write(&record).await?;
        let condition = record.unless_changed(self.before.refs_tag.as_ref());
        self.store
            .put(REFS, text.into(), Body::Pointer, condition)
            .await
            .map_err(|error| lost_race(error, REFS))?;
        Ok(())
    }

    /// Writes a file from which readers begin, in place of the one with the known tag.
    async fn point(&mut self, key: &str, text: Bytes, known: Option<Tag>) -> Result<Tag> {
        let condition = self.record.unless_changed(known.as_ref());
        let put = self.store.put(key, text.clone(), Body::Pointer, condition);
        match put.await {
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            put => return put,
        }
        // What is there is by a writer that died after this write, or by one that is about to write the record: a new tag of
        // the record stops that one, before its pointer goes.
        let old = self.before.record.clone();
        let claim = old.unwrap_or_else(|| Record::new(self.record.conditional));
        self.write(&claim.without_head()).await?;
        let found = self.store.head(key).await?.map(|meta| meta.tag);
        let condition = self.record.unless_changed(found.as_ref());
        let put = self.store.put(key, text, Body::Pointer, condition);
        put.await.map_err(|error| lost_race(error, key))
    }

    async fn write(&mut self, record: &Record) -> Result<()> {
        self.tag = Some(put_record(self.store, record, self.tag.as_ref()).await?);
        Ok(())
    }
}

/// Writes the record in place of the one with this tag.
///
/// # Errors
/// `conflict` if it has another; those of [`Store::put`].
pub(crate) async fn put_record(store: &Store, record: &Record, tag: Option<&Tag>) -> Result<Tag> {
    let mut written = record.clone();
    written.nonce = fastrand::u64(..);
    let condition = record.unless_changed(tag);
    store
        .put(RECORD, written.to_json().into(), Body::State, condition)
        .await
        .map_err(|error| lost_race(error, RECORD))
}

fn lost_race(error: Error, what: &str) -> Error {
    match error.kind() {
        ErrorKind::Conflict => overtaken(what),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use gitbarge_testkit::s3::S3Server;
    use gix::ObjectId;
    use jiff::Timestamp;

    use super::super::record::{Hash, Pack};
    use super::*;
    use crate::store::tests::store;

    fn with_pack(name: u8) -> Record {
        let mut record = Record::new(true);
        record.packs.push(Pack {
            name: Hash(ObjectId::Sha1([name; 20])),
            objects: 1,
            size: 1,
            created: Timestamp::UNIX_EPOCH,
            haves: Vec::new(),
            ids: Vec::new(),
        });
        record
    }

    #[tokio::test]
    async fn of_two_that_list_packs_at_once_the_overwritten_one_cannot_go_on() {
        let server = S3Server::start().await;
        let store = store(&server).await;
        let nothing = Snapshot::default();
        let writer = |name| Publication {
            store: &store,
            before: &nothing,
            record: with_pack(name),
            tag: None,
        };
        let (mut slow, mut quick) = (writer(1), writer(2));
        slow.packs().await.unwrap();
        quick.packs().await.unwrap();
        let late = slow.commit(&[]).await.unwrap_err();
        assert_eq!(late.kind(), ErrorKind::Conflict);
        quick.commit(&[]).await.unwrap();
        let listed = store.get(PACKS).await.unwrap().unwrap();
        assert!(listed.bytes.starts_with(b"P pack-0202"));
    }
}
