//! One git operation on a session: a channel whose two directions are blocking streams.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use gitbarge_core::{Error, ErrorKind, RemoteEnd, Result, Run};
use russh::ChannelWriteHalf;
use russh::client::Msg;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::pump::Pump;
use crate::session::{Session, classify, lost};
use crate::url::SshUrl;

/// How many packets of at most 32 KiB wait for the reader, besides those that the session holds.
const INBOX: usize = 64;
/// Requests are sent when they are flushed, or when so many bytes wait.
const OUTBOX: usize = 32 << 10;
/// How long the remote may take to end after its input has.
const FAREWELL: Duration = Duration::from_secs(1);

/// Where a session waits for the next operation; locked while the last one is taking leave.
pub(crate) type WarmPlace = Arc<Mutex<Option<Session>>>;

/// What an operation needs besides its session.
pub(crate) struct Surroundings<'s> {
    pub(crate) url: &'s SshUrl,
    pub(crate) idle_timeout: Duration,
    pub(crate) warm: &'s WarmPlace,
    pub(crate) run: &'s Run,
}

/// Runs a command of the remote's. When both streams are dropped, the session goes to its warm place, if all went well.
///
/// # Errors
/// `unreachable`, `protocol`. That the server does not run the command shows itself when it is read from.
pub(crate) async fn execute(
    session: Session,
    command: &str,
    around: &Surroundings<'_>,
) -> Result<(ChannelReader, ChannelWriter, RemoteEnd)> {
    let (receiving, sending) = session.channel(around.url).await?.split();
    let failed = |error| classify(error, around.url);
    // No answer is waited for: a server that does not take it speaks an older protocol, which git falls back to.
    let version = sending.set_env(false, "GIT_PROTOCOL", "version=2");
    version.await.map_err(failed)?;
    sending.exec(true, command).await.map_err(failed)?;

    let remote = RemoteEnd::default();
    let over = CancellationToken::new();
    let (to_reader, inbox) = mpsc::channel(INBOX);
    let pump = Pump {
        server: around.url.server(),
        command: command.to_owned(),
        remote: remote.clone(),
        over: over.clone(),
    };
    let operation = Arc::new(Operation {
        server: around.url.server(),
        idle_timeout: around.idle_timeout,
        cancel: around.run.cancel_token().clone(),
        over,
        failed: AtomicBool::new(false),
        runtime: Handle::current(),
        warm: around.warm.clone(),
        sending: Arc::new(sending),
        at_the_end: Some((session, tokio::spawn(pump.run(receiving, to_reader)))),
    });
    let reader = ChannelReader {
        inbox,
        current: Bytes::new(),
        received: 0,
        operation: operation.clone(),
    };
    let writer = ChannelWriter {
        buffer: Vec::new(),
        operation,
    };
    Ok((reader, writer, remote))
}

/// Reads what the remote prints; blocking. Its errors carry a [`gitbarge_core::Error`].
pub(crate) struct ChannelReader {
    inbox: mpsc::Receiver<Result<Bytes>>,
    current: Bytes,
    received: u64,
    operation: Arc<Operation>,
}

/// Writes to the remote; blocking. Its errors carry a [`gitbarge_core::Error`], unless the remote has ended.
pub(crate) struct ChannelWriter {
    buffer: Vec<u8>,
    operation: Arc<Operation>,
}

/// What the two streams share, and what ends with them.
struct Operation {
    server: String,
    idle_timeout: Duration,
    cancel: CancellationToken,
    /// Cancelled when the channel has ended.
    over: CancellationToken,
    failed: AtomicBool,
    runtime: Handle,
    warm: WarmPlace,
    sending: Arc<ChannelWriteHalf<Msg>>,
    /// The session, and the task that says whether the channel ended in order.
    at_the_end: Option<(Session, JoinHandle<bool>)>,
}

impl Read for ChannelReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.next()? {
                Some(data) => self.current = data,
                None => return Ok(0),
            }
        }
        let count = out.len().min(self.current.len());
        self.current.copy_to_slice(&mut out[..count]);
        self.received += count as u64;
        Ok(count)
    }
}

impl ChannelReader {
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        let (inbox, received) = (&mut self.inbox, self.received);
        let operation = &self.operation;
        let next = async { inbox.recv().await.transpose() };
        operation.wait(next, || {
            format!(
                "`{}` said nothing for {:?}, after {received} bytes",
                operation.server, operation.idle_timeout
            )
        })
    }
}

impl Write for ChannelWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(data);
        if self.buffer.len() >= OUTBOX {
            self.flush()?;
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let operation = &self.operation;
        let data = Bytes::from(std::mem::take(&mut self.buffer));
        let sent = async {
            tokio::select! {
                biased;
                () = operation.over.cancelled() => Ok(false),
                sent = operation.sending.data_bytes(data) => Ok(sent.is_ok()),
            }
        };
        let sent = operation.wait(sent, || {
            format!(
                "`{}` took nothing for {:?}",
                operation.server, operation.idle_timeout
            )
        })?;
        if sent { Ok(()) } else { Err(operation.ended()) }
    }
}

impl Operation {
    /// Why nothing can be sent any more. Of a remote that has ended by itself, its last words tell more.
    fn ended(&self) -> io::Error {
        let session = self.at_the_end.as_ref().map(|(session, _)| session);
        if session.is_some_and(Session::is_closed) {
            lost(&self.server).into_io()
        } else {
            io::ErrorKind::BrokenPipe.into()
        }
    }

    /// Waits, blocking, until the run is cancelled or the idle time has passed.
    fn wait<T>(
        &self,
        future: impl Future<Output = Result<T>>,
        idle: impl FnOnce() -> String,
    ) -> io::Result<T> {
        let result = self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => {
                    Err(Error::cancelled(format!("talking to `{}`", self.server)))
                }
                result = timeout(self.idle_timeout, future) => {
                    result.unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, idle())))
                }
            }
        });
        result.map_err(|error| {
            self.failed.store(true, Ordering::Relaxed);
            error.into_io()
        })
    }
}

impl Drop for Operation {
    /// Ends the remote's input and waits for its end, in the background. A session that does not go to the warm place ends.
    fn drop(&mut self) {
        let Some((session, pump)) = self.at_the_end.take() else {
            return;
        };
        if self.cancel.is_cancelled() || self.failed.load(Ordering::Relaxed) {
            return;
        }
        // Somebody else is taking leave: one warm session is enough.
        let Ok(mut place) = self.warm.clone().try_lock_owned() else {
            return;
        };
        let sending = self.sending.clone();
        self.runtime.spawn(async move {
            let farewell = async { sending.eof().await.is_ok() && pump.await.unwrap_or(false) };
            let in_order = timeout(FAREWELL, farewell).await.unwrap_or(false);
            if in_order && !session.is_closed() && place.is_none() {
                *place = Some(session);
            }
        });
    }
}
