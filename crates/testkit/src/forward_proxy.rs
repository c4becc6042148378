//! An HTTP proxy, as organisations have them at their border.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The longest head of a request, in bytes.
const LONGEST_HEAD: usize = 64 << 10;

/// A proxy that passes requests and tunnels (`CONNECT`) on to wherever they are for; it ends when dropped.
pub struct ForwardProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    /// The value of `Proxy-Authorization` that is wanted.
    wanted: Option<String>,
    /// The first lines of the connections that were let through.
    passed: watch::Sender<Vec<String>>,
}

impl ForwardProxy {
    /// Starts a proxy that wants a user and a password, if given.
    ///
    /// # Panics
    /// If the loopback interface has no free port.
    pub async fn start(login: Option<(&str, &str)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("the loopback interface has free ports");
        let address = listener.local_addr().expect("it is bound");
        let encoded = |(user, password)| STANDARD.encode(format!("{user}:{password}"));
        let shared = Arc::new(Shared {
            wanted: login.map(|login| format!("Basic {}", encoded(login))),
            passed: watch::Sender::default(),
        });
        Self {
            address,
            serving: tokio::spawn(accept(listener, shared.clone())),
            shared,
        }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The first line of each connection that was let through, such as `CONNECT host:443 HTTP/1.1`.
    pub fn passed(&self) -> Vec<String> {
        self.shared.passed.borrow().clone()
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut tasks = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let shared = shared.clone();
        // A connection that breaks is over: its client tells.
        tasks.spawn(async move { pass(client, &shared).await.ok() });
        while tasks.try_join_next().is_some() {}
    }
}

async fn pass(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    let head = read_head(&mut client).await?;
    let text = String::from_utf8_lossy(&head).into_owned();
    let line = text.lines().next().unwrap_or_default().to_owned();
    let given = text.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("proxy-authorization")
            .then_some(value)
    });
    if shared.wanted.is_some() && given != shared.wanted.as_deref() {
        let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
        return client.write_all(refusal).await;
    }
    let target = line.split(' ').nth(1).unwrap_or_default();
    let is_tunnel = line.starts_with("CONNECT ");
    let place = target.strip_prefix("http://").unwrap_or(target);
    let place = place.split('/').next().unwrap_or_default();
    let mut server = TcpStream::connect(place).await?;
    shared.passed.send_modify(|all| all.push(line.clone()));
    if is_tunnel {
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    } else {
        // Servers understand requests that name the whole URL.
        server.write_all(&head).await?;
    }
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// Everything up to the empty line, and maybe more.
async fn read_head(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if client.read_buf(&mut head).await? == 0 || head.len() > LONGEST_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(head)
}
