//! The order in which readers come to see a run's work; the last write is the commit point.

use bytes::Bytes;
use gitbarge_core::{ErrorKind, RemoteRef, Result};

use super::layout::{self, HEAD, PACKS, REFS};
use super::record::{RECORD, Record};
use super::snapshot::{Snapshot, overtaken};
use crate::store::{Body, Condition, Store, Tag};

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
    mut record: Record,
    refs: &[RemoteRef],
) -> Result<Record> {
    let old = before.record.as_ref();
    let mut tag = before.record_tag.clone();
    if record.packs_tag.is_none() || old.is_none_or(|old| old.packs != record.packs) {
        record.packs_tag = Some(put_packs(store, before, &record, &mut tag).await?.into());
    }
    let head = layout::head_text(refs);
    let is_right = layout::head_text(&before.shown()) == head && before.head().is_some();
    if is_right && before.is_trusted() {
        return commit(store, before, record, tag.as_ref(), refs).await;
    }
    if let Some(old) = old.filter(|old| old.head.is_some()) {
        // Should this run end before the commit point, the next one must not take HEAD for what it was.
        let doubtful = old.clone().without_head();
        tag = Some(put_record(store, &doubtful, tag.as_ref()).await?);
    }
    store
        .put(HEAD, head.into(), Body::Pointer, Condition::None)
        .await?;
    match commit(store, before, record, tag.as_ref(), refs).await {
        Err(error) if error.kind() == ErrorKind::Conflict => {
            doubt_head(store).await?;
            Err(error)
        }
        done => done,
    }
}

/// Writes what the mirror knows of itself, and then the refs.
async fn commit(
    store: &Store,
    before: &Snapshot,
    mut record: Record,
    tag: Option<&Tag>,
    refs: &[RemoteRef],
) -> Result<Record> {
    let text = layout::refs_text(refs)?;
    record.refs_before = before.refs_digest.clone().filter(|_| before.is_trusted());
    record.refs = layout::digest(&text);
    record.reached.clear();
    put_record(store, &record, tag).await?;
    let condition = record.unless_changed(before.refs_tag.as_ref());
    store
        .put(REFS, text.into(), Body::Pointer, condition)
        .await
        .map_err(|error| lost_race(error, REFS))?;
    Ok(record)
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

/// The quicker writer's HEAD may be overwritten by now: whoever comes next is made to write it again.
///
/// HEAD itself cannot be guarded by a condition: with the same text it has the same tag as before.
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

/// Writes the list of packs; `tag` is the record's, before and after.
async fn put_packs(
    store: &Store,
    before: &Snapshot,
    record: &Record,
    tag: &mut Option<Tag>,
) -> Result<Tag> {
    let names = record.packs.iter().rev().map(|pack| pack.name.0);
    let text = Bytes::from(layout::packs_text(names));
    let known = record.packs_tag.clone().map(Tag::from);
    let put = |tag: Option<Tag>| {
        let (condition, text) = (record.unless_changed(tag.as_ref()), text.clone());
        store.put(PACKS, text, Body::Pointer, condition)
    };
    match put(known).await {
        Err(error) if error.kind() == ErrorKind::Conflict => {
            // The list is by a writer that died after this write, or by one that is about to write the record: a new tag
            // of the record stops that one, before its list goes.
            let old = before.record.clone();
            let claim = old.unwrap_or_else(|| Record::new(record.conditional));
            *tag = Some(put_record(store, &claim, tag.as_ref()).await?);
            let found = store.head(PACKS).await?;
            put(found.map(|meta| meta.tag))
                .await
                .map_err(|error| lost_race(error, PACKS))
        }
        put => put,
    }
}

fn lost_race(error: gitbarge_core::Error, what: &str) -> gitbarge_core::Error {
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
        let (slow, quick) = (with_pack(1), with_pack(2));
        let (mut slow_tag, mut quick_tag) = (None, None);
        put_packs(&store, &nothing, &slow, &mut slow_tag)
            .await
            .unwrap();
        put_packs(&store, &nothing, &quick, &mut quick_tag)
            .await
            .unwrap();
        let late = put_record(&store, &slow, slow_tag.as_ref()).await;
        assert_eq!(late.unwrap_err().kind(), ErrorKind::Conflict);
        put_record(&store, &quick, quick_tag.as_ref())
            .await
            .unwrap();
        let listed = store.get(PACKS).await.unwrap().unwrap();
        assert!(listed.bytes.starts_with(b"P pack-0202"));
    }
}
