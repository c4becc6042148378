//! Where packs stand that are too large for memory.

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use gitbarge_core::{Error, Result};

/// Where a pack is to be kept, so that its deltas can be resolved and it can be sent on.
pub struct Room {
    /// How many of its bytes may be in memory. One that is larger goes elsewhere; it is read back in parts that
    /// are smaller together.
    pub memory: u64,
    /// Takes larger ones.
    pub beyond: Box<dyn Beyond>,
}

/// Takes the bytes of a pack that is too large for memory, and shows them. Blocking, and wholly unused by smaller packs.
pub trait Beyond: Send + Sync {
    /// Takes what comes next; the first call brings the beginning of the pack.
    ///
    /// # Errors
    /// They end the indexing.
    fn write(&mut self, bytes: Bytes) -> Result<()>;

    /// The pack is complete: from now on it is read.
    ///
    /// # Errors
    /// They end the indexing.
    fn finish(&mut self) -> Result<()>;

    /// Exactly `length` bytes from `offset` on, all of which were written. Several threads read at a time.
    ///
    /// # Errors
    /// They end what is being done.
    fn read(&self, offset: u64, length: usize) -> Result<Bytes>;
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room")
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}

/// A file without a name, made when it is needed; it is gone when it is closed, however the process ends.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    file: Option<File>,
}

impl Spool {
    /// A file in this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            file: None,
        }
    }

    fn make(&self) -> Result<File> {
        tempfile::tempfile_in(&self.folder).map_err(|error| {
            let place = self.folder.display();
            Error::io(format!("failed to make a spool file in `{place}`"), error)
        })
    }
}

impl Beyond for Spool {
    fn write(&mut self, bytes: Bytes) -> Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.make()?,
        };
        file.write_all(&bytes)
            .map_err(|error| Error::io("failed to write the spooled pack", error))?;
        self.file = Some(file);
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }

    fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        let mut buffer = BytesMut::zeroed(length);
        if let Some(file) = &self.file {
            file.read_exact_at(&mut buffer, offset)
                .map_err(|error| Error::io("failed to read the spooled pack", error))?;
        }
        Ok(buffer.freeze())
    }
}
