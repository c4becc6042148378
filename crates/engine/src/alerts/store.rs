//! Ledgers in the state store, changed by compare-and-swap.

use std::sync::Arc;

use bytes::Bytes;
use gitbarge_core::{Error, ErrorKind, Expect, Key, Result, StateStore};

use super::ledger::Ledger;

/// How often a change is tried when others change the same ledger.
const MOST_TRIES: usize = 50;

/// The ledger of a pipeline; an empty one if there is none, or it cannot be read.
pub(super) async fn read(state: &Arc<dyn StateStore>, pipeline: &str) -> Result<Ledger> {
    let entry = state.get(&key(pipeline)).await?;
    Ok(entry
        .map(|entry| parse(pipeline, &entry.value))
        .unwrap_or_default())
}

/// Changes the ledger of a pipeline. `change` may be called several times.
pub(super) async fn update(
    state: &Arc<dyn StateStore>,
    pipeline: &str,
    change: impl Fn(&mut Ledger),
) -> Result<()> {
    for _ in 0..MOST_TRIES {
        let entry = state.get(&key(pipeline)).await?;
        let before = entry
            .as_ref()
            .map(|entry| parse(pipeline, &entry.value))
            .unwrap_or_default();
        let mut after = before.clone();
        change(&mut after);
        if after == before {
            return Ok(());
        }
        let text = serde_json::to_vec(&after).map_err(|e| {
            Error::new(ErrorKind::Internal, "alerts cannot be written").with_source(e)
        })?;
        let expect = entry.map_or(Expect::Absent, |entry| Expect::Version(entry.version));
        match state.put(&key(pipeline), Bytes::from(text), expect).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            result => return result.map(drop),
        }
    }
    Err(Error::new(
        ErrorKind::Conflict,
        format!("the alerts of `{pipeline}` change all the time"),
    ))
}

fn parse(pipeline: &str, text: &[u8]) -> Ledger {
    serde_json::from_slice(text).unwrap_or_else(|error| {
        tracing::warn!(pipeline, %error, "The record of alerts cannot be read and begins anew.");
        Ledger::default()
    })
}

fn key(pipeline: &str) -> Key {
    Key::new("alerts").join(pipeline)
}
