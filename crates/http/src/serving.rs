//! One address that is listened at.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use gitbarge_core::{Error, ErrorKind, Result};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Limits;
use crate::connection::{self, Ends};
use crate::connections::{Connections, Place};
use crate::tls::Tls;

/// How many connections the system keeps waiting.
const BACKLOG: u32 = 1024;
/// How long nothing is accepted after it has failed: open files are back then, perhaps.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections at one address.
pub(crate) struct Serving {
    local: SocketAddr,
    acceptor: Acceptor,
    /// `None` while the address is given up.
    accepting: Option<Accepting>,
}

struct Accepting {
    closed: CancellationToken,
    task: JoinHandle<()>,
}

/// What all connections share.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) router: Router,
    pub(crate) limits: Arc<Limits>,
    pub(crate) connections: Arc<Connections>,
}

impl Serving {
    /// Serves what is bound.
    pub(crate) fn start(listener: TcpListener, tls: Option<Tls>, ground: Ground) -> Result<Self> {
        let local = listener.local_addr();
        let local =
            local.map_err(|e| Error::new(ErrorKind::Config, "no address").with_source(e))?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        tracing::info!(address = %local, scheme, "Listening.");
        let acceptor = Acceptor {
            tls: Arc::new(RwLock::new(tls)),
            ends: Ends::default(),
            tracker: TaskTracker::new(),
            ground,
        };
        Ok(Self {
            local,
            accepting: Some(acceptor.begin(listener)),
            acceptor,
        })
    }

    /// Where it listens; with the port that the system has chosen, if it had to.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// New connections get this certificate, or none.
    pub(crate) fn set_tls(&self, tls: Option<Tls>) {
        let mut current = self
            .acceptor
            .tls
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = tls;
    }

    /// Gives the address up; what is connected goes on.
    pub(crate) async fn pause(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.closed.cancel();
            // It neither panics nor is aborted.
            drop(accepting.task.await);
        }
    }

    /// Takes the address again.
    ///
    /// # Errors
    /// Those of [`bind`].
    pub(crate) fn resume(&mut self) -> Result<()> {
        let listener = bind(self.local)?;
        self.accepting = Some(self.acceptor.begin(listener));
        Ok(())
    }

    /// Lets requests that are being answered end, for so long, and closes all connections.
    pub(crate) async fn end(mut self, patience: Duration) {
        self.pause().await;
        let Acceptor { ends, tracker, .. } = self.acceptor;
        ends.soon.cancel();
        tracker.close();
        if timeout(patience, tracker.wait()).await.is_err() {
            ends.now.cancel();
            tracker.wait().await;
        }
    }
}

/// Binds an address.
///
/// # Errors
/// `config`, naming the address.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener> {
    listen(address).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "another process listens there: stop it, or change `listen` in `[http]`"
            }
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need the capability CAP_NET_BIND_SERVICE"
            }
            _ => "`listen` in `[http]` must be an address of this machine",
        };
        Error::new(ErrorKind::Config, format!("cannot listen on `{address}`"))
            .with_source(error)
            .with_hint(hint)
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of an earlier process that are still closing do not keep the address.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[derive(Clone)]
struct Acceptor {
    tls: Arc<RwLock<Option<Tls>>>,
    ends: Ends,
    tracker: TaskTracker,
    ground: Ground,
}

impl Acceptor {
    fn begin(&self, listener: TcpListener) -> Accepting {
        let closed = CancellationToken::new();
        let task = tokio::spawn(self.clone().accept(listener, closed.clone()));
        Accepting { closed, task }
    }

    async fn accept(self, listener: TcpListener, closed: CancellationToken) {
        loop {
            let next = async {
                let room = self.ground.connections.room().await;
                (listener.accept().await, room)
            };
            let (accepted, room) = tokio::select! {
                biased;
                () = closed.cancelled() => return,
                next = next => next,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                    // One that has too many already is closed by dropping the stream.
                    if let Some(place) = self.ground.connections.admit(peer.ip(), room) {
                        self.serve(stream, peer, place);
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "A connection was not accepted.");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn serve(&self, stream: TcpStream, peer: SocketAddr, place: Place) {
        let tls = self.tls.read().unwrap_or_else(PoisonError::into_inner);
        let tls = tls.as_ref().map(Tls::config);
        let (ground, ends) = (self.ground.clone(), self.ends.clone());
        self.tracker.spawn(async move {
            connection::serve(stream, peer.ip(), tls, ground, ends).await;
            drop(place);
        });
    }
}
