//! Objects of the store, for code that blocks.

use bytes::Bytes;
use gitbarge_core::{Error, Result};
use gitbarge_git::index::Beyond;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::Store;

/// An object that is read piece by piece, off the async workers, until its reader is cancelled.
pub(crate) struct Stored {
    store: Store,
    pub(super) key: String,
    pub(super) runtime: Handle,
    pub(super) over: CancellationToken,
}

impl Stored {
    /// Wants a runtime around it.
    pub(crate) fn new(store: &Store, key: String, over: CancellationToken) -> Self {
        Self {
            store: store.clone(),
            key,
            runtime: Handle::current(),
            over,
        }
    }

    pub(super) fn wait<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.over.cancelled() => Err(Error::cancelled("moving a large pack")),
                result = work => result,
            }
        })
    }
}

/// A pack that is in the store already need not be written.
impl Beyond for Stored {
    fn write(&mut self, _: Bytes) -> Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }

    fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        self.wait(self.store.get_range(&self.key, offset, length))
    }
}
