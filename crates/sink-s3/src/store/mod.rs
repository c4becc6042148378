//! The object store that the mirror stands in: whole objects, conditional writes, and what they cost.

mod body;
mod cloud;
mod copy;
mod counted;
mod error;
mod folder;
mod http;
mod incoming;
mod listing;
mod lock;
mod open;
mod silence;
mod stage;
mod stored;
mod tag;
mod trace;
mod unfinished;
mod upload;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use gitbarge_core::{Error, ErrorKind, PackStream, Result};
use jiff::Timestamp;
use tokio_util::task::TaskTracker;

use crate::config::S3Config;
use crate::url::StoreUrl;

pub(crate) use body::Body;
pub(crate) use counted::Figures;
pub(crate) use stage::{INCOMING, Staged};
pub(crate) use stored::Stored;
pub(crate) use tag::Tag;
pub(crate) use trace::{Outcome, Trace};

use cloud::Cloud;
use counted::Counters;
use folder::Folder;

/// Larger objects are not read into memory unless somebody says so.
const LARGEST: u64 = 64 << 20;

/// A store, and a place in it. All keys are relative to the place. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Store {
    url: Arc<StoreUrl>,
    backend: Backend,
    counters: Arc<Counters>,
    /// Uploads that are being given up.
    aborts: TaskTracker,
}

#[derive(Clone)]
enum Backend {
    Cloud(Arc<Cloud>),
    Folder(Arc<Folder>),
}

/// An object that was read.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) bytes: Bytes,
    pub(crate) tag: Tag,
}

/// What is known of an object without reading it.
#[derive(Debug, Clone)]
pub(crate) struct Meta {
    pub(crate) key: String,
    pub(crate) size: u64,
    pub(crate) tag: Tag,
    pub(crate) modified: Timestamp,
    /// Whether it bears our mark. Lists do not show marks; in a folder, only what is below `gitbarge/` does.
    pub(crate) ours: bool,
}

/// What must be true of the old object for a new one to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    None,
    /// There is none.
    Absent,
    /// It is the one that had this tag.
    Is(Tag),
}

impl Store {
    /// Makes ready: secrets, variables and profiles are read, no network is touched.
    ///
    /// # Errors
    /// `config` if something that the configuration names cannot be read, or if there are no credentials.
    pub(crate) async fn open(config: &S3Config) -> Result<Self> {
        open::open(config).await
    }

    /// Reads an object of at most 64 MiB; `None` if it is not there.
    ///
    /// # Errors
    /// Those of [`Store::get_limited`].
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Object>> {
        self.get_limited(key, LARGEST).await
    }

    /// Reads an object of at most so many bytes; `None` if it is not there.
    ///
    /// A store answers 403 for a missing key to those who may not list. Once something was read, or found to be missing, 403
    /// therefore means missing; before, and with a code that says more, it is `auth_failed`.
    ///
    /// # Errors
    /// `corrupt` if it is larger; `config` if the bucket is missing, `auth_failed`, `unreachable`, `timeout`.
    pub(crate) async fn get_limited(&self, key: &str, most: u64) -> Result<Option<Object>> {
        match &self.backend {
            Backend::Cloud(cloud) => cloud.get(key, most).await,
            Backend::Folder(folder) => folder.get(key, most).await,
        }
    }

    /// Reads an object as a stream; `None` if it is not there.
    ///
    /// # Errors
    /// Those of [`Store::get_limited`], now or from the stream.
    pub(crate) async fn read(&self, key: &str) -> Result<Option<PackStream>> {
        match &self.backend {
            Backend::Cloud(cloud) => cloud.read(key).await,
            Backend::Folder(folder) => folder.read(key).await,
        }
    }

    /// Reads so many bytes of an object from `offset` on.
    ///
    /// # Errors
    /// `corrupt` if it is missing or shorter; those of [`Store::get_limited`].
    pub(crate) async fn get_range(&self, key: &str, offset: u64, length: usize) -> Result<Bytes> {
        let bytes = match &self.backend {
            Backend::Cloud(cloud) => cloud.get_range(key, offset, length).await,
            Backend::Folder(folder) => folder.get_range(key, offset, length).await,
        }?;
        let whole = bytes.filter(|bytes| bytes.len() == length);
        whole.ok_or_else(|| {
            let message = format!("`{}` is not wholly there any more", self.url(key));
            Error::new(ErrorKind::Corrupt, message)
        })
    }

