//! The last results of each pipeline, in the state store.

use std::sync::Arc;

use bytes::Bytes;
use gitbarge_core::{Error, ErrorKind, Expect, Key, Result, StateStore};

use crate::RunRecord;

/// How many results are kept for each pipeline.
pub const KEPT: usize = 100;

/// The results that are kept of a pipeline, the newest last. What cannot be read any more is left out with a warning.
pub async fn read(state: &Arc<dyn StateStore>, pipeline: &str) -> Result<Vec<RunRecord>> {
    let Some(entry) = state.get(&key(pipeline)).await? else {
        return Ok(Vec::new());
    };
    Ok(
        serde_json::from_slice(&entry.value).unwrap_or_else(|error| {
            tracing::warn!(pipeline, %error, "The history cannot be read and begins anew.");
            Vec::new()
        }),
    )
}

/// Adds a result. Only whoever holds the pipeline's lease may.
pub(crate) async fn append(state: &Arc<dyn StateStore>, record: &RunRecord) -> Result<()> {
    let mut records = read(state, &record.pipeline).await?;
    records.push(record.clone());
    let surplus = records.len().saturating_sub(KEPT);
    let text = serde_json::to_vec(&records[surplus..]).map_err(|e| {
        Error::new(ErrorKind::Internal, "a result cannot be written").with_source(e)
    })?;
    state
        .put(&key(&record.pipeline), Bytes::from(text), Expect::Any)
        .await
        .map(drop)
}

fn key(pipeline: &str) -> Key {
    Key::new("history").join(pipeline)
}
