//! Objects whose names are known only when they are complete.

mod bucket;
mod folder;

use std::sync::Arc;

use gitbarge_core::Result;
use gitbarge_git::index::Beyond;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::body::Body;
use super::cloud::Cloud;
use super::{Backend, Store};

/// Where such objects stand in a bucket; a folder has its own place for files without a name.
pub(crate) const INCOMING: &str = "gitbarge/incoming/";

/// Gives the object its name. What was written is removed when this is dropped (see [`Store::settle`]), and then nothing more
/// can be written or read.
pub(crate) struct Staged {
    place: Place,
    _over: DropGuard,
}

enum Place {
    Bucket(Arc<Cloud>, String),
    Folder(folder::Draft),
}

impl Store {
    /// Room for a large object, and the side that writes and reads it. Nothing is asked of the store before the first write.
    /// Cancelling `run` ends waits of the writer.
    pub(crate) fn stage(&self, run: &CancellationToken) -> (Staged, Box<dyn Beyond>) {
        let over = run.child_token();
        let (place, writer): (_, Box<dyn Beyond>) = match &self.backend {
            Backend::Cloud(cloud) => {
                let (one, two) = (fastrand::u64(..), fastrand::u64(..));
                let key = format!("{INCOMING}{one:016x}{two:016x}");
                let writer = bucket::Writer::new(self, cloud, &key, over.clone());
                (Place::Bucket(cloud.clone(), key), Box::new(writer))
            }
            Backend::Folder(folder) => {
                let draft = folder::Draft::new(folder);
                let writer = draft.writer();
                (Place::Folder(draft), Box::new(writer))
            }
        };
        let staged = Staged {
            place,
            _over: over.drop_guard(),
        };
        (staged, writer)
    }
}

impl Staged {
    /// Gives the complete object its name; `false` if the store cannot, so that it has to be sent again.
    ///
    /// # Errors
    /// Those of [`Store::put`].
    pub(crate) async fn publish(&self, key: &str, length: u64, kind: Body) -> Result<bool> {
        match &self.place {
            Place::Bucket(cloud, from) => Ok(cloud.copy(from, key, length, kind).await),
            Place::Folder(draft) => draft.publish(key).await.map(|()| true),
        }
    }
}
