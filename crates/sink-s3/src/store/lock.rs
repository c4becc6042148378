//! A folder's lock (flock): it ends with the process that holds it, however it ends.

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, openat};

/// The lock's key.
pub(crate) const FILE: &str = "gitbarge/lock";
/// Whoever holds the lock needs microseconds; one that holds it for so long has been stopped.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(1);

/// Held until dropped.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Waits for others within reason.
    ///
    /// # Errors
    /// `WouldBlock` if that was not enough.
    pub(crate) fn take(own: &File) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(openat(
            own.as_fd(),
            "lock",
            flags,
            Mode::from_raw_mode(0o600),
        )?);
        let until = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if Instant::now() > until => {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            }
        }
    }
}

impl Drop for Lock {
    /// Closing alone is not enough: a child that is about to exec shares the file for a moment.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::debug!(%error, "A lock ends only with its file.");
        }
    }
}
