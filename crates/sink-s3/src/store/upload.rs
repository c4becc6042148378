//! Large objects: in parts, a few at a time, and never half.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{Fuse, FuturesUnordered};
use futures_util::{Stream, StreamExt as _};
use gitbarge_core::Result;
use object_store::{
    Attributes, MultipartUpload, PutMode, PutMultipartOptions, PutOptions, PutPayload,
};
use tokio_util::task::TaskTracker;

use super::cloud::Cloud;
use super::trace::Trace;
use super::wrong_length;

/// Up to this size an object is one request.
pub(crate) const ONE_REQUEST: u64 = 16 << 20;
const SMALLEST_PART: u64 = 8 << 20;
/// S3 takes 10,000 parts.
const MOST_PARTS: u64 = 9_000;
/// An object of unknown length has so many parts of the smallest size, and then so many of each double size, up to 2 GiB.
const EQUAL_PARTS: u64 = 4_500;
const DOUBLED_AFTER: u64 = 450;
const MOST_DOUBLINGS: u64 = 8;
/// How much of an object is on its way at a time, and in how many parts.
const IN_FLIGHT: (u64, u64) = (64 << 20, 4);

type Source<'a, S> = Pin<&'a mut S>;

impl Cloud {
    /// `None` is a length that nobody knows yet.
    pub(crate) async fn upload<S: Stream<Item = Result<Bytes>> + Send>(
        &self,
        key: &str,
        length: Option<u64>,
        body: Source<'_, S>,
        attributes: Attributes,
        aborts: &TaskTracker,
    ) -> Result<()> {
        let mut parts = Parts::new(body, length, self.url(key));
        if let Some(length) = length.filter(|length| *length <= ONE_REQUEST) {
            let payload = parts.next(length).await?.unwrap_or_default();
            parts.end().await?;
            let options = PutOptions {
                mode: PutMode::Overwrite,
                attributes,
                ..PutOptions::default()
            };
            let (written, _) = Trace::of(self.write(key, payload, options)).await;
            return written.map(drop);
        }
        let beginning = async {
            let options = PutMultipartOptions {
                attributes,
                ..PutMultipartOptions::default()
            };
            self.objects
                .put_multipart_opts(&self.path(key)?, options)
                .await
        };
        let (begun, trace) = Trace::of(beginning).await;
        let begun = begun.map_err(|error| self.failed("write", &self.url(key), &trace, error))?;
        let mut upload = Upload {
            inner: Some(begun),
            aborts: aborts.clone(),
        };
        match self.send(key, &mut upload, &mut parts).await {
            Ok(()) => {
                upload.inner = None;
                Ok(())
            }
            Err(error) => {
                upload.abort().await;
                Err(error)
            }
        }
    }

    async fn send<S: Stream<Item = Result<Bytes>> + Send>(
        &self,
        key: &str,
        upload: &mut Upload,
        parts: &mut Parts<'_, S>,
    ) -> Result<()> {
        let mut count = 0;
        let mut in_flight: FuturesUnordered<BoxFuture<'static, _>> = FuturesUnordered::new();
        let mut has_more = true;
        while has_more || !in_flight.is_empty() {
            let size = part_size(parts.length, count);
            let most = (IN_FLIGHT.0 / size).clamp(1, IN_FLIGHT.1);
            tokio::select! {
                biased;
                Some((sent, trace)) = in_flight.next() => {
                    let sent: object_store::Result<()> = sent;
                    let trace: Arc<Trace> = trace;
                    sent.map_err(|error| self.failed("write", &self.url(key), &trace, error))?;
                }
                part = parts.next(size), if has_more && (in_flight.len() as u64) < most => {
                    match part? {
                        Some(payload) => {
                            count += 1;
                            let sending = upload.inner().put_part(payload);
                            in_flight.push(Box::pin(Trace::of(sending)));
                        }
                        None => has_more = false,
                    }
                }
            }
        }
        let (done, trace) = Trace::of(upload.inner().complete()).await;
        match done {
            Ok(_) => Ok(()),
            Err(error) => {
                let error = self.failed("write", &self.url(key), &trace, error);
                // Asked for again because the first answer was lost, a finished upload is unknown.
                let is_there = trace.was_repeated()
                    && matches!(self.head(key).await, Ok(Some(meta)) if meta.ours && meta.size == parts.seen);
                if is_there { Ok(()) } else { Err(error) }
            }
        }
    }
}

/// The size of the part after so many others: one size for all, as some stores want it. Without a known length they grow after
/// 35 GiB, so that 10,000 suffice for 5 TiB.
fn part_size(length: Option<u64>, count: u64) -> u64 {
    match length {
        Some(length) => length
            .div_ceil(MOST_PARTS)
            .next_multiple_of(1 << 20)
            .max(SMALLEST_PART),
        None => {
            let doublings = (count.saturating_sub(EQUAL_PARTS)).div_ceil(DOUBLED_AFTER);
            SMALLEST_PART << doublings.min(MOST_DOUBLINGS)
        }
    }
}

