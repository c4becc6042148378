//! A file of the target's folder that gets its name when it is complete.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use gitbarge_core::{Error, Result};
use gitbarge_git::index::Beyond;

use super::super::Condition;
use super::super::folder::Folder;
use super::super::incoming::{FOLDER, Incoming};

/// The side that gives it its name, and removes it when dropped.
pub(super) struct Draft(Arc<Shared>);

/// The side that writes and reads.
pub(super) struct Writer {
    shared: Arc<Shared>,
    /// For reading, once everything is written.
    file: Option<File>,
}

struct Shared {
    folder: Arc<Folder>,
    state: Mutex<State>,
}

enum State {
    Unused,
    Open(Incoming),
    Over,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, doing: &str, error: std::io::Error) -> Error {
        self.folder.failed(doing, FOLDER, error)
    }
}

impl Draft {
    pub(super) fn new(folder: &Arc<Folder>) -> Self {
        Self(Arc::new(Shared {
            folder: folder.clone(),
            state: Mutex::new(State::Unused),
        }))
    }

    pub(super) fn writer(&self) -> Writer {
        Writer {
            shared: self.0.clone(),
            file: None,
        }
    }

    pub(super) async fn publish(&self, key: &str) -> Result<()> {
        let state = std::mem::replace(&mut *self.0.state(), State::Over);
        let State::Open(incoming) = state else {
            return Err(gone());
        };
        let publishing = self.0.folder.blocking(key, move |folder, key| {
            folder.publish(key, incoming, &Condition::None)
        });
        publishing.await.map(drop)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        *self.0.state() = State::Over;
    }
}

impl Beyond for Writer {
    fn write(&mut self, bytes: Bytes) -> Result<()> {
        let mut state = self.shared.state();
        if let State::Unused = *state {
            self.shared.folder.asked();
            *state = State::Open(self.shared.folder.incoming()?);
        }
        let State::Open(incoming) = &mut *state else {
            return Err(gone());
        };
        let written = incoming.write(&bytes);
        written.map_err(|error| self.shared.failed("write to", error))?;
        self.shared.folder.sent(bytes.len() as u64);
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        let State::Open(incoming) = &*self.shared.state() else {
            return Err(gone());
        };
        let file = incoming.reader();
        self.file = Some(file.map_err(|error| self.shared.failed("read from", error))?);
        Ok(())
    }

    fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        let file = self.file.as_ref().ok_or_else(gone)?;
        let mut buffer = BytesMut::zeroed(length);
        let read = file.read_exact_at(&mut buffer, offset);
        read.map_err(|error| self.shared.failed("read from", error))?;
        Ok(buffer.freeze())
    }
}

/// Only a run that was broken off goes on with a file that is there no more.
fn gone() -> Error {
    Error::cancelled("writing a large pack")
}
