//! The bytes of a pack as a stream, for uploads.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use gitbarge_core::{Result, panic_error};
use gitbarge_git::index::PackBytes;

/// How much is read at a time.
const CHUNK: usize = 1 << 20;

/// The whole pack, after `header`.
pub(crate) fn chunks(
    header: Bytes,
    pack: &Arc<PackBytes>,
) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
    let length = pack.length();
    let pieces = stream::try_unfold((pack.clone(), 0), move |(pack, offset)| async move {
        if offset == length {
            return Ok(None);
        }
        let piece = piece(&pack, offset).await?;
        let next = offset + piece.len() as u64;
        Ok(Some((piece, (pack, next))))
    });
    let header = Some(header).filter(|header| !header.is_empty());
    futures_util::StreamExt::chain(stream::iter(header.map(Ok)), pieces)
}

async fn piece(pack: &Arc<PackBytes>, offset: u64) -> Result<Bytes> {
    if pack.is_in_memory() {
        return pack.piece(offset, CHUNK);
    }
    let pack = pack.clone();
    let read = tokio::task::spawn_blocking(move || pack.piece(offset, CHUNK));
    read.await
        .unwrap_or_else(|join| Err(panic_error("reading a large pack", join)))
}
