//! Small values with versions, kept between runs.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Error, ErrorKind, Result};

/// Keeps small values, such as learned host keys, run records and undelivered alerts.
///
/// All methods are cancel safe: a call that is dropped has either happened wholly or not at all.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// Reads a value; `None` if there is none. A damaged value is set aside with a warning and reads as `None`.
    async fn get(&self, key: &Key) -> Result<Option<Entry>>;

    /// Writes a value of at most a few hundred KiB, durably.
    ///
    /// # Errors
    /// `conflict` if the value is not as expected; it is unchanged then.
    async fn put(&self, key: &Key, value: Bytes, expect: Expect) -> Result<Version>;

    /// Removes a value; removing what is not there is no error under [`Expect::Any`] and [`Expect::Absent`].
    ///
    /// # Errors
    /// `conflict` if the value is not as expected.
    async fn delete(&self, key: &Key, expect: Expect) -> Result<()>;

    /// The keys below a prefix, sorted. The prefix itself is not among them.
    async fn list(&self, prefix: &Key) -> Result<Vec<Key>>;

    /// Takes the lease of this name, if nobody holds it; it is given back when the guard is dropped or the process ends.
    ///
    /// # Errors
    /// `locked`, at once, if somebody else holds it.
    async fn lease(&self, key: &Key) -> Result<Lease>;
}

/// Holds a lease until it is dropped.
pub struct Lease(#[expect(dead_code, reason = "held for its drop")] Box<dyn Send + Sync>);

impl Lease {
    /// Wraps whatever gives the lease back when dropped.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self(Box::new(guard))
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lease")
    }
}

/// The name of a value: a path of non-empty segments of any characters; stores escape what they cannot take.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Vec<String>);

impl Key {
    /// A key of one segment. A `/` separates segments.
    pub fn new(path: &str) -> Self {
        Self(Vec::new()).join(path)
    }

    /// A key of the given segments, which may contain any character.
    pub fn from_segments(segments: impl IntoIterator<Item = String>) -> Self {
        Self(segments.into_iter().filter(|s| !s.is_empty()).collect())
    }

    /// The key below this one. A `/` separates segments.
    #[must_use]
    pub fn join(&self, path: &str) -> Self {
        let more = path.split('/').filter(|s| !s.is_empty()).map(str::to_owned);
        Self(self.0.iter().cloned().chain(more).collect())
    }

    /// The segments, outermost first.
    pub fn segments(&self) -> &[String] {
        &self.0
    }

    /// Whether this key lies below `prefix`.
    pub fn is_below(&self, prefix: &Self) -> bool {
        self.0.len() > prefix.0.len() && self.0.starts_with(&prefix.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

/// A value with the version that a later [`Expect::Version`] may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Bytes,
    /// Its version.
    pub version: Version,
}

/// Tells two states of one value apart; opaque to everybody but the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub String);

/// What a write expects to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Absent,
    /// The value that has this version.
    Version(Version),
    /// Whatever it is.
    Any,
}

/// The part of a state store that belongs to one component.
#[derive(Clone)]
pub struct ScopedState {
    store: Arc<dyn StateStore>,
    prefix: Key,
}

impl ScopedState {
    /// The part of a store below a prefix.
    pub fn new(store: Arc<dyn StateStore>, prefix: Key) -> Self {
        Self { store, prefix }
    }

    /// The part below this one.
    #[must_use]
    pub fn below(&self, path: &str) -> Self {
        Self {
            store: self.store.clone(),
            prefix: self.prefix.join(path),
        }
    }

    /// Reads a value. See [`StateStore::get`].
    pub async fn get(&self, path: &str) -> Result<Option<Entry>> {
        self.store.get(&self.prefix.join(path)).await
    }

    /// Writes a value. See [`StateStore::put`].
    pub async fn put(
        &self,
        path: &str,
        value: impl Into<Bytes>,
        expect: Expect,
    ) -> Result<Version> {
        self.store
            .put(&self.prefix.join(path), value.into(), expect)
            .await
    }

    /// Removes a value. See [`StateStore::delete`].
    pub async fn delete(&self, path: &str, expect: Expect) -> Result<()> {
        self.store.delete(&self.prefix.join(path), expect).await
    }
}

/// A store that keeps nothing, for a plugin crate used alone.
pub(crate) struct Forgetful;

#[async_trait]
impl StateStore for Forgetful {
    async fn get(&self, _: &Key) -> Result<Option<Entry>> {
        Ok(None)
    }

    async fn put(&self, key: &Key, _: Bytes, expect: Expect) -> Result<Version> {
        match expect {
            Expect::Version(_) => Err(Error::new(
                ErrorKind::Conflict,
                format!("`{key}` is not remembered"),
            )),
            Expect::Absent | Expect::Any => Ok(Version(String::new())),
        }
    }

    async fn delete(&self, _: &Key, _: Expect) -> Result<()> {
        Ok(())
    }

    async fn list(&self, _: &Key) -> Result<Vec<Key>> {
        Ok(Vec::new())
    }

    async fn lease(&self, _: &Key) -> Result<Lease> {
        Ok(Lease::new(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_nest() {
        let key = Key::new("pipeline").join("site").join("source/host_keys");
        assert_eq!(key.to_string(), "pipeline/site/source/host_keys");
        assert!(key.is_below(&Key::new("pipeline/site")));
        assert!(!key.is_below(&key));
        assert!(!Key::new("pipeline/site2").is_below(&Key::new("pipeline/site")));
    }
}
