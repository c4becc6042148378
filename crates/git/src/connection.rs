//! A git connection over any pair of byte streams.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use gitbarge_core::{Connection, Progress, RemoteEnd, Run};
use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::git::ConnectMode;
use gix::protocol::transport::client::git::blocking_io::Connection as GitConnection;

/// Speaks git's protocol with a process whose standard streams these are, such as `git upload-pack` at the end of an SSH channel.
///
/// Received bytes are counted in the run's progress. `reader` and `writer` watch cancellation and idle time themselves, by
/// errors that carry a [`gitbarge_core::Error`]. Nothing is written before the first command, and written bytes are flushed.
pub fn over_streams(
    reader: impl Read + Send + 'static,
    writer: impl Write + Send + 'static,
    path: &str,
    remote: RemoteEnd,
    run: &Run,
) -> Connection {
    let counted = Counted {
        inner: reader,
        progress: run.progress().clone(),
    };
    let no_virtual_host = None::<(&str, Option<u16>)>;
    let transport = GitConnection::new(
        counted,
        writer,
        Protocol::V2,
        path,
        no_virtual_host,
        ConnectMode::Process,
        false,
    );
    Connection {
        transport: Box::new(transport),
        remote,
    }
}

struct Counted<R> {
    inner: R,
    progress: Arc<Progress>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.progress
            .bytes_received
            .fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
