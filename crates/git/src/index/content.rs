//! Reads entries back from a pack whose bytes are there.

use bytes::Bytes;
use gitbarge_core::{Error, Result};
use gix::zlib::{Decompress, FlushDecompress, Status};

use super::bytes::{PackBytes, corrupt};
use super::delta;
use super::entry::{self, Header};
use super::gathered::Gathered;

/// How much is inflated at once, in bytes.
const CHUNK: usize = 32 << 10;
/// No entry's header is longer, in bytes: ten for a length, twenty for a name.
const LONGEST_HEADER: usize = 32;

/// Where entries are read from.
#[derive(Clone, Copy)]
struct Source<'p> {
    pack: &'p PackBytes,
    gathered: Option<&'p Gathered>,
}

impl<'p> Source<'p> {
    fn chunk<'b>(self, offset: u64, most: usize, holder: &'b mut Bytes) -> Result<&'b [u8]>
    where
        'p: 'b,
    {
        match self.gathered.and_then(|gathered| gathered.rest(offset)) {
            Some(rest) => Ok(&rest[..rest.len().min(most)]),
            None => self.pack.chunk(offset, most, holder),
        }
    }
}

/// Inflates entries, with buffers that are used again and again.
pub(super) struct Contents<'p> {
    source: Source<'p>,
    inflate: Decompress,
    chunk: Bytes,
}

impl<'p> Contents<'p> {
    /// Of what was gathered nothing is read again.
    pub(super) fn new(pack: &'p PackBytes, gathered: Option<&'p Gathered>) -> Self {
        Self {
            source: Source { pack, gathered },
            inflate: Decompress::new(),
            chunk: Bytes::new(),
        }
    }

    /// The entry at `offset`, which ends before `end`: its object or its delta goes to `out`.
    pub(super) fn read(&mut self, offset: u64, end: u64, out: &mut Vec<u8>) -> Result<Header> {
        let (header, length) = self.header(offset)?;
        if header.size > delta::MOST_BYTES {
            let what = format!(
                "an object of {} bytes is in the way of a delta",
                header.size
            );
            return Err(corrupt(what, offset));
        }
        let size = usize::try_from(header.size)
            .map_err(|_| corrupt("an object is too large for this machine", offset))?;
        out.clear();
        out.resize(size, 0);
        self.inflate(offset + length as u64, end, out)?;
        Ok(header)
    }

    /// What the entry at `offset` is, and the length of its header.
    pub(super) fn header(&mut self, offset: u64) -> Result<(Header, usize)> {
        let mut bytes = [0; LONGEST_HEADER];
        let mut filled = 0;
        while filled < LONGEST_HEADER {
            let (place, most) = (offset + filled as u64, LONGEST_HEADER - filled);
            let chunk = self.source.chunk(place, most, &mut self.chunk)?;
            if chunk.is_empty() {
                break;
            }
            bytes[filled..filled + chunk.len()].copy_from_slice(chunk);
            filled += chunk.len();
        }
        let mut used = 0;
        let next = || {
            used += 1;
            let byte = bytes[..filled].get(used - 1).copied();
            byte.ok_or_else(|| corrupt("it ends too early", offset))
        };
        let header = entry::read(offset, next)?;
        Ok((header, used))
    }

    fn inflate(&mut self, start: u64, end: u64, out: &mut [u8]) -> Result<()> {
        let bad = || -> Error { corrupt("it cannot be inflated", start) };
        self.inflate.reset();
        loop {
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let (place, made) = (start + read, usize::try_from(written).map_err(|_| bad())?);
            let most = CHUNK.min(usize::try_from(end.saturating_sub(place)).unwrap_or(CHUNK));
            let input = self.source.chunk(place, most, &mut self.chunk)?;
            let status = self
                .inflate
                .decompress(input, &mut out[made..], FlushDecompress::None)
                .map_err(|_| bad())?;
            let is_stuck = self.inflate.total_in() == read && self.inflate.total_out() == written;
            match status {
                Status::StreamEnd if self.inflate.total_out() == out.len() as u64 => return Ok(()),
                Status::Ok if !is_stuck => {}
                _ => return Err(bad()),
            }
        }
    }
}
