//! Objects in a bucket, through object_store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _};
use gitbarge_core::{Error, ErrorKind, PackStream, Result};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, GetOptions, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt as _,
    PutMode, PutOptions, PutPayload,
};
use tokio::sync::mpsc;

use super::body::{Body, MARK};
use super::error::{Names, Verdict, is_unknown_condition, verdict};
use super::tag::Tag;
use super::trace::Trace;
use super::unfinished::Unfinished;
use super::{Condition, Meta, Object, too_large};
use crate::url::Bucket;

/// How many chunks of an object wait for their reader.
const AHEAD: usize = 16;

/// How many bytes are reserved for an object before it has come.
const MOST_RESERVED: usize = 8 << 20;

/// A bucket, and a prefix of its keys.
pub(crate) struct Cloud {
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) bucket: Bucket,
    pub(crate) names: Names,
    pub(crate) storage_class: Option<String>,
    /// Copies objects with that storage class, where the store can.
    pub(crate) copier: Option<Arc<dyn ObjectStore>>,
    /// Shows uploads that nobody has finished, where the store can.
    pub(crate) unfinished: Option<Unfinished>,
    /// Whether the credentials have shown that they are good for reading here.
    pub(crate) has_read: AtomicBool,
}

impl Cloud {
    pub(crate) async fn get(&self, key: &str, most: u64) -> Result<Option<Object>> {
        let reading = async {
            let answer = self
                .objects
                .get_opts(&self.path(key)?, GetOptions::default())
                .await?;
            let (meta, stream) = (answer.meta.clone(), answer.into_stream());
            if meta.size > most {
                return Ok(Err(meta.size));
            }
            // Not more than was announced, whatever comes; and what was announced may be a lie.
            let room = usize::try_from(meta.size).unwrap_or(0).min(MOST_RESERVED);
            let mut bytes = BytesMut::with_capacity(room);
            let mut stream = stream;
            while let Some(chunk) = stream.try_next().await? {
                if (bytes.len() + chunk.len()) as u64 > most {
                    return Ok(Err(u64::MAX));
                }
                bytes.extend_from_slice(&chunk);
            }
            let bytes = bytes.freeze();
            Ok(Ok(Object {
                bytes,
                tag: meta.into(),
            }))
        };
        match self.found("read", key, Trace::of(reading).await)? {
            None => Ok(None),
            Some(Ok(object)) => Ok(Some(object)),
            Some(Err(size)) => Err(too_large(&self.url(key), size)),
        }
    }

    pub(crate) async fn read(self: &Arc<Self>, key: &str) -> Result<Option<PackStream>> {
        let path = self.path(key);
        let asking = async { self.objects.get_opts(&path?, GetOptions::default()).await };
        let Some(answer) = self.found("read", key, Trace::of(asking).await)? else {
            return Ok(None);
        };
        let (sender, receiver) = mpsc::channel(AHEAD);
        let (cloud, key) = (self.clone(), key.to_owned());
        tokio::spawn(async move {
            let (sent, trace) = Trace::of(pass_on(answer, &sender)).await;
            if let Err(error) = sent {
                let error = cloud.failed("read", &cloud.url(&key), &trace, error);
                sender.send(Err(error)).await.unwrap_or_default();
            }
        });
        Ok(Some(PackStream::new(receiver)))
    }

    pub(crate) async fn get_range(
        &self,
        key: &str,
        offset: u64,
        length: usize,
    ) -> Result<Option<Bytes>> {
        let reading = async {
            let range = offset..offset + length as u64;
            let options = GetOptions {
                range: Some(range.into()),
                ..GetOptions::default()
            };
            let answer = self.objects.get_opts(&self.path(key)?, options).await?;
            answer.bytes().await
        };
        self.found("read", key, Trace::of(reading).await)
    }

    pub(crate) async fn head(&self, key: &str) -> Result<Option<Meta>> {
        let asking = async {
            let options = GetOptions {
                head: true,
                ..GetOptions::default()
            };
            self.objects.get_opts(&self.path(key)?, options).await
        };
        let answer = self.found("read", key, Trace::of(asking).await)?;
        Ok(answer.map(|answer| {
            let mark = Attribute::Metadata(MARK.into());
            let ours = answer.attributes.get(&mark).is_some();
            meta(key.to_owned(), answer.meta, ours)
        }))
    }

    pub(crate) async fn put(
        &self,
        key: &str,
        body: Bytes,
        kind: Body,
        condition: Condition,
    ) -> Result<Tag> {
        let is_conditional = condition != Condition::None;
        let (written, trace) = Trace::of(self.put_once(key, body.clone(), kind, condition)).await;
        let written = written.map_err(|error| (error.kind(), error));
        match written {
            Ok(tag) => Ok(tag),
            // A write whose answer was lost fails when it is sent again, because it has been done.
            Err((ErrorKind::Conflict, error)) if is_conditional && trace.was_repeated() => {
                match self.get(key, body.len() as u64).await {
                    Ok(Some(found)) if found.bytes == body => Ok(found.tag),
                    _ => Err(error),
                }
            }
            Err((_, error)) => Err(error),
        }
    }

