//! A state store in memory, for tests of whatever remembers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use gitbarge_core::{Entry, Error, ErrorKind, Expect, Key, Lease, Result, StateStore, Version};

/// A state store whose clones share one memory, as processes share a directory.
#[derive(Clone, Default)]
pub struct MemoryState(Arc<Mutex<Memory>>);

#[derive(Default)]
struct Memory {
    entries: BTreeMap<Key, Entry>,
    leases: BTreeSet<Key>,
    writes: u64,
}

impl MemoryState {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, work: impl FnOnce(&mut Memory) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Memory {
    fn check(&self, key: &Key, expect: &Expect) -> Result<()> {
        let current = self.entries.get(key);
        let fits = match expect {
            Expect::Any => true,
            Expect::Absent => current.is_none(),
            Expect::Version(version) => current.is_some_and(|entry| entry.version == *version),
        };
        if fits {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!("`{key}` is not as expected"),
        ))
    }
}

#[async_trait]
impl StateStore for MemoryState {
    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        Ok(self.with(|memory| memory.entries.get(key).cloned()))
    }

    async fn put(&self, key: &Key, value: Bytes, expect: Expect) -> Result<Version> {
        self.with(|memory| {
            memory.check(key, &expect)?;
            memory.writes += 1;
            let version = Version(memory.writes.to_string());
            let entry = Entry {
                value,
                version: version.clone(),
            };
            memory.entries.insert(key.clone(), entry);
            Ok(version)
        })
    }

    async fn delete(&self, key: &Key, expect: Expect) -> Result<()> {
        self.with(|memory| {
            memory.check(key, &expect)?;
            memory.entries.remove(key);
            Ok(())
        })
    }

    async fn list(&self, prefix: &Key) -> Result<Vec<Key>> {
        Ok(self.with(|memory| {
            let keys = memory.entries.keys();
            keys.filter(|key| key.is_below(prefix)).cloned().collect()
        }))
    }

    async fn lease(&self, key: &Key) -> Result<Lease> {
        if !self.with(|memory| memory.leases.insert(key.clone())) {
            return Err(Error::new(
                ErrorKind::Locked,
                format!("somebody else holds the lease `{key}`"),
            ));
        }
        Ok(Lease::new(Held {
            store: self.clone(),
            key: key.clone(),
        }))
    }
}

struct Held {
    store: MemoryState,
    key: Key,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.store.with(|memory| memory.leases.remove(&self.key));
    }
}
