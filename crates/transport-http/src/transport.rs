//! Git's smart HTTP protocol as a blocking transport (gitprotocol-http(5)).

use std::any::Any;
use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use gitbarge_core::{Error, Result, Run, Service};
use gix::bstr::BStr;
use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::blocking_io::{RequestWriter, SetServiceResponse, Transport};
use gix::protocol::transport::client::capabilities::blocking_recv::Handshake;
use gix::protocol::transport::client::{Error as GixError, TransportWithoutIO};
use gix::protocol::transport::client::{MessageKind, WriteMode};
use gix::protocol::transport::packetline::PacketLineRef;
use gix::protocol::transport::packetline::blocking_io::StreamingPeekableIter;
use reqwest::{Response, Url};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::client::Caller;

/// How long the end of an answer may take, after its last packet: then its connection can be used again.
const LAST_PART: Duration = Duration::from_millis(500);

/// One operation on a repository: the answer to its first request has come, and is the handshake.
pub(crate) struct HttpTransport {
    exchange: Arc<Exchange>,
    lines: StreamingPeekableIter<Answer>,
    speaks_v2: bool,
}

/// What all requests of an operation share.
pub(crate) struct Exchange {
    pub(crate) caller: Caller,
    pub(crate) base: Url,
    pub(crate) service: Service,
    pub(crate) run: Run,
    pub(crate) runtime: Handle,
}

/// What has been written of a request.
type Outbox = Arc<Mutex<Vec<u8>>>;

impl HttpTransport {
    pub(crate) fn new(exchange: Exchange, handshake: Response) -> Self {
        let exchange = Arc::new(exchange);
        let answer = Answer {
            exchange: exchange.clone(),
            state: State::Coming(handshake),
            part: Bytes::new(),
            received: 0,
        };
        Self {
            exchange,
            lines: StreamingPeekableIter::new(answer, &[PacketLineRef::Flush], false),
            speaks_v2: false,
        }
    }
}

impl TransportWithoutIO for HttpTransport {
    fn to_url(&self) -> Cow<'_, BStr> {
        Cow::Borrowed(self.exchange.base.as_str().into())
    }

    fn connection_persists_across_multiple_requests(&self) -> bool {
        false
    }

    fn configure(&mut self, _config: &dyn Any) -> gix::Result {
        Ok(())
    }
}

impl Transport for HttpTransport {
    fn handshake<'a>(
        &mut self,
        _service: Service,
        _extra_parameters: &'a [(&'a str, Option<&'a str>)],
    ) -> Result<SetServiceResponse<'_>, GixError> {
        // Servers may announce the service before what they say over any transport.
        let first = self.lines.peek_line();
        let first = first.ok_or(GixError::ExpectedLine("capabilities or service"))???;
        if first
            .as_slice()
            .is_some_and(|line| line.starts_with(b"# service="))
        {
            io::copy(&mut self.lines.as_read(), &mut io::sink())?;
            self.lines.reset();
        }
        let handshake = Handshake::from_lines_with_version_detection(&mut self.lines)?;
        self.speaks_v2 = handshake.protocol == Protocol::V2;
        Ok(SetServiceResponse {
            actual_protocol: handshake.protocol,
            capabilities: handshake.capabilities,
            refs: handshake.refs,
        })
    }

    fn request(
        &mut self,
        write_mode: WriteMode,
        on_into_read: MessageKind,
        trace: bool,
    ) -> Result<RequestWriter<'_>, GixError> {
        let outbox = Outbox::default();
        let next = Answer {
            exchange: self.exchange.clone(),
            state: State::NotAsked {
                outbox: outbox.clone(),
                speaks_v2: self.speaks_v2,
            },
            part: Bytes::new(),
            received: 0,
        };
        self.lines.replace(next).finish();
        Ok(RequestWriter::new_from_bufread(
            Request(outbox),
            Box::new(self.lines.as_read_without_sidebands()),
            write_mode,
            on_into_read,
            trace,
        ))
    }
}

/// Collects a request, which is sent as a whole when its answer is read.
struct Request(Outbox);

impl Write for Request {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut outbox = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        outbox.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The answer to one request; reading it blocks. Its errors carry a [`gitbarge_core::Error`].
struct Answer {
    exchange: Arc<Exchange>,
    state: State,
    part: Bytes,
    received: u64,
}

enum State {
    NotAsked { outbox: Outbox, speaks_v2: bool },
    Coming(Response),
    Over,
}

impl Read for Answer {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self.next_part()? {
                Some(part) => self.part = part,
                None => return Ok(0),
            }
        }
        let count = out.len().min(self.part.len());
        self.part.copy_to_slice(&mut out[..count]);
        Ok(count)
    }
}

impl Answer {
    fn next_part(&mut self) -> io::Result<Option<Bytes>> {
        // A failure leaves nothing that could be read or waited for again.
        let mut response = match std::mem::replace(&mut self.state, State::Over) {
            State::NotAsked { outbox, speaks_v2 } => {
                let body = outbox.lock().map(|mut body| std::mem::take(&mut *body));
                let body = body.unwrap_or_default();
                let Exchange {
                    caller,
                    base,
                    service,
                    ..
                } = &*self.exchange;
                let answered = caller.post(base, *service, speaks_v2, body);
                self.exchange.wait(answered)?
            }
            State::Coming(response) => response,
            State::Over => return Ok(None),
        };
        let part = self.exchange.caller.next_part(&mut response, self.received);
        let part = self.exchange.wait(part)?;
        if let Some(part) = &part {
            self.received += part.len() as u64;
            let counted = &self.exchange.run.progress().bytes_received;
            counted.fetch_add(part.len() as u64, Ordering::Relaxed);
            self.state = State::Coming(response);
        }
        Ok(part)
    }

    /// Reads the end of an answer that has been used, so that the next request finds its connection free.
    fn finish(mut self) {
        if let Some(rest) = self.rest() {
            self.exchange.runtime.block_on(rest);
        }
    }

    /// Waits for the end; what turns out to be more than that is not waited for.
    fn rest(&mut self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let State::Coming(mut response) = std::mem::replace(&mut self.state, State::Over) else {
            return None;
        };
        let is_wanted = self.part.is_empty() && !self.exchange.run.is_cancelled();
        is_wanted.then_some(async move {
            timeout(LAST_PART, response.chunk()).await.ok();
        })
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(rest) = self.rest() {
            self.exchange.runtime.spawn(rest);
        }
    }
}

impl Exchange {
    /// Waits, blocking, until the run is cancelled.
    fn wait<T>(&self, work: impl Future<Output = Result<T>>) -> io::Result<T> {
        let result = self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.run.cancelled() => Err(Error::cancelled(format!("talking to `{}`", self.base))),
                result = work => result,
            }
        });
        result.map_err(Error::into_io)
    }
}