/// Cuts a stream into parts. Cancel safe: what has come of a part is kept.
struct Parts<'a, S> {
    /// Asked again after its end, which not every stream bears.
    body: Fuse<Source<'a, S>>,
    /// `None` if whatever comes is right.
    length: Option<u64>,
    url: String,
    seen: u64,
    chunks: Vec<Bytes>,
    held: u64,
}

impl<'a, S: Stream<Item = Result<Bytes>> + Send> Parts<'a, S> {
    fn new(body: Source<'a, S>, length: Option<u64>, url: String) -> Self {
        Self {
            body: body.fuse(),
            length,
            url,
            seen: 0,
            chunks: Vec::new(),
            held: 0,
        }
    }

    /// The next part, or `None` after the last.
    async fn next(&mut self, size: u64) -> Result<Option<PutPayload>> {
        while self.held < size.max(1) {
            let Some(chunk) = self.body.next().await else {
                break;
            };
            let chunk = chunk?;
            self.seen += chunk.len() as u64;
            if let Some(length) = self.length.filter(|length| self.seen > *length) {
                return Err(wrong_length(&self.url, length, self.seen));
            }
            self.held += chunk.len() as u64;
            self.chunks.push(chunk);
        }
        if self.held == 0 {
            self.end().await?;
            return Ok(None);
        }
        Ok(Some(self.cut(size)))
    }

    /// Checks that everything has come, and nothing more will.
    async fn end(&mut self) -> Result<()> {
        while let Some(chunk) = self.body.next().await {
            self.seen += chunk?.len() as u64;
        }
        match self.length.filter(|length| self.seen != *length) {
            Some(length) => Err(wrong_length(&self.url, length, self.seen)),
            None => Ok(()),
        }
    }

    fn cut(&mut self, size: u64) -> PutPayload {
        let mut chunks = std::mem::take(&mut self.chunks);
        let excess = usize::try_from(self.held.saturating_sub(size)).unwrap_or(0);
        self.held = excess as u64;
        if excess > 0
            && let Some(last) = chunks.last_mut()
        {
            let keep = last.len() - excess;
            self.chunks.push(last.split_off(keep));
        }
        PutPayload::from_iter(chunks)
    }
}

/// An upload that is given up unless it was finished.
struct Upload {
    inner: Option<Box<dyn MultipartUpload>>,
    aborts: TaskTracker,
}

impl Upload {
    fn inner(&mut self) -> &mut Box<dyn MultipartUpload> {
        self.inner.as_mut().expect("it is taken when it has ended")
    }

    /// Gives it up, even if nobody waits for that.
    async fn abort(mut self) {
        if let Some(aborting) = self.begin_abort() {
            aborting.await.unwrap_or_default();
        }
    }

    fn begin_abort(&mut self) -> Option<tokio::task::JoinHandle<()>> {
        let mut upload = self.inner.take()?;
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let abort = async move {
            if let Err(error) = upload.abort().await {
                tracing::warn!(%error, "An upload could not be given up; a later run does it.");
            }
        };
        Some(self.aborts.spawn_on(abort, &runtime))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        drop(self.begin_abort());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn parts_are_small_until_there_would_be_too_many() {
        assert_eq!(part_size(Some(17 << 20), 0), SMALLEST_PART);
        for length in [80 << 30, 1 << 40, 5 << 40] {
            let size = part_size(Some(length), 0);
            assert!(length.div_ceil(size) <= 10_000, "{length}");
            assert_eq!(size % (1 << 20), 0);
        }
    }

    #[test]
    fn parts_of_what_may_become_large_grow_late_and_suffice() {
        let upto = |count| (0..count).map(|n| part_size(None, n)).sum::<u64>();
        assert_eq!(upto(EQUAL_PARTS), EQUAL_PARTS * SMALLEST_PART);
        assert!(upto(10_000) > 5 << 40);
        assert!((0..10_000).all(|n| part_size(None, n) <= 5 << 30));
    }

    proptest! {
        #[test]
        fn a_body_is_cut_into_equal_parts_without_loss(
            sizes in prop::collection::vec(0_usize..40, 0..12),
            part in 1_u64..50,
        ) {
            let chunks: Vec<Bytes> = sizes
                .iter()
                .enumerate()
                .map(|(i, size)| vec![u8::try_from(i).unwrap(); *size].into())
                .collect();
            let whole = chunks.concat();
            let body = stream::iter(chunks.into_iter().map(Ok));
            let mut body = std::pin::pin!(body);
            let mut parts = Parts::new(body.as_mut(), Some(whole.len() as u64), "x".into());
            let mut seen = Vec::new();
            futures_util::FutureExt::now_or_never(async {
                while let Some(payload) = parts.next(part).await.unwrap() {
                    seen.push(Bytes::from(payload));
                }
            }).unwrap();
            prop_assert_eq!(seen.concat(), whole);
            let (last, others) = seen.split_last().map_or((None, &seen[..]), |(l, o)| (Some(l), o));
            prop_assert!(others.iter().all(|piece| piece.len() as u64 == part));
            prop_assert!(last.is_none_or(|piece| (1..=part).contains(&(piece.len() as u64))));
        }
    }
}
