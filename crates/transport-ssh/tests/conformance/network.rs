//! Servers that are silent, slow, gone or back again.

use std::io::BufRead as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gitbarge_core::{Error, ErrorKind, Secret, Service, Source};
use gitbarge_testkit::memory::MemoryState;
use gitbarge_testkit::proxy::Proxy;
use gitbarge_testkit::sshd::{KeyType, SshKey};
use gix::protocol::transport::client::{MessageKind, WriteMode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::lab::{Lab, list, list_once, run, source};

/// How much later than its limit something may be seen to end on a busy machine.
const SLACK: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_given_up_in_time() {
    let lab = Lab::new();
    let proxy = Proxy::start(lab.sshd.address()).await;
    proxy.fall_silent();
    let mut config = lab.config_at(proxy.address());
    config.connect_timeout = LIMIT;
    let began = Instant::now();
    let error = list_once(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("300ms"), "{error}");
    assert!(began.elapsed() >= LIMIT && began.elapsed() < LIMIT + SLACK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stalls_in_the_key_exchange_is_given_up_and_left() {
    let lab = Lab::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = lab.config_at(listener.local_addr().unwrap());
    config.connect_timeout = LIMIT;
    let listing = tokio::spawn(list_once(config));
    let (mut client, _) = listener.accept().await.unwrap();
    client.write_all(b"SSH-2.0-silent\r\n").await.unwrap();
    let error = listing.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    // The client's end of the connection is closed: what it has sent can be read to its end.
    let read = timeout(SLACK, client.read_to_end(&mut Vec::new())).await;
    assert!(matches!(read, Ok(Ok(_))), "{read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_port_and_a_lost_connection_are_unreachable() {
    let lab = Lab::new();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let error = list_once(lab.config_at(address)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_speak_ssh_is_a_protocol_error() {
    let lab = Lab::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let web_server = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let line = [b'x'; 10_000];
        client.write_all(&line).await.unwrap();
        client
    });
    let error = list_once(lab.config_at(address)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    drop(web_server.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_connect_ends_at_once() {
    let lab = Lab::new();
    let proxy = Proxy::start(lab.sshd.address()).await;
    proxy.fall_silent();
    let source = source(lab.config_at(proxy.address()));
    let run = run(&MemoryState::new());
    let token = run.cancel_token().clone();
    let connecting =
        tokio::spawn(async move { source.connect(Service::UploadPack, &run).await.err() });
    while proxy.connections() == 0 {
        tokio::task::yield_now().await;
    }
    let cancelled = Instant::now();
    token.cancel();
    let error = connecting.await.unwrap().unwrap();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(
        cancelled.elapsed() < Duration::from_millis(100),
        "{:?}",
        cancelled.elapsed()
    );
}

/// Shakes hands, asks for half a command, and waits for its answer; returns what ends the wait.
async fn wait_for_ever(source: &Arc<dyn Source>) -> Error {
    let run = run(&MemoryState::new());
    let mut connection = source.connect(Service::UploadPack, &run).await.unwrap();
    let waiting = move || {
        let transport = &mut connection.transport;
        transport.handshake(Service::UploadPack, &[]).unwrap();
        let half = MessageKind::Text(b"command=ls-refs");
        let request = transport.request(WriteMode::OneLfTerminatedLinePerWriteCall, half, false);
        let mut answer = request.unwrap().into_read().unwrap();
        let error = answer.fill_buf().unwrap_err();
        *error.into_inner().unwrap().downcast::<Error>().unwrap()
    };
    tokio::task::spawn_blocking(waiting).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_server_is_given_up_and_its_session_not_used_again() {
    let lab = Lab::new();
    let proxy = Proxy::start(lab.sshd.address()).await;
    let mut config = lab.config_at(proxy.address());
    config.idle_timeout = LIMIT;
    let source = source(config);
    let began = Instant::now();
    let error = wait_for_ever(&source).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let message = error.to_string();
    assert!(
        message.contains("said nothing for 300ms, after "),
        "{message}"
    );
    assert!(!message.contains("after 0 bytes"), "{message}");
    assert!(began.elapsed() >= LIMIT && began.elapsed() < LIMIT + SLACK);
    list(&source, &run(&MemoryState::new())).await.unwrap();
    assert_eq!(proxy.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_is_unreachable() {
    let lab = Lab::new();
    let proxy = Arc::new(Proxy::start(lab.sshd.address()).await);
    let source = source(lab.config_at(proxy.address()));
    let run = run(&MemoryState::new());
    let mut connection = source.connect(Service::UploadPack, &run).await.unwrap();
    let cutter = proxy.clone();
    let reading = move || {
        let transport = &mut connection.transport;
        transport.handshake(Service::UploadPack, &[]).unwrap();
        cutter.cut();
        let half = MessageKind::Text(b"command=ls-refs");
        let request = transport.request(WriteMode::OneLfTerminatedLinePerWriteCall, half, false);
        // The loss shows when the request is sent, or when the answer is read.
        let lines = request.unwrap().into_read();
        let error = match lines {
            Ok(mut lines) => lines.fill_buf().map(drop).unwrap_err(),
            Err(error) => error,
        };
        error
            .into_inner()
            .unwrap()
            .downcast::<Error>()
            .unwrap()
            .kind()
    };
    let kind = tokio::task::spawn_blocking(reading).await.unwrap();
    assert_eq!(kind, ErrorKind::Unreachable);
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_that_follow_one_another_share_a_session() {
    let lab = Lab::new();
    let proxy = Proxy::start(lab.sshd.address()).await;
    let source = source(lab.config_at(proxy.address()));
    let run = run(&MemoryState::new());
    for _ in 0..5 {
        let tip = lab.repository.id("refs/heads/main");
        assert_eq!(list(&source, &run).await.ok(), tip);
    }
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_side_by_side_have_sessions_of_their_own() {
    let lab = Lab::new();
    let proxy = Proxy::start(lab.sshd.address()).await;
    let source = source(lab.config_at(proxy.address()));
    let run = run(&MemoryState::new());
    let first = source.connect(Service::UploadPack, &run).await.unwrap();
    let second = source.connect(Service::UploadPack, &run).await.unwrap();
    assert_eq!(proxy.connections(), 2);
    drop(first);
    drop(second);
    list(&source, &run).await.unwrap();
    assert_eq!(proxy.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_server_has_closed_is_opened_anew() {
    let lab = Lab::new();
    let proxy = Proxy::start(lab.sshd.address()).await;
    let source = source(lab.config_at(proxy.address()));
    let run = run(&MemoryState::new());
    for n in 1..=3 {
        list(&source, &run).await.unwrap();
        assert_eq!(proxy.connections(), n);
        proxy.cut();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_has_changed_means_a_new_session() {
    let lab = Lab::new();
    let proxy = Proxy::start(lab.sshd.address()).await;
    let mut config = lab.config_at(proxy.address());
    let file = lab.file("key", &lab.sshd.client_key().private);
    config.key = Secret::file(&file);
    let source = source(config);
    let run = run(&MemoryState::new());
    list(&source, &run).await.unwrap();
    std::fs::write(&file, SshKey::generate(KeyType::Ed25519).private).unwrap();
    let error = list(&source, &run).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthFailed);
    assert_eq!(proxy.connections(), 2);
}
