//! The bodies of objects.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use futures_core::Stream;

use super::{Content, Stored};

/// The largest piece of a body, in bytes.
pub(super) const PIECE: usize = 64 << 10;

/// The pieces of a body, made when they are asked for.
pub(super) struct Pieces {
    stored: Stored,
    content: Content,
    given: u64,
    /// How many bytes come before the end, or before the stall.
    most: u64,
}

impl Pieces {
    pub(super) fn of(stored: &Stored, content: Content) -> Self {
        let size = stored.size;
        let most = match content {
            Content::Right | Content::Flipped => size,
            Content::Short => size.saturating_sub(1),
            Content::Long | Content::LongAndSaysSo => size + 1,
            Content::Cut | Content::Stalls => size / 2,
        };
        Self {
            stored: stored.clone(),
            content,
            given: 0,
            most,
        }
    }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.given == self.most {
            return None;
        }
        let pattern = &self.stored.pattern;
        let length = pattern.len() as u64;
        let from = if length == 0 { 0 } else { self.given % length };
        let left = (self.most - self.given)
            .min(PIECE as u64)
            .min(length - from);
        // What is beyond the object is not of its pattern.
        let piece = if left == 0 {
            Bytes::from_static(b"!")
        } else {
            let range = usize::try_from(from).expect("a piece")
                ..usize::try_from(from + left).expect("a piece");
            pattern.slice(range)
        };
        self.given += piece.len() as u64;
        if self.content == Content::Flipped && self.given == self.most {
            let mut other = piece.to_vec();
            if let Some(last) = other.last_mut() {
                *last ^= 1;
            }
            return Some(other.into());
        }
        Some(piece)
    }
}

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match (self.next(), self.content) {
            (Some(piece), _) => Poll::Ready(Some(Ok(piece))),
            (None, Content::Stalls) => Poll::Pending,
            (None, Content::Cut) => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
            (None, _) => Poll::Ready(None),
        }
    }
}
