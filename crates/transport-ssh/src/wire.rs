//! The TCP connection under a session.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use gitbarge_core::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

use crate::url::SshUrl;

/// A TCP connection that ends when its [`DropGuard`] is dropped.
///
/// A session's task owns the stream, and looks neither at its channels' ends during a key exchange nor at anything during a
/// write; without the guard it would outlive a cancelled run for as long as the server says nothing.
pub(crate) struct Wire {
    stream: TcpStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> (Self, DropGuard) {
        let token = CancellationToken::new();
        let cut = Box::pin(token.clone().cancelled_owned());
        (Self { stream, cut }, token.drop_guard())
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

/// Connects to a server, by all its addresses one after the other; each gets its share of the time that is left.
///
/// # Errors
/// `unreachable`; `timeout` if the last address did not answer.
pub(crate) async fn dial(url: &SshUrl, deadline: Instant) -> Result<TcpStream> {
    let server = url.server();
    let addresses = lookup_host((url.host.as_str(), url.port)).await;
    let addresses: Vec<_> = addresses
        .map_err(|error| {
            unreachable(
                format!("the host name `{}` cannot be resolved", url.host),
                error,
            )
        })?
        .collect();
    let mut failure = Error::new(
        ErrorKind::Unreachable,
        format!("the host name `{}` has no addresses", url.host),
    );
    for (n, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - n).unwrap_or(u32::MAX);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small requests would wait for the answers to earlier ones.
                stream
                    .set_nodelay(true)
                    .map_err(|e| unreachable(format!("cannot connect to `{server}`"), e))?;
                return Ok(stream);
            }
            Ok(Err(error)) => {
                failure = unreachable(
                    format!("cannot connect to `{server}` ({})", address.ip()),
                    error,
                );
            }
            Err(_) => {
                let message = format!(
                    "`{server}` ({}) did not answer within {share:.1?}",
                    address.ip()
                );
                failure = Error::new(ErrorKind::Timeout, message);
            }
        }
    }
    Err(failure)
}

/// Acknowledges at once what has come, where the system can.
///
/// OpenSSH's server leaves Nagle's algorithm on, so the second of two small packets, such as the first data after the answer to a
/// request, waits for the acknowledgement of the first; the system would hold that back for 40 ms (tcp(7), `TCP_QUICKACK`).
fn acknowledge(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::net::sockopt::set_tcp_quickack(stream, true) {
        tracing::trace!(%error, "TCP acknowledgements stay delayed.");
    }
    #[cfg(not(target_os = "linux"))]
    let _: &TcpStream = stream;
}

fn unreachable(message: String, error: io::Error) -> Error {
    Error::new(ErrorKind::Unreachable, message).with_source(error)
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_pending() {
            acknowledge(&self.stream);
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use tokio::io::AsyncReadExt as _;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + std::time::Duration::from_secs(10)
    }

    #[tokio::test]
    async fn a_cut_wire_fails_while_it_waits() {
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let stream = TcpStream::connect(silent.local_addr().unwrap())
            .await
            .unwrap();
        let (mut wire, guard) = Wire::new(stream);
        let reading = tokio::spawn(async move { wire.read_u8().await });
        tokio::task::yield_now().await;
        drop(guard);
        let error = reading.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn a_port_that_nobody_listens_on_is_unreachable() {
        let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = gone.local_addr().unwrap().port();
        drop(gone);
        let url = SshUrl::parse(&format!("ssh://127.0.0.1:{port}/a")).unwrap();
        let error = dial(&url, soon()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(error.to_string().contains(&url.server()), "{error}");
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_is_unreachable() {
        let url = SshUrl::parse("no-such-host.invalid:a").unwrap();
        let error = dial(&url, soon()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(
            error
                .to_string()
                .contains("`no-such-host.invalid` cannot be resolved"),
            "{error}"
        );
    }
}
