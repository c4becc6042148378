//! A pack's bytes while it is indexed, and afterwards.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use gitbarge_core::{Error, ErrorKind, Result};

use super::beyond::{Beyond, Room};
use super::blocks::Blocks;

/// The size of the pieces that a pack in memory is made of: no piece is moved when the pack grows.
const PIECE: usize = 1 << 20;
/// How many pieces leave memory for each one that comes, once there are too many: it empties, and the sender never waits long.
const LEAVING: usize = 4;

/// The bytes of a whole pack.
pub struct PackBytes(Place);

enum Place {
    /// Pieces of 1 MiB, the last one shorter.
    Memory(Vec<Bytes>),
    Beyond {
        blocks: Blocks,
        /// How much of it may be gathered in memory at a time, in bytes.
        budget: u64,
    },
}

impl PackBytes {
    /// Whether all of it is in memory; else [`Beyond`] has it.
    pub fn is_in_memory(&self) -> bool {
        matches!(self.0, Place::Memory(_))
    }

    /// The pack's length in bytes.
    pub fn length(&self) -> u64 {
        match &self.0 {
            Place::Memory(pieces) => pieces.last().map_or(0, |last| {
                ((pieces.len() - 1) * PIECE) as u64 + last.len() as u64
            }),
            Place::Beyond { blocks, .. } => blocks.length(),
        }
    }

    /// Up to `most` bytes from `offset` on, at least one unless the pack ends there. What is in memory is not copied. Blocking.
    ///
    /// # Errors
    /// Those of [`Beyond::read`].
    pub fn piece(&self, offset: u64, most: usize) -> Result<Bytes> {
        let rest = match &self.0 {
            Place::Memory(pieces) => {
                let piece = pieces.get(number(offset)).cloned().unwrap_or_default();
                piece.slice(within(offset).min(piece.len())..)
            }
            Place::Beyond { blocks, .. } => blocks.rest(offset)?,
        };
        Ok(rest.slice(..rest.len().min(most)))
    }

    /// If it is not in memory: how it is read, and how many bytes may be gathered at a time.
    pub(super) fn beyond(&self) -> Option<(&Blocks, u64)> {
        match &self.0 {
            Place::Memory(_) => None,
            Place::Beyond { blocks, budget } => Some((blocks, *budget)),
        }
    }

    /// As [`Self::piece`]; `holder` keeps what is not in memory otherwise.
    pub(super) fn chunk<'b>(
        &'b self,
        offset: u64,
        most: usize,
        holder: &'b mut Bytes,
    ) -> Result<&'b [u8]> {
        let rest = match &self.0 {
            Place::Memory(pieces) => pieces.get(number(offset)).map_or(&[][..], |piece| {
                piece.get(within(offset)..).unwrap_or_default()
            }),
            Place::Beyond { blocks, .. } => {
                *holder = blocks.rest(offset)?;
                holder
            }
        };
        Ok(&rest[..rest.len().min(most)])
    }
}

impl fmt::Debug for PackBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackBytes")
            .field("length", &self.length())
            .field("is_in_memory", &self.is_in_memory())
            .finish()
    }
}

/// The number of the piece that an offset is in.
fn number(offset: u64) -> usize {
    usize::try_from(offset / PIECE as u64).unwrap_or(usize::MAX)
}

/// An offset's place in its piece.
fn within(offset: u64) -> usize {
    usize::try_from(offset % PIECE as u64).expect("a piece is small")
}

/// Takes a pack's bytes as they come.
pub(super) struct Incoming {
    memory: u64,
    beyond: Box<dyn Beyond>,
    length: u64,
    /// Full ones.
    pieces: VecDeque<Bytes>,
    last: Vec<u8>,
}

impl Incoming {
    pub(super) fn new(room: Room) -> Self {
        Self {
            memory: room.memory,
            beyond: room.beyond,
            length: 0,
            pieces: VecDeque::new(),
            last: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, mut data: &[u8]) -> Result<()> {
        self.length += data.len() as u64;
        while !data.is_empty() {
            if self.last.capacity() == 0 {
                self.last.reserve_exact(PIECE);
            }
            let (now, later) = data.split_at(data.len().min(PIECE - self.last.len()));
            self.last.extend_from_slice(now);
            data = later;
            if self.last.len() == PIECE {
                self.pieces.push_back(std::mem::take(&mut self.last).into());
                if self.is_too_large() {
                    self.write(LEAVING)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<PackBytes> {
        if !self.last.is_empty() {
            self.last.shrink_to_fit();
            self.pieces.push_back(std::mem::take(&mut self.last).into());
        }
        if !self.is_too_large() {
            return Ok(PackBytes(Place::Memory(self.pieces.into())));
        }
        self.write(usize::MAX)?;
        self.beyond.finish()?;
        // The rest is for what is on its way, and for objects.
        let budget = self.memory / 8 * 5;
        let blocks = Blocks::new(self.beyond, self.length, self.memory / 8);
        Ok(PackBytes(Place::Beyond { blocks, budget }))
    }

    fn is_too_large(&self) -> bool {
        self.length > self.memory
    }

    fn write(&mut self, most: usize) -> Result<()> {
        for _ in 0..most {
            let Some(piece) = self.pieces.pop_front() else {
                break;
            };
            self.beyond.write(piece)?;
        }
        Ok(())
    }
}

/// Damage in a pack, with the place.
pub(super) fn corrupt(what: impl std::fmt::Display, offset: u64) -> Error {
    let message = format!("the pack is damaged: {what}, at byte {offset}");
    Error::new(ErrorKind::Corrupt, message)
}

#[cfg(test)]
mod tests {
    use super::super::beyond::Spool;
    use super::*;

    fn incoming(memory: u64, folder: &std::path::Path) -> Incoming {
        let beyond = Box::new(Spool::new(folder));
        Incoming::new(Room { memory, beyond })
    }

    #[test]
    fn bytes_are_found_where_they_were_put() {
        let dir = tempfile::tempdir().unwrap();
        let data: Vec<u8> = (0..PIECE * 21 / 2).map(|n| (n / 7) as u8).collect();
        let length = data.len() as u64;
        for memory in [length, length - 1, 3 << 20, 0] {
            let mut pack = incoming(memory, dir.path());
            for part in data.chunks(70_000) {
                pack.push(part).unwrap();
            }
            let pack = pack.finish().unwrap();
            assert_eq!(pack.is_in_memory(), memory == length);
            assert_eq!(pack.length(), length);
            let mut read = Vec::new();
            while (read.len() as u64) < length {
                read.extend(pack.piece(read.len() as u64, 300_000).unwrap());
            }
            assert!(read == data && pack.piece(length, 1).unwrap().is_empty());
            let (offset, mut holder) = (PIECE as u64 + 5, Bytes::new());
            let found = pack.chunk(offset, 10, &mut holder).unwrap();
            assert_eq!(found, &data[PIECE + 5..PIECE + 15]);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn memory_empties_once_there_is_too_much() {
        let dir = tempfile::tempdir().unwrap();
        let mut pack = incoming(4 << 20, dir.path());
        let mut most = 0;
        for _ in 0..12 {
            pack.push(&[7; PIECE]).unwrap();
            most = most.max(pack.pieces.len());
        }
        assert_eq!((most, pack.pieces.len()), (4, 0));
    }
}
