//! A TCP proxy that plays the network on a bad day.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Passes connections on to a server; cuts them all when dropped.
pub struct Proxy {
    address: SocketAddr,
    control: watch::Sender<Control>,
    connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Clone)]
struct Control {
    server: SocketAddr,
    silent: bool,
    /// How many more bytes of the server pass.
    budget: u64,
    /// How often everything was cut: a connection that began before the last time has ended.
    cuts: u64,
}

impl Proxy {
    /// Starts a proxy for the server at an address.
    ///
    /// # Panics
    /// If the loopback interface has no free port.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("the loopback interface has free ports");
        let control = watch::Sender::new(Control {
            server,
            silent: false,
            budget: u64::MAX,
            cuts: 0,
        });
        let connections = Arc::<AtomicUsize>::default();
        Self {
            address: listener.local_addr().expect("it is bound"),
            accepting: tokio::spawn(accept(listener, control.clone(), connections.clone())),
            control,
            connections,
        }
    }

    /// Where to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Passes new connections on to another server.
    pub fn redirect(&self, server: SocketAddr) {
        self.control.send_modify(|control| control.server = server);
    }

    /// Lets so many more bytes of the server pass, in all connections together; then it is as if the network stood still.
    pub fn stall_after(&self, bytes: u64) {
        self.control.send_modify(|control| control.budget = bytes);
    }

    /// Lets everything pass again, for old and new connections.
    pub fn resume(&self) {
        self.control.send_modify(|control| {
            control.budget = u64::MAX;
            control.silent = false;
        });
    }

    /// Accepts connections from now on, and says nothing on them.
    pub fn fall_silent(&self) {
        self.control.send_modify(|control| control.silent = true);
    }

    /// Ends all connections. New ones are accepted.
    pub fn cut(&self) {
        self.control.send_modify(|control| control.cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    control: watch::Sender<Control>,
    connections: Arc<AtomicUsize>,
) {
    let mut tasks = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::Relaxed);
        let control = control.clone();
        tasks.spawn(async move {
            let cuts = control.borrow().cuts;
            let mut watched = control.subscribe();
            tokio::select! {
                _ = watched.wait_for(|now| now.cuts > cuts) => {}
                // Whichever side ends, or fails: the connection is over.
                _ = pass(client, &control) => {}
            }
        });
        while tasks.try_join_next().is_some() {}
    }
}

async fn pass(mut client: TcpStream, control: &watch::Sender<Control>) -> io::Result<()> {
    let mut watched = control.subscribe();
    let Ok(now) = watched
        .wait_for(|now| !now.silent)
        .await
        .map(|now| now.clone())
    else {
        return Ok(());
    };
    let mut server = TcpStream::connect(now.server).await?;
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let up = async {
        tokio::io::copy(&mut from_client, &mut to_server).await?;
        to_server.shutdown().await
    };
    let down = async {
        copy_within_budget(&mut from_server, &mut to_client, control).await?;
        to_client.shutdown().await
    };
    tokio::try_join!(up, down)?;
    Ok(())
}

async fn copy_within_budget(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    control: &watch::Sender<Control>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let mut left = &buffer[..count];
        while !left.is_empty() {
            let (now, later) = left.split_at(take(control, left.len()));
            to.write_all(now).await?;
            left = later;
            if !left.is_empty() {
                let mut budget = control.subscribe();
                if budget.wait_for(|now| now.budget > 0).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

/// Takes as much of the budget as there is, but no more than wanted.
fn take(control: &watch::Sender<Control>, wanted: usize) -> usize {
    let mut taken = 0;
    control.send_if_modified(|control| {
        let bytes = control.budget.min(wanted as u64);
        if control.budget != u64::MAX {
            control.budget -= bytes;
        }
        taken = usize::try_from(bytes).expect("no more than wanted");
        false
    });
    taken
}
