//! The pack as it comes in: every byte is kept, and counted in the checksums.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

use gitbarge_core::{Error, ErrorKind, Result, io_kind};
use gix::ObjectId;
use gix::hash::{Hasher, Kind};
use gix::zlib::{Decompress, FlushDecompress, Status};

use super::CANCELLED;
use super::beyond::Room;
use super::bytes::{Incoming, PackBytes, corrupt};

const BUFFER: usize = 64 << 10;
/// The length of the checksum that ends a pack.
pub(super) const TRAILER: usize = 20;

/// Reads a pack to its end.
pub(super) struct Input<'s, R> {
    reader: R,
    pack: Incoming,
    stop: &'s AtomicBool,
    buffer: Box<[u8]>,
    /// What is in the buffer and not used yet.
    start: usize,
    end: usize,
    /// The buffer's place in the pack.
    base: u64,
    /// Up to where the buffer is in the two checksums.
    hashed: usize,
    summed: usize,
    hasher: Hasher,
    crc: crc32fast::Hasher,
    inflate: Decompress,
    inflated: Box<[u8]>,
}

impl<'s, R: Read> Input<'s, R> {
    pub(super) fn new(reader: R, room: Room, stop: &'s AtomicBool) -> Self {
        Self {
            reader,
            pack: Incoming::new(room),
            stop,
            buffer: vec![0; BUFFER].into(),
            start: 0,
            end: 0,
            base: 0,
            hashed: 0,
            summed: 0,
            hasher: gix::hash::hasher(Kind::Sha1),
            crc: crc32fast::Hasher::new(),
            inflate: Decompress::new(),
            inflated: vec![0; BUFFER].into(),
        }
    }

    /// The place in the pack.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        if self.start == self.end && !self.fill()? {
            return Err(self.ended());
        }
        self.start += 1;
        Ok(self.buffer[self.start - 1])
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.byte()?;
        }
        Ok(bytes)
    }

    /// Begins the CRC of an entry.
    pub(super) fn begin(&mut self) {
        self.crc = crc32fast::Hasher::new();
        self.summed = self.start;
    }

    /// The CRC of what has been used since [`Self::begin`].
    pub(super) fn crc(&mut self) -> u32 {
        self.crc.update(&self.buffer[self.summed..self.start]);
        self.summed = self.start;
        std::mem::take(&mut self.crc).finalize()
    }

    /// Inflates what comes next, which must be exactly `size` bytes, and shows it piece by piece.
    pub(super) fn inflate(
        &mut self,
        size: u64,
        mut show: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let offset = self.offset();
        self.inflate.reset();
        loop {
            if self.start == self.end && !self.fill()? {
                return Err(self.ended());
            }
            let (input, output) = (&self.buffer[self.start..self.end], &mut self.inflated);
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(input, output, FlushDecompress::None)
                .map_err(|_| corrupt("it cannot be inflated", offset))?;
            let total = self.inflate.total_out();
            self.start += usize::try_from(self.inflate.total_in() - read).expect("as was given");
            let length = usize::try_from(total - written).expect("as was given");
            if total > size {
                return Err(corrupt(format!("an object is longer than {size}"), offset));
            }
            show(&self.inflated[..length])?;
            match status {
                Status::StreamEnd if total == size => return Ok(()),
                Status::StreamEnd => {
                    return Err(corrupt(
                        format!("an object is {total} bytes long, not {size}"),
                        offset,
                    ));
                }
                Status::Ok => {}
                Status::BufError => return Err(corrupt("it cannot be inflated", offset)),
            }
        }
    }

    /// Checks the trailer, and that nothing follows. Returns the pack's checksum and its bytes.
    pub(super) fn finish(mut self) -> Result<(ObjectId, PackBytes)> {
        self.hash();
        let offset = self.offset();
        // Taken away before the trailer is read, which is not part of it.
        let sum = std::mem::replace(&mut self.hasher, gix::hash::hasher(Kind::Sha1));
        let named = ObjectId::Sha1(self.array::<TRAILER>()?);
        if sum.try_finalize().ok() != Some(named) {
            return Err(corrupt("its checksum is wrong", offset));
        }
        if self.start < self.end || self.fill()? {
            return Err(corrupt("something follows it", self.offset()));
        }
        Ok((named, self.pack.finish()?))
    }

    /// Reads on; `false` at the end. All that was in the buffer has been used.
    fn fill(&mut self) -> Result<bool> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::cancelled(CANCELLED));
        }
        self.hash();
        self.crc.update(&self.buffer[self.summed..self.end]);
        self.base += self.end as u64;
        (self.start, self.end, self.hashed, self.summed) = (0, 0, 0, 0);
        self.end = loop {
            match self.reader.read(&mut self.buffer) {
                Ok(count) => break count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unread(error)),
            }
        };
        self.pack.push(&self.buffer[..self.end])?;
        Ok(self.end > 0)
    }

    fn hash(&mut self) {
        self.hasher.update(&self.buffer[self.hashed..self.start]);
        self.hashed = self.start;
    }

    fn ended(&self) -> Error {
        corrupt("it ends too early", self.offset())
    }
}

/// Readers such as [`gitbarge_core::PackStream`] put the cause into the I/O error.
fn unread(error: std::io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(cause) => cause,
        Err(error) => {
            let kind = io_kind(&error).unwrap_or(ErrorKind::Unreachable);
            Error::new(kind, "failed to read the pack").with_source(error)
        }
    }
}
