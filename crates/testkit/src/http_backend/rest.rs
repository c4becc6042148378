//! The body of an answer, which may break off.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncBufRead as _, AsyncBufReadExt as _, AsyncRead, BufReader, ReadBuf};
use tokio::process::{Child, ChildStdout};

/// What happens when an answer's budget is used up.
#[derive(Clone, Copy)]
pub(super) enum End {
    Cut,
    Stall,
}

/// The body of an answer, as far as its budget goes. The program ends with it.
pub(super) struct Rest {
    pub(super) output: BufReader<ChildStdout>,
    pub(super) budget: u64,
    pub(super) end: End,
    pub(super) _child: Child,
}

impl AsyncRead for Rest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = usize::try_from(self.budget).unwrap_or(usize::MAX);
        if room == 0 {
            return match self.end {
                End::Cut => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                End::Stall => Poll::Pending,
            };
        }
        let this = &mut *self;
        let data = std::task::ready!(Pin::new(&mut this.output).poll_fill_buf(context))?;
        let count = data.len().min(room).min(buffer.remaining());
        buffer.put_slice(&data[..count]);
        this.output.consume(count);
        this.budget -= count as u64;
        Poll::Ready(Ok(()))
    }
}
