//! The proxy does what tests of the network rely on.

use std::time::Duration;

use gitbarge_testkit::proxy::Proxy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Sends back what it gets.
async fn echo() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = client.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

async fn reads(client: &mut TcpStream, wanted: &[u8]) {
    let mut got = vec![0; wanted.len()];
    client.read_exact(&mut got).await.expect("is sent back");
    assert_eq!(got, wanted);
}

async fn reads_nothing(client: &mut TcpStream) {
    let mut byte = [0];
    let read = timeout(Duration::from_millis(50), client.read(&mut byte));
    assert!(read.await.is_err(), "{byte:?}");
}

#[tokio::test]
async fn bytes_pass_and_connections_are_counted() {
    let proxy = Proxy::start(echo().await).await;
    for n in 1..=2 {
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        client.write_all(b"hello").await.unwrap();
        reads(&mut client, b"hello").await;
        assert_eq!(proxy.connections(), n);
    }
}

#[tokio::test]
async fn a_stalled_connection_goes_on_when_it_may() {
    let proxy = Proxy::start(echo().await).await;
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.stall_after(3);
    client.write_all(b"hello").await.unwrap();
    reads(&mut client, b"hel").await;
    reads_nothing(&mut client).await;
    proxy.resume();
    reads(&mut client, b"lo").await;
}

#[tokio::test]
async fn a_silent_proxy_accepts_and_says_nothing() {
    let proxy = Proxy::start(echo().await).await;
    proxy.fall_silent();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    reads_nothing(&mut client).await;
    proxy.resume();
    reads(&mut client, b"hello").await;
}

#[tokio::test]
async fn a_cut_ends_old_connections_only() {
    let proxy = Proxy::start(echo().await).await;
    let mut old = TcpStream::connect(proxy.address()).await.unwrap();
    old.write_all(b"hello").await.unwrap();
    reads(&mut old, b"hello").await;
    proxy.cut();
    let ended = old.read(&mut [0]).await;
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    new.write_all(b"hello").await.unwrap();
    reads(&mut new, b"hello").await;
}