    /// Without looking whether a write that failed has been done. Requests are noted in the caller's trace, if there is one.
    pub(crate) async fn put_once(
        &self,
        key: &str,
        body: Bytes,
        kind: Body,
        condition: Condition,
    ) -> Result<Tag> {
        let options = PutOptions {
            mode: match condition {
                Condition::None => PutMode::Overwrite,
                Condition::Absent => PutMode::Create,
                Condition::Is(tag) => PutMode::Update(tag.into()),
            },
            attributes: self.attributes(kind),
            ..PutOptions::default()
        };
        self.write(key, PutPayload::from(body), options).await
    }

    /// See [`super::Store::written_in_spite`].
    pub(crate) async fn written_in_spite(&self, key: &str, body: Bytes) -> Result<Option<Tag>> {
        let impossible = Condition::Is(Tag::of_nothing());
        let writing = self.put_once(key, body.clone(), Body::State, impossible);
        let (written, trace) = Trace::of(writing).await;
        match written {
            Ok(tag) => Ok(Some(tag)),
            Err(error) if is_unknown_condition(&error) => {
                let put = self.put_once(key, body, Body::State, Condition::None);
                put.await.map(Some)
            }
            Err(error) => match verdict(&trace) {
                Verdict::Missing | Verdict::Kind(ErrorKind::Conflict) => Ok(None),
                _ => Err(error),
            },
        }
    }

    pub(crate) async fn write(
        &self,
        key: &str,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<Tag> {
        let path = self.path(key).map_err(|error| self.unfit(key, error))?;
        let trace = Trace::current();
        let writing = self.objects.put_opts(&path, payload, options);
        match trace.clone().again(writing).await {
            Ok(result) => Ok(result.into()),
            Err(error) => Err(self.failed("write", &self.url(key), &trace, error)),
        }
    }

    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<Meta>> {
        let listing = async {
            let path = self.path(prefix)?;
            let is_all = path.as_ref().is_empty();
            let listed = self.objects.list(Some(&path).filter(|_| !is_all));
            listed.try_collect::<Vec<_>>().await
        };
        let listed = self.found("list", prefix, Trace::of(listing).await)?;
        let strip = |found: ObjectMeta| {
            let key = found.location.as_ref().strip_prefix(&self.bucket.prefix)?;
            let key = key.trim_start_matches('/').to_owned();
            Some(meta(key, found, false))
        };
        Ok(listed.into_iter().flatten().filter_map(strip).collect())
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        let deleting = async { self.objects.delete(&self.path(key)?).await };
        self.found("delete", key, Trace::of(deleting).await)
            .map(drop)
    }

    pub(crate) async fn sweep_uploads(&self, older: Duration) -> Result<usize> {
        let Some(unfinished) = &self.unfinished else {
            return Ok(0);
        };
        let before = SystemTime::now() - older;
        let sweeping = unfinished.sweep(&self.bucket.prefix, before);
        let (swept, trace) = Trace::of(sweeping).await;
        swept.map_err(|error| self.failed("list uploads to", &self.url(""), &trace, error))
    }

    /// The headers of an object.
    pub(crate) fn attributes(&self, kind: Body) -> Attributes {
        kind.attributes(self.storage_class.as_deref())
    }

    /// Tells what is missing from what has failed.
    fn found<T>(
        &self,
        doing: &str,
        key: &str,
        (result, trace): (object_store::Result<T>, Arc<Trace>),
    ) -> Result<Option<T>> {
        let error = match result {
            Ok(value) => {
                self.has_read.store(true, Ordering::Relaxed);
                return Ok(Some(value));
            }
            Err(object_store::Error::InvalidPath { source }) => {
                return Err(self.unfit(key, source.into()));
            }
            Err(error) => error,
        };
        match verdict(&trace) {
            Verdict::Missing => {
                self.has_read.store(true, Ordering::Relaxed);
                Ok(None)
            }
            Verdict::Forbidden if doing == "read" && self.has_read.load(Ordering::Relaxed) => {
                Ok(None)
            }
            _ => Err(self.failed(doing, &self.url(key), &trace, error)),
        }
    }

    pub(crate) fn failed(
        &self,
        doing: &str,
        url: &str,
        trace: &Trace,
        error: object_store::Error,
    ) -> Error {
        self.names.error(doing, url, trace, error)
    }

    fn unfit(&self, key: &str, error: object_store::Error) -> Error {
        let message = format!("`{}` is no key that a store can have", self.url(key));
        Error::new(ErrorKind::Internal, message).with_source(error)
    }

    pub(crate) fn url(&self, key: &str) -> String {
        crate::url::StoreUrl::Bucket(self.bucket.clone()).of_key(key)
    }

    pub(crate) fn path(&self, key: &str) -> object_store::Result<Path> {
        let key = key.trim_end_matches('/');
        let full = match self.bucket.prefix.as_str() {
            "" => key.to_owned(),
            prefix => format!("{prefix}/{key}"),
        };
        Ok(Path::parse(full)?)
    }
}

fn meta(key: String, found: ObjectMeta, ours: bool) -> Meta {
    Meta {
        key,
        size: found.size,
        modified: SystemTime::from(found.last_modified)
            .try_into()
            .unwrap_or_default(),
        tag: found.into(),
        ours,
    }
}

/// Ends early, and quietly, when nobody reads any more.
async fn pass_on(
    answer: GetResult,
    sender: &mpsc::Sender<Result<Bytes>>,
) -> object_store::Result<()> {
    let mut stream = answer.into_stream();
    while let Some(chunk) = stream.next().await {
        if sender.send(Ok(chunk?)).await.is_err() {
            break;
        }
    }
    Ok(())
}
