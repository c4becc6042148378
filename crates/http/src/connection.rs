//! One connection, from its first byte to its last.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::Limits;
use crate::activity::Activity;
use crate::serving::Ground;

/// How often it is looked whether a connection has become quiet.
const PERIOD: Duration = Duration::from_millis(250);
/// How long a connection that is to end may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// How much an HTTP/2 stream may send before it is read, in bytes.
const WINDOW: u32 = 128 << 10;

/// The address at the other end of the connection that a request came over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// What ends connections.
#[derive(Clone, Default)]
pub(crate) struct Ends {
    /// What is being answered is still answered.
    pub(crate) soon: CancellationToken,
    /// Nothing is.
    pub(crate) now: CancellationToken,
}

/// Serves a connection to its end.
pub(crate) async fn serve(
    stream: TcpStream,
    peer: IpAddr,
    tls: Option<Arc<ServerConfig>>,
    ground: Ground,
    ends: Ends,
) {
    // Answers are small and written at once.
    stream.set_nodelay(true).ok();
    let Some(tls) = tls else {
        return speak(stream, peer, ground, ends).await;
    };
    let limit = ground.limits.first_request;
    let handshake = timeout(limit, TlsAcceptor::from(tls).accept(stream));
    let shaken = tokio::select! {
        () = ends.soon.cancelled() => return,
        shaken = handshake => shaken,
    };
    match shaken {
        Ok(Ok(stream)) => speak(stream, peer, ground, ends).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "A TLS handshake failed."),
        Err(_) => tracing::debug!(%peer, "A TLS handshake took too long."),
    }
}

/// Speaks HTTP/1.0, 1.1 or 2, whichever the other end begins with.
async fn speak<S>(stream: S, peer: IpAddr, ground: Ground, ends: Ends)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::new();
    let doing = activity.clone();
    let router = TowerToHyperService::new(ground.router);
    let service = service_fn(move |request: http::Request<Incoming>| {
        let busy = doing.begin();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        let answer = router.call(request);
        async move {
            let answer = answer.await;
            drop(busy);
            answer
        }
    });
    let builder = builder(&ground.limits);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let mut looks = interval(PERIOD);
    let mut end: Option<Instant> = None;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "A connection ended badly.");
                }
                return;
            }
            () = ends.now.cancelled() => return,
            () = ends.soon.cancelled(), if end.is_none() => {
                connection.as_mut().graceful_shutdown();
                // Whoever gave the word bounds it.
                end = Some(Instant::now() + ground.limits.body + ground.limits.answer);
            }
            _ = looks.tick() => {
                let limits = &ground.limits;
                let full = ground.connections.is_full();
                let wait = |limit: Duration| if full { limit.min(limits.idle_when_full) } else { limit };
                if end.is_some_and(|end| end <= Instant::now()) {
                    return;
                }
                if end.is_none() && activity.is_quiet(wait(limits.first_request), wait(limits.idle)) {
                    connection.as_mut().graceful_shutdown();
                    end = Some(Instant::now() + GOODBYE);
                }
            }
        }
    }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    let head = u32::try_from(limits.head).unwrap_or(u32::MAX);
    builder
        .http1()
        .timer(TokioTimer::new())
        // Slow heads are seen by their connection's silence, as those of HTTP/2.
        .header_read_timeout(None)
        .half_close(true)
        .max_buf_size(limits.head)
        .max_headers(limits.header_lines);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(head)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(2 * WINDOW);
    builder
}
