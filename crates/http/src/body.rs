//! Reading bodies, none of them too large, too slow, or one too many.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{Version, header};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::time::{Instant, timeout, timeout_at};

use crate::Limits;
use crate::budget::Share;

/// How much of a body that nobody wants is read, so that its sender gets to read the answer.
const LINGERING: usize = 1 << 20;
/// How long it is read.
const LINGER: Duration = Duration::from_secs(2);

/// Why a body was not read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is larger than the endpoint takes.
    TooLarge,
    /// There is no memory for it now.
    NoRoom,
    /// It came too slowly.
    TooSlow,
    /// It is not what its head says, or the sender has gone.
    Broken,
}

/// Reads a body of at most `largest` bytes; its share of the budget must live as long as what is read.
///
/// What is refused by its head is not read at all.
pub(crate) async fn read(
    body: &mut Body,
    largest: u64,
    share: &mut Share,
    limits: &Limits,
) -> Result<Bytes, Fault> {
    let declared = body.size_hint().lower();
    if declared > largest {
        return Err(Fault::TooLarge);
    }
    if !share.reach(declared) {
        return Err(Fault::NoRoom);
    }
    let end = Instant::now() + limits.body;
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(data) = next(body, end, limits).await? {
        let length = (first.len() + all.len() + data.len()) as u64;
        if length > largest {
            return Err(Fault::TooLarge);
        }
        if !share.reach(length) {
            return Err(Fault::NoRoom);
        }
        // A body that comes in one piece, as most do, is not copied.
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

async fn next(body: &mut Body, end: Instant, limits: &Limits) -> Result<Option<Bytes>, Fault> {
    let by = end.min(Instant::now() + limits.body_pause);
    loop {
        match timeout_at(by, body.frame()).await {
            Err(_) => return Err(Fault::TooSlow),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(Fault::Broken),
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Ok(Some(data)),
                // Trailers end it.
                Err(_) => return Ok(None),
            },
        }
    }
}

/// Reads on for a while what nobody wants: over HTTP/1 an answer is lost if its sender is still writing when the connection ends.
pub(crate) fn linger(mut body: Body, head: &Parts) {
    // Whoever waits for `100 Continue` does not write, and must not be told to.
    if body.is_end_stream()
        || head.version > Version::HTTP_11
        || head.headers.contains_key(header::EXPECT)
    {
        return;
    }
    tokio::spawn(timeout(LINGER, async move {
        let mut left = LINGERING;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    }));
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream::{self, StreamExt as _};

    use super::*;
    use crate::budget::Budget;

    fn chunks(chunks: Vec<&'static [u8]>) -> Body {
        let chunks = chunks.into_iter().map(Ok::<_, Infallible>);
        Body::from_stream(stream::iter(chunks))
    }

    async fn read_with(mut body: Body, largest: u64, budget: u64) -> Result<Bytes, Fault> {
        let budget = Budget::new(budget, budget);
        let mut share = budget.share([192, 0, 2, 1].into());
        let read = read(&mut body, largest, &mut share, &Limits::default()).await;
        if let Ok(read) = &read {
            assert_eq!(budget.held(), read.len() as u64);
        }
        drop(share);
        assert_eq!(budget.held(), 0);
        read
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_exactly_its_bound() {
        let whole = |body, largest| read_with(body, largest, 100);
        assert_eq!(whole(Body::empty(), 0).await.unwrap(), "");
        assert_eq!(whole(Body::from("abcd"), 4).await.unwrap(), "abcd");
        assert_eq!(whole(Body::from("abcd"), 3).await, Err(Fault::TooLarge));
        let parts = || chunks(vec![b"ab", b"", b"c", b"de"]);
        assert_eq!(whole(parts(), 5).await.unwrap(), "abcde");
        assert_eq!(whole(parts(), 4).await, Err(Fault::TooLarge));
    }

    #[tokio::test]
    async fn a_body_that_the_budget_does_not_have_is_refused() {
        let refused = Err(Fault::NoRoom);
        assert_eq!(read_with(Body::from("abcd"), 9, 3).await, refused);
        assert_eq!(read_with(chunks(vec![b"ab", b"cd"]), 9, 3).await, refused);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_pauses_or_drips_is_too_slow() {
        let slow = |pause: u64| {
            let drops = stream::repeat("x").then(move |drop| async move {
                tokio::time::sleep(Duration::from_secs(pause)).await;
                Ok::<_, Infallible>(drop)
            });
            read_with(Body::from_stream(drops), 1 << 20, 1 << 20)
        };
        let begun = Instant::now();
        assert_eq!(slow(11).await, Err(Fault::TooSlow));
        assert_eq!(begun.elapsed(), Duration::from_secs(10));
        assert_eq!(slow(9).await, Err(Fault::TooSlow));
        assert_eq!(begun.elapsed(), Duration::from_secs(70));
    }
}
