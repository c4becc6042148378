//! Where refs and packs come from.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
pub use gix::protocol::transport::Service;
use gix::protocol::transport::client::blocking_io::Transport;

use crate::{Address, LfsServer, Result, Run};

/// Where refs and packs come from.
#[async_trait]
pub trait Source: Send + Sync {
    /// Opens an authenticated git transport for one operation (any number of protocol commands).
    ///
    /// The expensive part of a connection (TCP, key exchange, authentication) is kept warm between calls where the
    /// transport allows it. Dropping the connection ends the operation on the remote.
    ///
    /// # Errors
    /// `config` before any network if a credential cannot be read or used; `auth_failed`, `host_key_unknown`,
    /// `host_key_changed`, `unreachable`, `timeout`, `cancelled`. What only the remote's git can know, such as
    /// `remote_missing`, shows itself when the connection is used.
    async fn connect(&self, service: Service, run: &Run) -> Result<Connection>;

    /// The repository's address, fit to print.
    fn address(&self) -> Address;

    /// Where the repository's LFS objects are, and what opens the door there; `None` if this source has no such place.
    ///
    /// # Errors
    /// As [`Source::connect`].
    async fn lfs(&self, _run: &Run) -> Result<Option<LfsServer>> {
        Ok(None)
    }
}

/// A git transport, ready for its handshake, with what the remote says beside the protocol.
///
/// It is blocking: use it in [`Run::blocking`](crate::Run::blocking). Reads and writes on it fail within 100 ms after the run
/// that opened it was cancelled, and with `timeout` after its idle time; the cause is a [`crate::Error`] inside the I/O error.
pub struct Connection {
    /// Speaks the git protocol.
    pub transport: Box<dyn Transport + Send>,
    /// The other side's standard error and end.
    pub remote: RemoteEnd,
}

/// What the process on the other side printed to its standard error, and how it ended.
///
/// Clones share the same end. Transports without a remote process leave it empty.
#[derive(Clone, Default)]
pub struct RemoteEnd(Arc<(Mutex<Ended>, Condvar)>);

#[derive(Default, Clone)]
struct Ended {
    stderr: Vec<u8>,
    over: bool,
    exit: Option<u32>,
}

/// How a remote process ended, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Its standard error, shortened; not yet fit to print: see [`crate::redact::redact`].
    pub stderr: String,
    /// Its exit code.
    pub exit: Option<u32>,
}

impl RemoteEnd {
    /// The most that is kept of the standard error, in bytes.
    const MOST: usize = 16 << 10;

    /// Adds to the standard error.
    pub fn push_stderr(&self, data: &[u8]) {
        let mut ended = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = Self::MOST.saturating_sub(ended.stderr.len());
        ended
            .stderr
            .extend_from_slice(&data[..data.len().min(room)]);
    }

    /// Sets the exit code.
    pub fn set_exit(&self, code: u32) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).exit = Some(code);
    }

    /// Nothing more will come.
    pub fn close(&self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).over = true;
        self.0.1.notify_all();
    }

    /// Waits, blocking, until the remote has ended, but no longer than `patience`; returns what is known then.
    pub fn wait(&self, patience: Duration) -> Ending {
        let until = Instant::now() + patience;
        let mut ended = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !ended.over {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            ended = self
                .0
                .1
                .wait_timeout(ended, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        Ending {
            stderr: String::from_utf8_lossy(&ended.stderr).trim().to_owned(),
            exit: ended.exit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stderr_is_kept_and_bounded() {
        let end = RemoteEnd::default();
        end.push_stderr(b"fatal: no\n");
        end.push_stderr(&[b'x'; 100_000]);
        end.set_exit(128);
        end.close();
        let ending = end.wait(Duration::from_secs(60));
        assert!(ending.stderr.starts_with("fatal: no") && ending.stderr.len() <= RemoteEnd::MOST);
        assert_eq!(ending.exit, Some(128));
    }
}
