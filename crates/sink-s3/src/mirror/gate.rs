//! Nothing is published whose links lead nowhere.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use gitbarge_core::{Error, ErrorKind, Result};
use gitbarge_git::index::Index;
use gix::ObjectId;

use super::layout::pack_key;
use super::record::{Hash, Pack};
use crate::store::Store;

/// The largest index that is read, in bytes: that of some thirty million objects.
pub(crate) const LARGEST: u64 = 1 << 30;
/// How many bytes of indexes are kept for the next run. They never change.
const KEPT: usize = 16 << 20;

/// Reads indexes of packs that are in the store, and keeps small ones.
#[derive(Default)]
pub(crate) struct Indexes(Mutex<HashMap<ObjectId, Bytes>>);

impl Indexes {
    /// Remembers an index that has just been uploaded.
    pub(crate) fn remember(&self, name: ObjectId, index: Bytes) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let used: usize = kept.values().map(Bytes::len).sum();
        if used + index.len() <= KEPT {
            kept.insert(name, index);
        }
    }

    /// Lets go what is listed no more.
    pub(crate) fn retain(&self, packs: &[Pack]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|name, _| packs.iter().any(|pack| pack.name.0 == *name));
    }

    async fn read(&self, store: &Store, name: ObjectId) -> Result<Bytes> {
        let kept = {
            let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.get(&name).cloned()
        };
        if let Some(index) = kept {
            return Ok(index);
        }
        let key = pack_key(name, "idx");
        let object = store.get_limited(&key, LARGEST).await?;
        let index = object.ok_or_else(|| {
            Error::new(
                ErrorKind::Corrupt,
                format!("`{key}` of the mirror is missing"),
            )
        })?;
        self.remember(name, index.bytes.clone());
        Ok(index.bytes)
    }

    /// Sees to it that every link leads to an object of these packs.
    ///
    /// # Errors
    /// `corrupt`, naming an object that is nowhere; those of [`Store::get`].
    pub(crate) async fn check(
        &self,
        store: &Store,
        mut links: Vec<ObjectId>,
        packs: &[Pack],
    ) -> Result<()> {
        let (listed, mut packs): (Vec<&Pack>, Vec<&Pack>) =
            packs.iter().partition(|pack| !pack.ids.is_empty());
        let is_listed = |link| {
            let mut lists = listed.iter().map(|pack| &pack.ids);
            lists.any(|ids| ids.binary_search(&Hash(link)).is_ok())
        };
        links.retain(|link| !is_listed(*link));
        // The largest is the most likely to have them.
        packs.sort_by_key(|pack| std::cmp::Reverse(pack.objects));
        for pack in packs {
            if links.is_empty() {
                return Ok(());
            }
            let index = Index::parse(self.read(store, pack.name.0).await?)?;
            links.retain(|link| !index.contains(link));
        }
        match links.first() {
            None => Ok(()),
            Some(lost) => Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "the remote did not send object {lost}, nor does the mirror have it ({} in all); nothing was published",
                    links.len()
                ),
            )),
        }
    }
}
