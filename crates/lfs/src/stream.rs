//! An object on its way, checked while it comes.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gitbarge_core::{Error, ErrorKind, Result, Run};
use reqwest::Response;
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use crate::Object;
use crate::http::{lost, within};
use crate::object::hex;

/// How much of a file is read at once.
const PIECE: usize = 256 << 10;

/// The bytes of an object, as they come.
///
/// The last ones are handed out only after size and SHA-256 were found right: whoever has got `None` has the object whole.
pub struct ObjectStream {
    object: Object,
    body: Body,
    hasher: Sha256,
    received: u64,
    held_back: Option<Bytes>,
    state: State,
    run: Run,
}

pub(crate) enum Body {
    Answer {
        response: Response,
        host: String,
        idle_timeout: Duration,
    },
    File {
        file: File,
        path: PathBuf,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Flowing,
    /// All has come and was found right.
    Whole,
    Failed,
}

impl ObjectStream {
    pub(crate) fn new(object: Object, body: Body, run: &Run) -> Self {
        Self {
            object,
            body,
            hasher: Sha256::new(),
            received: 0,
            held_back: None,
            state: State::Flowing,
            run: run.clone(),
        }
    }

    /// The object; its size is the number of bytes that come.
    pub fn object(&self) -> Object {
        self.object
    }

    /// The next bytes, never none; `None` after the last. Cancel safe.
    ///
    /// # Errors
    /// `corrupt` if size or SHA-256 is wrong, `unreachable`, `timeout`, `cancelled`. What came before is to be thrown away.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let next = match self.state {
            State::Flowing => self.flow().await,
            State::Whole => return Ok(self.held_back.take()),
            State::Failed => {
                let message = format!("LFS object {} was read on after it had failed", self.name());
                return Err(Error::new(ErrorKind::Internal, message));
            }
        };
        if next.is_err() {
            self.state = State::Failed;
        }
        next
    }

    async fn flow(&mut self) -> Result<Option<Bytes>> {
        while let Some(chunk) = self.body.read(&self.run).await? {
            if chunk.is_empty() {
                continue;
            }
            self.count(&chunk)?;
            if let Some(earlier) = self.held_back.replace(chunk) {
                return Ok(Some(earlier));
            }
        }
        self.check()?;
        self.state = State::Whole;
        Ok(self.held_back.take())
    }

    fn count(&mut self, chunk: &Bytes) -> Result<()> {
        let count = chunk.len() as u64;
        self.run
            .progress()
            .bytes_received
            .fetch_add(count, Ordering::Relaxed);
        self.received += count;
        if self.received > self.object.size {
            return Err(wrong_size(self.object, "more"));
        }
        self.hasher.update(chunk);
        Ok(())
    }

    fn check(&mut self) -> Result<()> {
        if self.received != self.object.size {
            return Err(wrong_size(self.object, &self.received.to_string()));
        }
        let found = std::mem::take(&mut self.hasher).finalize();
        if found[..] != self.object.oid {
            let message = format!(
                "LFS object {} has content of another SHA-256: {}",
                self.name(),
                hex(&found)
            );
            return Err(corrupt(message));
        }
        Ok(())
    }

    fn name(&self) -> String {
        self.object.hex()
    }
}

impl Body {
    async fn read(&mut self, run: &Run) -> Result<Option<Bytes>> {
        match self {
            Self::Answer {
                response,
                host,
                idle_timeout,
            } => within(*idle_timeout, response.chunk(), host, run)
                .await?
                .map_err(|error| lost(error, host)),
            Self::File { file, path } => {
                let mut piece = BytesMut::with_capacity(PIECE);
                let read = tokio::select! {
                    biased;
                    () = run.cancelled() => return Err(Error::cancelled("reading LFS objects")),
                    read = file.read_buf(&mut piece) => read,
                };
                let count = read.map_err(|error| {
                    Error::io(format!("failed to read `{}`", path.display()), error)
                })?;
                Ok((count > 0).then(|| piece.freeze()))
            }
        }
    }
}

/// An object that is not as long as its pointer says.
pub(crate) fn wrong_size(object: Object, found: &str) -> Error {
    corrupt(format!(
        "LFS object {} has {found} bytes, not {} as its pointer says",
        object.hex(),
        object.size
    ))
}

fn corrupt(message: String) -> Error {
    Error::new(ErrorKind::Corrupt, message).with_hint(
        "the LFS server's copy is damaged: push the object again, as with `git lfs push --object-id`",
    )
}

impl fmt::Debug for ObjectStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStream")
            .field("oid", &self.name())
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}
