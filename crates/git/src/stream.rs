//! A pack that is passed on as it comes, for targets without a repository.

use std::io;
use std::ops::ControlFlow;

use bytes::{Bytes, BytesMut};
use gitbarge_core::{
    Address, Connection, Error, ErrorKind, PackRequest, PackStream, RemoteEnd, Result, Run,
    panic_error,
};
use gix::protocol::Handshake;
use gix::protocol::transport::client::MessageKind;
use gix::protocol::transport::client::blocking_io::HandleProgress;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::ask::{self, Answer, Reader};
use crate::error;
use crate::remote::Conversation;

/// The most bytes in one piece of the stream.
const CHUNK: usize = 64 << 10;
/// How many pieces may wait for whoever reads: 2 MiB.
const WAITING: usize = 32;
const FETCHING: &str = "fetching a pack";

/// Asks for a pack, and returns once its first byte is there.
pub(crate) async fn stream(
    conversation: Conversation,
    request: PackRequest,
    run: &Run,
) -> Result<PackStream> {
    if run.is_cancelled() {
        return Err(Error::cancelled(FETCHING));
    }
    let (chunks, mut stream) = mpsc::channel(WAITING);
    let (started, start) = oneshot::channel();
    let sender = Sender {
        chunks: chunks.clone(),
        started: Some(started),
        run: run.clone(),
        runtime: Handle::current(),
    };
    let span = tracing::Span::current();
    let transfer = tokio::task::spawn_blocking(move || {
        span.in_scope(|| transfer(conversation, &request, sender))
    });
    // Apart, so that a thread does not wait for somebody to read the error, nor the error get lost with the thread.
    tokio::spawn(async move {
        let result = transfer
            .await
            .unwrap_or_else(|join| Err(panic_error(FETCHING, join)));
        if let Err(error) = result {
            // Nobody minds if the reader has gone.
            chunks.send(Err(error)).await.ok();
        }
    });
    if start.await.is_ok() {
        return Ok(PackStream::new(stream));
    }
    let error = stream.recv().await.and_then(Result::err);
    Err(error
        .unwrap_or_else(|| Error::new(ErrorKind::Internal, "a transfer ended without a reason")))
}

/// Where the pack goes.
struct Sender {
    chunks: mpsc::Sender<Result<Bytes>>,
    started: Option<oneshot::Sender<()>>,
    run: Run,
    runtime: Handle,
}

impl Sender {
    /// Says that the pack has begun.
    fn start(&mut self) {
        if let Some(started) = self.started.take() {
            // If nobody waits any more, that is seen at the first piece.
            started.send(()).ok();
        }
    }

    /// Waits for room; `false` if the rest is not wanted.
    fn send(&self, chunk: Bytes) -> bool {
        match self.chunks.try_send(Ok(chunk)) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(chunk)) => self.runtime.block_on(async {
                tokio::select! {
                    sent = self.chunks.send(chunk) => sent.is_ok(),
                    () = self.run.cancelled() => false,
                }
            }),
        }
    }
}

/// Blocking. The connection ends with it.
fn transfer(conversation: Conversation, request: &PackRequest, mut sender: Sender) -> Result<()> {
    let Conversation {
        mut connection,
        handshake,
        address,
    } = conversation;
    check(&handshake, request, &address)?;
    let remote = connection.remote.clone();
    let result = receive(&mut connection, &handshake, request, &mut sender);
    if sender.run.is_cancelled() {
        return Err(Error::cancelled(FETCHING));
    }
    match result {
        Ok(Ending::Whole | Ending::Unwanted) => Ok(()),
        Ok(Ending::Shallow) => Err(shallow(&address)),
        Err(error) => Err(error::remote(FETCHING, error, &address, &remote)),
    }
}

fn check(handshake: &Handshake, request: &PackRequest, address: &Address) -> Result<()> {
    if request.wants.is_empty() {
        return Err(Error::new(
            ErrorKind::Internal,
            "a pack of nothing was asked for",
        ));
    }
    if handshake
        .v1_shallow_updates
        .as_ref()
        .is_some_and(|s| !s.is_empty())
    {
        return Err(shallow(address));
    }
    Ok(())
}

fn shallow(address: &Address) -> Error {
    let message = format!("`{address}` is a shallow clone: it lacks the older history");
    Error::new(ErrorKind::Config, message)
        .with_hint("complete it there, by `git fetch --unshallow`, or name the repository that it was cloned from")
}

/// How a transfer without an error ended.
enum Ending {
    Whole,
    Unwanted,
    Shallow,
}

fn receive(
    connection: &mut Connection,
    handshake: &Handshake,
    request: &PackRequest,
    sender: &mut Sender,
) -> gix::Result<Ending> {
    match ask::ask(&mut connection.transport, handshake, request)? {
        Answer::Pack(reader) => pass_on(reader, &connection.remote, sender).map_err(ask::lost),
        Answer::Shallow => Ok(Ending::Shallow),
    }
}

/// Sends the pack on until it ends.
fn pass_on(mut reader: Reader<'_>, remote: &RemoteEnd, sender: &mut Sender) -> io::Result<Ending> {
    reader.set_progress_handler(Some(listener(remote.clone(), sender)));
    let mut chunk = BytesMut::with_capacity(CHUNK);
    loop {
        let data = match reader.fill_buf() {
            Ok(data) => data,
            Err(_) if sender.chunks.is_closed() => return Ok(Ending::Unwanted),
            Err(error) => return Err(error),
        };
        if data.is_empty() {
            break;
        }
        sender.start();
        let count = data.len().min(CHUNK - chunk.len());
        chunk.extend_from_slice(&data[..count]);
        reader.consume(count);
        if chunk.len() == CHUNK {
            let full = std::mem::replace(&mut chunk, BytesMut::with_capacity(CHUNK));
            if !sender.send(full.freeze()) {
                return Ok(Ending::Unwanted);
            }
        }
    }
    // A connection that is lost between two packet lines looks like the end, but for the flush packet.
    let is_whole = matches!(
        reader.stopped_at(),
        Some(MessageKind::Flush | MessageKind::ResponseEnd)
    );
    if !is_whole {
        let lost = "the connection ended in the middle of the pack";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, lost));
    }
    if sender.started.is_some() {
        return Err(ask::against_protocol("the remote has sent an empty pack"));
    }
    match chunk.is_empty() || sender.send(chunk.freeze()) {
        true => Ok(Ending::Whole),
        false => Ok(Ending::Unwanted),
    }
}

/// Hears what the remote says beside the pack: progress, which is only a chance to look around, or why it gives up.
fn listener(remote: RemoteEnd, sender: &Sender) -> HandleProgress<'static> {
    let (chunks, run) = (sender.chunks.clone(), sender.run.clone());
    Box::new(move |is_error, text| {
        if is_error {
            remote.push_stderr(text);
            remote.push_stderr(b"\n");
        }
        if is_error || chunks.is_closed() || run.is_cancelled() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
}
