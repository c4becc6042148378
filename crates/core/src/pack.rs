//! A pack on its way from the remote.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc;

use crate::Result;

/// The bytes of a pack, as they come.
///
/// It can be read in async code chunk by chunk, or as a blocking [`Read`] in [`Run::blocking`](crate::Run::blocking), whose
/// errors carry a [`crate::Error`]. Dropping it ends the transfer.
pub struct PackStream {
    chunks: mpsc::Receiver<Result<Bytes>>,
    current: Bytes,
}

impl PackStream {
    /// Made by whoever brings the pack; the channel's size bounds what waits. The sender is dropped after the last byte; a
    /// transfer that breaks off must send an error before.
    pub fn new(chunks: mpsc::Receiver<Result<Bytes>>) -> Self {
        Self {
            chunks,
            current: Bytes::new(),
        }
    }

    /// The next bytes, or `None` after the last. Cancel safe.
    ///
    /// # Errors
    /// `unreachable`, `timeout`, `protocol`, `cancelled`: the rest will not come.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        if !self.current.is_empty() {
            return Ok(Some(std::mem::take(&mut self.current)));
        }
        self.chunks.recv().await.transpose()
    }
}

impl Read for PackStream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                Some(Ok(chunk)) => self.current = chunk,
                Some(Err(error)) => return Err(error.into_io()),
                None => return Ok(0),
            }
        }
        let count = out.len().min(self.current.len());
        self.current.copy_to_slice(&mut out[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, ErrorKind};

    #[tokio::test]
    async fn it_is_read_whole_and_its_error_comes_last() {
        let (sender, receiver) = mpsc::channel(4);
        sender.send(Ok(Bytes::from_static(b"PA"))).await.unwrap();
        sender.send(Ok(Bytes::from_static(b"CK"))).await.unwrap();
        let lost = Error::new(ErrorKind::Unreachable, "gone");
        sender.send(Err(lost)).await.unwrap();
        let mut stream = PackStream::new(receiver);
        assert_eq!(stream.next().await.unwrap().unwrap(), "PA");
        let read = move || {
            let mut text = Vec::new();
            let error = stream.read_to_end(&mut text).unwrap_err();
            (text, error)
        };
        let (text, error) = tokio::task::spawn_blocking(read).await.unwrap();
        assert_eq!(text, b"CK");
        let cause = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
        assert_eq!(cause.kind(), ErrorKind::Unreachable);
    }
}
