//! Removes what no reader needs any more, and nothing that somebody else wrote.

use std::collections::HashSet;
use std::time::Duration;

use gitbarge_core::Result;
use gix::ObjectId;
use jiff::Timestamp;

use super::bundle;
use super::layout::{self, PACKS, pack_key};
use super::record::{Record, Retired};
use crate::store::{INCOMING, Store};

/// How often leftovers of killed runs are looked for.
const PERIOD: Duration = Duration::from_secs(24 * 60 * 60);

/// Dates what is retired by what is about to be published, and takes the packs out of the record that have been retired for longer
/// than `grace`: they are to be deleted once that is published.
pub(crate) fn expire(record: &mut Record, grace: Duration, now: Timestamp) -> Vec<Retired> {
    // A pack may have come again under the name that it had.
    let listed: HashSet<ObjectId> = record.listed().collect();
    let mut seen = HashSet::new();
    let retired = &mut record.retired;
    retired.retain(|pack| !listed.contains(&pack.name.0) && seen.insert(pack.name.0));
    let is_over = |retired: &mut Retired| is_older(*retired.since.get_or_insert(now), grace, now);
    retired.extract_if(.., is_over).collect()
}

/// Deletes packs that were retired long enough.
pub(crate) async fn delete(store: &Store, retired: &[Retired]) -> Result<()> {
    for pack in retired {
        // Without its index a pack is not used; the other way round, a reader would fail.
        store.delete(&pack_key(pack.name.0, "idx")).await?;
        store.delete(&pack_key(pack.name.0, "pack")).await?;
    }
    Ok(())
}

/// Whether it is time to look for leftovers.
pub(crate) fn is_due(record: &Record, now: Timestamp) -> bool {
    record
        .swept
        .is_none_or(|swept| is_older(swept, PERIOD, now))
}

/// Deletes packs that gitbarge wrote, and that no record names, and what was on its way to become one: of runs that were killed.
pub(crate) async fn sweep(
    store: &Store,
    record: &Record,
    grace: Duration,
    now: Timestamp,
) -> Result<()> {
    let retired = record.retired.iter().map(|pack| pack.name.0);
    let mut named: HashSet<String> = record
        .listed()
        .chain(retired)
        .flat_map(|name| [pack_key(name, "pack"), pack_key(name, "idx")])
        .collect();
    // Somebody else may have published in the meantime.
    if let Some(list) = store.get(PACKS).await? {
        named.extend(layout::packs_in(&list.bytes).flat_map(|file| {
            let key = format!("objects/pack/{file}");
            [key.replace(".pack", ".idx"), key]
        }));
    }
    named.extend(record.bundle.map(|name| bundle::key(name.0)));
    named.extend(bundle::published(store).await?);
    let mut stale = store.list("objects/pack/").await?;
    stale.extend(store.list(bundle::FOLDER).await?);
    stale.retain(|found| is_older(found.modified, grace, now));
    // No run goes on for so long, and `grace` is about readers.
    let incoming = store.list(INCOMING).await?.into_iter();
    stale.extend(incoming.filter(|found| is_older(found.modified, PERIOD, now)));
    for found in stale {
        if named.contains(&found.key) {
            continue;
        }
        if store.head(&found.key).await?.is_some_and(|meta| meta.ours) {
            tracing::info!(key = found.key, "Deleted a leftover of an unfinished run.");
            store.delete(&found.key).await?;
        }
    }
    store.sweep_uploads(grace.max(PERIOD)).await?;
    Ok(())
}

fn is_older(since: Timestamp, limit: Duration, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(since)).is_ok_and(|age| age >= limit)
}

#[cfg(test)]
mod tests {
    use gitbarge_testkit::s3::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
    use serde_json::json;

    use super::*;
    use crate::store::{Body, Condition};

    #[tokio::test]
    async fn what_a_killed_run_left_is_swept_after_a_day_and_nothing_of_others() {
        let server = S3Server::start().await;
        let config = json!({
            "url": format!("s3://{BUCKET}"),
            "endpoint": server.endpoint(),
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET_KEY,
        });
        let config = serde_json::from_value(config).unwrap();
        let store = Store::open(&config).await.unwrap();
        let key = |name| format!("{INCOMING}{name}");
        for name in ["old", "new"] {
            let key = key(name);
            let put = store.put(&key, "x".into(), Body::Pack, Condition::None);
            put.await.unwrap();
        }
        let folder = server.bucket(BUCKET);
        std::fs::write(folder.join(key("foreign")), "x").unwrap();
        for name in ["old", "foreign"] {
            let file = std::fs::File::options()
                .write(true)
                .open(folder.join(key(name)));
            let yesterday = std::time::SystemTime::now() - PERIOD;
            file.unwrap().set_modified(yesterday).unwrap();
        }
        let (record, now) = (Record::new(true), Timestamp::now());
        sweep(&store, &record, Duration::ZERO, now).await.unwrap();
        let left = server.keys(BUCKET);
        assert_eq!(left, [key("foreign"), key("new")]);
    }

    #[tokio::test]
    async fn in_a_folder_what_others_wrote_is_never_swept() {
        let dir = tempfile::tempdir().unwrap();
        let config = json!({ "url": format!("file://{}", dir.path().display()) });
        let store = Store::open(&serde_json::from_value(config).unwrap()).await;
        let store = store.unwrap();
        let keys = ["objects/pack/pack-aaa.pack", "bundles/mine.bundle"];
        for key in keys {
            let put = store.put(key, "x".into(), Body::Pack, Condition::None);
            put.await.unwrap();
        }
        let (record, now) = (Record::new(true), Timestamp::now());
        sweep(&store, &record, Duration::ZERO, now).await.unwrap();
        for key in keys {
            assert!(store.get(key).await.unwrap().is_some(), "{key}");
        }
    }
}
