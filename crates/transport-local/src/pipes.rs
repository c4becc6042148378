//! The child's pipes as blocking streams that notice cancellation and silence.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::{Error, ErrorKind, Run};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A pipe of Linux holds so much.
const BUFFER: usize = 64 << 10;

/// What the child prints.
pub(crate) type Output = BufReader<Pipe<ChildStdout>>;
/// What the child reads.
pub(crate) type Input = BufWriter<Pipe<ChildStdin>>;

/// One end of a pipe, for threads that are not async workers.
pub(crate) struct Pipe<P> {
    pipe: P,
    patience: Patience,
}

#[derive(Clone)]
struct Patience {
    runtime: Handle,
    idle: Duration,
    run: Run,
    /// Cancels its token when both pipes are gone.
    _in_use: Arc<DropGuard>,
}

/// Both pipes; `unused` is cancelled when both have been dropped.
pub(crate) fn pipes(
    stdout: ChildStdout,
    stdin: ChildStdin,
    idle: Duration,
    run: &Run,
    unused: &CancellationToken,
) -> (Output, Input) {
    let patience = Patience {
        runtime: Handle::current(),
        idle,
        run: run.clone(),
        _in_use: Arc::new(unused.clone().drop_guard()),
    };
    let output = Pipe {
        pipe: stdout,
        patience: patience.clone(),
    };
    let input = Pipe {
        pipe: stdin,
        patience,
    };
    (
        BufReader::with_capacity(BUFFER, output),
        BufWriter::new(input),
    )
}

impl Read for Pipe<ChildStdout> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.patience.wait(self.pipe.read(buffer))
    }
}

impl Write for Pipe<ChildStdin> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.patience.wait(self.pipe.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.patience.wait(self.pipe.flush())
    }
}

impl Patience {
    /// The kind of the I/O error is never `Interrupted`: readers would try again.
    fn wait<T>(&self, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.run.cancelled() => {
                    Err(io::Error::other(Error::cancelled("talking to git")))
                }
                done = tokio::time::timeout(self.idle, work) => done.unwrap_or_else(|_| {
                    Err(io::Error::new(io::ErrorKind::TimedOut, self.silence()))
                }),
            }
        })
    }

    fn silence(&self) -> Error {
        let idle = self.idle;
        Error::new(
            ErrorKind::Timeout,
            format!("`git upload-pack` said nothing for {idle:?}"),
        )
        .with_hint("check the disk that the repository is on, or raise `idle_timeout`")
    }
}