    /// What is known of an object; `None` if it is not there.
    ///
    /// # Errors
    /// Those of [`Store::get_limited`].
    pub(crate) async fn head(&self, key: &str) -> Result<Option<Meta>> {
        match &self.backend {
            Backend::Cloud(cloud) => cloud.head(key).await,
            Backend::Folder(folder) => folder.head(key).await,
        }
    }

    /// Writes a small object, if the condition holds.
    ///
    /// # Errors
    /// `conflict` if it does not; `disk_full`; those of [`Store::get_limited`].
    pub(crate) async fn put(
        &self,
        key: &str,
        body: Bytes,
        kind: Body,
        condition: Condition,
    ) -> Result<Tag> {
        match &self.backend {
            Backend::Cloud(cloud) => cloud.put(key, body, kind, condition).await,
            Backend::Folder(folder) => folder.put(key, body, condition).await,
        }
    }

    /// Writes an object of `length` bytes as they come. There is either the whole object afterwards or none: what was begun
    /// is given up on any error, and when the future is dropped (see [`Store::settle`]).
    ///
    /// # Errors
    /// Those of the body; `corrupt` if it has another length; those of [`Store::put`].
    pub(crate) async fn upload(
        &self,
        key: &str,
        length: u64,
        body: impl Stream<Item = Result<Bytes>> + Send,
        kind: Body,
    ) -> Result<()> {
        let body = std::pin::pin!(body);
        match &self.backend {
            Backend::Cloud(cloud) => {
                let attributes = cloud.attributes(kind);
                cloud
                    .upload(key, Some(length), body, attributes, &self.aborts)
                    .await
            }
            Backend::Folder(folder) => folder.upload(key, length, body).await,
        }
    }

    /// All objects below the folder `prefix`.
    ///
    /// # Errors
    /// Those of [`Store::get_limited`].
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<Meta>> {
        match &self.backend {
            Backend::Cloud(cloud) => cloud.list(prefix).await,
            Backend::Folder(folder) => folder.list(prefix).await,
        }
    }

    /// Removes an object; it may be missing.
    ///
    /// # Errors
    /// Those of [`Store::get_limited`].
    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        match &self.backend {
            Backend::Cloud(cloud) => cloud.delete(key).await,
            Backend::Folder(folder) => folder.delete(key).await,
        }
    }

    /// Finds out whether the store refuses a write whose condition does not hold, by one that must fail: some stores ignore
    /// conditions, others do not know them. What such a store has written, or is made to write, is returned.
    ///
    /// # Errors
    /// Those of [`Store::put`].
    pub(crate) async fn written_in_spite(&self, key: &str, body: Bytes) -> Result<Option<Tag>> {
        match &self.backend {
            Backend::Cloud(cloud) => cloud.written_in_spite(key, body).await,
            Backend::Folder(_) => Ok(None),
        }
    }

    /// Gives up uploads to this place that began longer ago, and returns their number: a killed run leaves such. Only S3 shows
    /// them; Google and Azure remove them by themselves.
    ///
    /// # Errors
    /// Those of [`Store::list`].
    pub(crate) async fn sweep_uploads(&self, older: Duration) -> Result<usize> {
        match &self.backend {
            Backend::Cloud(cloud) => cloud.sweep_uploads(older).await,
            Backend::Folder(_) => Ok(0),
        }
    }

    /// Waits until uploads that were dropped are given up, within reason.
    pub(crate) async fn settle(&self) {
        const PATIENCE: Duration = Duration::from_secs(5);
        self.aborts.close();
        if tokio::time::timeout(PATIENCE, self.aborts.wait())
            .await
            .is_err()
        {
            tracing::warn!("An upload could not be given up in time; a later run does it.");
        }
        self.aborts.reopen();
    }

    /// What was sent so far.
    pub(crate) fn figures(&self) -> Figures {
        Figures {
            requests: self.counters.requests.load(Ordering::Relaxed),
            bytes_sent: self.counters.bytes_sent.load(Ordering::Relaxed),
        }
    }

    /// A key as a URL that is fit to print; the place itself for an empty one.
    pub(crate) fn url(&self, key: &str) -> String {
        self.url.of_key(key)
    }
}

/// The object is larger than anything of its kind.
fn too_large(url: &str, size: u64) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("`{url}` has {size} bytes, more than can be right"),
    )
}

/// The body of an upload was not what its sender had said.
fn wrong_length(url: &str, length: u64, seen: u64) -> Error {
    let message = format!("`{url}` would have {seen} bytes instead of {length}");
    Error::new(ErrorKind::Corrupt, message).with_hint("the next run tries again")
}
