//! Keeps two writers apart on stores that ignore conditions.

use std::time::Duration;

use bytes::Bytes;
use gitbarge_core::{Error, ErrorKind, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::{Body, Condition, Store};

const KEY: &str = "gitbarge/lease.json";
/// How long a lease holds if its owner dies; it is renewed three times as often.
const TERM: Duration = Duration::from_secs(60);

/// The right to write, until dropped or given back. Best effort: such a store promises nothing.
pub(crate) struct Lease {
    store: Store,
    owner: String,
    renewal: tokio::task::JoinHandle<()>,
}

#[derive(Serialize, Deserialize)]
struct Held {
    owner: String,
    until: Timestamp,
}

impl Lease {
    /// # Errors
    /// `locked` if somebody else holds it; those of [`Store::put`].
    pub(crate) async fn take(store: &Store) -> Result<Self> {
        let owner = format!("{:016x}", fastrand::u64(..));
        if let Some(held) = read(store).await?
            && held.until > Timestamp::now()
        {
            return Err(locked(&held));
        }
        write(store, &owner).await?;
        // Of two that found it free, the later write stands.
        match read(store).await? {
            Some(held) if held.owner == owner => {}
            Some(held) => return Err(locked(&held)),
            None => {}
        }
        let renewal = tokio::spawn(renew(store.clone(), owner.clone()));
        Ok(Self {
            store: store.clone(),
            owner,
            renewal,
        })
    }

    /// Gives it back; without, it runs out by itself.
    pub(crate) async fn give_back(self) -> Result<()> {
        self.renewal.abort();
        match read(&self.store).await? {
            Some(held) if held.owner == self.owner => self.store.delete(KEY).await,
            _ => Ok(()),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

async fn renew(store: Store, owner: String) {
    loop {
        tokio::time::sleep(TERM / 3).await;
        if let Err(error) = write(&store, &owner).await {
            tracing::warn!(%error, "The lease of the mirror could not be renewed.");
        }
    }
}

async fn read(store: &Store) -> Result<Option<Held>> {
    let object = store.get(KEY).await?;
    // An unreadable lease is nobody's.
    Ok(object.and_then(|object| serde_json::from_slice(&object.bytes).ok()))
}

async fn write(store: &Store, owner: &str) -> Result<()> {
    let held = Held {
        owner: owner.to_owned(),
        until: Timestamp::now()
            .saturating_add(TERM)
            .unwrap_or(Timestamp::MAX),
    };
    let json = serde_json::to_vec(&held).map(Bytes::from);
    let json = json.map_err(|e| {
        Error::new(ErrorKind::Internal, "a lease cannot be written down").with_source(e)
    })?;
    store.put(KEY, json, Body::State, Condition::None).await?;
    Ok(())
}

fn locked(held: &Held) -> Error {
    Error::new(
        ErrorKind::Locked,
        format!(
            "another process writes to the mirror, until {} at the latest",
            held.until
        ),
    )
}
