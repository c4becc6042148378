//! A temporary object of a bucket: written while its length is unknown, read by ranges, and deleted at the end.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use gitbarge_core::{Error, Result};
use gitbarge_git::index::Beyond;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::body::Body;
use super::super::cloud::Cloud;
use super::super::stored::Stored;
use crate::store::Store;

/// How many pieces wait to be cut into parts.
const WAITING: usize = 2;
const WRITING: &str = "uploading a large pack";

/// The side that writes and reads.
pub(super) struct Writer {
    stored: Stored,
    cloud: Arc<Cloud>,
    aborts: TaskTracker,
    upload: Option<Upload>,
}

/// An upload that another task does.
struct Upload {
    /// `None` is the end: without it, the object is not complete.
    pieces: mpsc::Sender<Option<Bytes>>,
    ended: oneshot::Receiver<Result<()>>,
}

impl Writer {
    pub(super) fn new(
        store: &Store,
        cloud: &Arc<Cloud>,
        key: &str,
        over: CancellationToken,
    ) -> Self {
        Self {
            stored: Stored::new(store, key.to_owned(), over),
            cloud: cloud.clone(),
            aborts: store.aborts.clone(),
            upload: None,
        }
    }

    fn begin(&self) -> Upload {
        let (pieces, body) = mpsc::channel(WAITING);
        let (end, ended) = oneshot::channel();
        let keeper = Keeper {
            cloud: self.cloud.clone(),
            key: self.stored.key.clone(),
            over: self.stored.over.clone(),
            aborts: self.aborts.clone(),
        };
        let keeping = keeper.keep(stream_of(body), end);
        self.aborts.spawn_on(keeping, &self.stored.runtime);
        Upload { pieces, ended }
    }
}

impl Beyond for Writer {
    fn write(&mut self, bytes: Bytes) -> Result<()> {
        let mut upload = match self.upload.take() {
            Some(upload) => upload,
            None => self.begin(),
        };
        self.stored.wait(async {
            match upload.pieces.send(Some(bytes)).await {
                Ok(()) => Ok(()),
                // It has failed before its end.
                Err(_) => Err(upload.why().await),
            }
        })?;
        self.upload = Some(upload);
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        let Some(upload) = self.upload.take() else {
            return Ok(());
        };
        self.stored.wait(async {
            // If nobody takes it, the reason comes below.
            upload.pieces.send(None).await.ok();
            let ended = upload.ended.await;
            ended.unwrap_or_else(|_| Err(Error::cancelled(WRITING)))
        })
    }

    fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        self.stored.read(offset, length)
    }
}

impl Upload {
    async fn why(&mut self) -> Error {
        let ended = (&mut self.ended).await;
        let error = ended.ok().and_then(Result::err);
        error.unwrap_or_else(|| Error::cancelled(WRITING))
    }
}

fn stream_of(
    body: mpsc::Receiver<Option<Bytes>>,
) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
    stream::try_unfold(body, |mut body| async move {
        match body.recv().await {
            Some(Some(piece)) => Ok(Some((piece, body))),
            Some(None) => Ok(None),
            // The pack is broken, or not wanted.
            None => Err(Error::cancelled(WRITING)),
        }
    })
}

/// Uploads the object, and removes it when it is over.
struct Keeper {
    cloud: Arc<Cloud>,
    key: String,
    over: CancellationToken,
    aborts: TaskTracker,
}

impl Keeper {
    async fn keep(
        self,
        body: impl Stream<Item = Result<Bytes>> + Send,
        end: oneshot::Sender<Result<()>>,
    ) {
        let attributes = Body::Pack.attributes(None);
        let mut body = Box::pin(body);
        let uploading = self
            .cloud
            .upload(&self.key, None, body.as_mut(), attributes, &self.aborts);
        let uploaded = tokio::select! {
            biased;
            // Its end may be on its way, so that the object can be there nevertheless.
            () = self.over.cancelled() => Ok(()),
            uploaded = uploading => uploaded,
        };
        let may_be_there = uploaded.is_ok();
        // Nobody listens after a failure elsewhere.
        end.send(uploaded).ok();
        if !may_be_there {
            return;
        }
        self.over.cancelled().await;
        if let Err(error) = self.cloud.delete(&self.key).await {
            tracing::warn!(%error, "A temporary object could not be deleted; a later run does it.");
        }
    }
}
