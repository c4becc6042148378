//! The state store over one directory.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gitbarge_core::{Entry, Expect, Key, Lease, Result, StateStore, Version, panic_error};

use crate::directory::Directory;

/// Remembers in one directory, which several processes may share. Nothing is made there before the first write.
///
/// Errors besides those of [`StateStore`]: `disk_full` and `refused` name the directory; `locked` if another process
/// has held its lock for ten seconds.
#[derive(Debug)]
pub struct FileState(Arc<Directory>);

impl FileState {
    /// A store in this directory; touches nothing.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(Arc::new(Directory::new(path.into())))
    }

    /// What was begun ends even if the caller goes away, so that every call happens wholly or not at all.
    async fn blocking<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Directory) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let directory = self.0.clone();
        let span = tracing::Span::current();
        tokio::task::spawn_blocking(move || span.in_scope(|| work(&directory)))
            .await
            .unwrap_or_else(|join| Err(panic_error(what, join)))
    }
}

#[async_trait]
impl StateStore for FileState {
    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        let key = key.clone();
        self.blocking("reading state", move |directory| directory.read(&key))
            .await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: Expect) -> Result<Version> {
        let key = key.clone();
        self.blocking("writing state", move |directory| {
            directory.write(&key, value, &expect)
        })
        .await
    }

    async fn delete(&self, key: &Key, expect: Expect) -> Result<()> {
        let key = key.clone();
        self.blocking("deleting state", move |directory| {
            directory.remove(&key, &expect)
        })
        .await
    }

    async fn list(&self, prefix: &Key) -> Result<Vec<Key>> {
        let prefix = prefix.clone();
        self.blocking("listing state", move |directory| {
            directory.keys_below(&prefix)
        })
        .await
    }

    async fn lease(&self, key: &Key) -> Result<Lease> {
        let key = key.clone();
        self.blocking("taking a lease", move |directory| {
            directory.lease(&key).map(Lease::new)
        })
        .await
    }
}
