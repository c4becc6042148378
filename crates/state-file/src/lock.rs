//! Locks on files (flock): they end with the process that holds them, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Whoever holds the directory's lock needs microseconds; one that holds it for so long has been stopped.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(1);

/// A locked file; unlocked when dropped.
#[derive(Debug)]
pub(crate) struct Held(File);

impl Drop for Held {
    /// Closing alone is not enough: a child that is about to exec shares the file for a moment.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::debug!(%error, "A lock ends only with its file.");
        }
    }
}

/// Locks a file, which is made if need be; `None` if somebody else has locked it.
pub(crate) fn lock_now(path: &Path) -> io::Result<Option<Held>> {
    try_lock(open(path)?).map(Result::ok)
}

/// Locks a file, waiting for others within reason; `None` if that was not enough.
pub(crate) fn lock_soon(path: &Path) -> io::Result<Option<Held>> {
    let until = Instant::now() + PATIENCE;
    let mut file = open(path)?;
    loop {
        match try_lock(file)? {
            Ok(held) => return Ok(Some(held)),
            Err(_) if Instant::now() > until => return Ok(None),
            Err(busy) => file = busy,
        }
        thread::sleep(PAUSE);
    }
}

/// Gives the file back if somebody else has locked it.
fn try_lock(file: File) -> io::Result<Result<Held, File>> {
    match file.try_lock() {
        Ok(()) => Ok(Ok(Held(file))),
        Err(TryLockError::WouldBlock) => Ok(Err(file)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
}
