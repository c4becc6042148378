//! Brings LFS objects from their server into the store.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use gitbarge_core::{Delivery, Error, ErrorKind, Result, Run};
use gitbarge_git::pointer::Pointer;
use gitbarge_lfs::{Client, Download, Object, ObjectStream};

use super::record::Record;
use crate::config::LfsPolicy;
use crate::store::{Body, Store};

/// How many objects are on their way at a time.
const AT_A_TIME: usize = 4;
/// How many objects the server is asked for at a time: what it answers may expire before its turn comes.
const BATCH: usize = 100;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// What came of bringing LFS objects.
#[derive(Debug, Default)]
pub(crate) struct Brought {
    pub(crate) uploaded: u64,
    /// Objects that could not be had, under `best_effort`.
    pub(crate) missing: u64,
    /// Why the mirror must not be published.
    pub(crate) error: Option<Error>,
}

/// Notes down which objects are needed and not there.
pub(crate) fn want(record: &mut Record, pointers: &[Pointer]) {
    for pointer in pointers {
        let object = Object {
            oid: pointer.oid,
            size: pointer.size,
        };
        let oid = object.hex();
        if !record.lfs.contains(&oid) && !record.lfs_wanted.contains_key(&oid) {
            record.lfs_new.insert(oid, object.size);
        }
    }
}

/// Brings everything that the record wants.
pub(crate) async fn bring(
    store: &Store,
    delivery: &Delivery,
    record: &mut Record,
    policy: LfsPolicy,
    run: &Run,
) -> Brought {
    let mut brought = Brought::default();
    let wanted = record.lfs_wanted.iter().chain(&record.lfs_new);
    let wanted: Vec<Object> = wanted
        .filter_map(|(oid, size)| Object::parse(oid, *size))
        .collect();
    let client = match client(delivery, run).await {
        Ok(client) => client,
        Err(error) => {
            brought.lose(wanted.len(), error, policy);
            return brought;
        }
    };
    for batch in wanted.chunks(BATCH) {
        let ends = match client.batch(batch, run).await {
            Ok(downloads) => carry(store, &client, downloads, run).await,
            Err(error) => {
                brought.lose(batch.len(), error, policy);
                Vec::new()
            }
        };
        for end in ends {
            match end {
                Ok(object) => {
                    record.lfs_wanted.remove(&object.hex());
                    record.lfs_new.remove(&object.hex());
                    record.lfs.insert(object.hex());
                    brought.uploaded += 1;
                }
                Err(error) => brought.lose(1, error, policy),
            }
        }
        if brought.error.is_some() {
            return brought;
        }
    }
    brought
}

impl Brought {
    fn lose(&mut self, objects: usize, error: Error, policy: LfsPolicy) {
        if policy == LfsPolicy::BestEffort && error.kind() != ErrorKind::Cancelled {
            tracing::warn!(objects, %error, "LFS objects are missing from the mirror.");
            self.missing += objects as u64;
        } else {
            self.error.get_or_insert(error);
        }
    }
}

async fn client(delivery: &Delivery, run: &Run) -> Result<Client> {
    let server = delivery.lfs(run).await?.ok_or_else(|| {
        Error::new(
            ErrorKind::Config,
            format!(
                "the refs lead to LFS objects, and `{}` has no place for them",
                delivery.address
            ),
        )
        .with_hint("set `lfs = \"best_effort\"` or `lfs = \"off\"` on the sink")
    })?;
    Client::new(server, CONNECT_TIMEOUT, IDLE_TIMEOUT)
}

async fn carry(
    store: &Store,
    client: &Client,
    downloads: Vec<Result<Download>>,
    run: &Run,
) -> Vec<Result<Object>> {
    let carry_one = |download: Result<Download>| async move {
        let download = download?;
        let object = download.object();
        let body = client.download(&download, run).await?;
        store
            .upload(&object.path(), object.size, chunks(body), Body::Lfs)
            .await?;
        Ok(object)
    };
    stream::iter(downloads)
        .map(carry_one)
        .buffer_unordered(AT_A_TIME)
        .collect()
        .await
}

fn chunks(body: ObjectStream) -> impl stream::Stream<Item = Result<bytes::Bytes>> + Send {
    stream::try_unfold(body, |mut body| async move {
        Ok(body.next().await?.map(|chunk| (chunk, body)))
    })
}
