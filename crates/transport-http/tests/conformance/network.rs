//! Servers that are silent, slow, gone or back again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gitbarge_core::{ErrorKind, Run, Service};
use gitbarge_testkit::http_backend::Mood;
use gitbarge_testkit::proxy::Proxy;
use gitbarge_transport_http::HttpConfig;
use tokio::io::AsyncWriteExt as _;

use crate::lab::{Lab, fetch, list, list_once, source};

/// How much later than its limit something may be seen to end on a busy machine.
const SLACK: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_millis(300);
const MEBIBYTE: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_given_up_in_time() {
    let lab = Lab::new().await;
    let proxy = Proxy::start(lab.server.address()).await;
    proxy.fall_silent();
    let mut config = lab.config_at(proxy.address());
    config.connect_timeout = LIMIT;
    config.idle_timeout = LIMIT;
    let began = Instant::now();
    let error = list_once(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(
        error.to_string().contains("did not answer within 600ms"),
        "{error}"
    );
    assert!(began.elapsed() >= 2 * LIMIT && began.elapsed() < 2 * LIMIT + SLACK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_connected_to_in_time_is_a_timeout() {
    let lab = Lab::new().await;
    let proxy = Proxy::start(lab.server.address()).await;
    proxy.fall_silent();
    // The TLS handshake is part of connecting.
    let url = lab
        .config_at(proxy.address())
        .url
        .replace("http:", "https:");
    let mut config = HttpConfig::new(url);
    config.connect_timeout = LIMIT;
    let error = list_once(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.to_string().contains("within 300ms"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_server_cannot_be_reached_is_said_in_plain_words() {
    let lab = Lab::new().await;
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let plain = lab.config().url;
    for (url, words) in [
        (lab.config_at(address).url, "the connection was refused"),
        (plain.replace("http:", "https:"), "it does not speak TLS"),
        (
            "https://no-such-host.invalid/x".to_owned(),
            "cannot be resolved",
        ),
    ] {
        let failure = list_once(HttpConfig::new(url)).await.unwrap_err().failure();
        assert_eq!(failure.kind, ErrorKind::Unreachable, "{failure:?}");
        assert!(failure.message.contains(words), "{failure:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_speak_http_is_a_protocol_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ssh_server = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        client.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await.unwrap();
        client
    });
    let config = HttpConfig::new(format!("http://{address}/x.git"));
    let error = list_once(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(error.to_string().contains("does not speak HTTP"), "{error}");
    drop(ssh_server.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_in_mid_pack_is_unreachable_and_the_next_fetch_works() {
    let lab = Lab::with_content(4 * MEBIBYTE).await;
    let source = source(lab.config());
    for after in [0, 10, 100_000, 4 * MEBIBYTE as u64] {
        lab.server.set_mood(Mood::CutPack(after));
        let error = fetch(&source, &Run::standalone("cut")).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{after}: {error}");
        let address = lab.server.address().to_string();
        assert!(error.to_string().contains(&address), "{after}: {error}");
    }
    lab.server.set_mood(Mood::Well);
    fetch(&source, &Run::standalone("whole")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_stalls_is_a_timeout() {
    let lab = Lab::with_content(MEBIBYTE).await;
    for after in [0, 100_000] {
        lab.server.set_mood(Mood::StallPack(after));
        let mut config = lab.config();
        config.idle_timeout = LIMIT;
        let began = Instant::now();
        let run = Run::standalone("stall");
        let error = fetch(&source(config), &run).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(error.to_string().contains("300ms"), "{error}");
        assert!(began.elapsed() >= LIMIT && began.elapsed() < LIMIT + SLACK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_connect_ends_at_once() {
    let lab = Lab::new().await;
    let proxy = Proxy::start(lab.server.address()).await;
    proxy.fall_silent();
    let source = source(lab.config_at(proxy.address()));
    let run = Run::standalone("cancel");
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
    let took = cancelled.elapsed();
    assert!(took < Duration::from_millis(100), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_waits_for_a_pack_ends_when_it_is_cancelled() {
    let lab = Lab::with_content(MEBIBYTE).await;
    lab.server.set_mood(Mood::StallPack(100_000));
    let source = source(lab.config());
    let run = Run::standalone("cancel");
    let (token, progress) = (run.cancel_token().clone(), run.progress().clone());
    let fetching = tokio::spawn(async move { fetch(&source, &run).await.err() });
    let received = &progress.bytes_received;
    while received.load(std::sync::atomic::Ordering::Relaxed) < 100_000 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let cancelled = Instant::now();
    token.cancel();
    let error = fetching.await.unwrap().unwrap();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert!(cancelled.elapsed() < SLACK, "{:?}", cancelled.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_that_follow_one_another_share_a_connection() {
    let lab = Lab::new().await;
    let proxy = Proxy::start(lab.server.address()).await;
    let source = source(lab.config_at(proxy.address()));
    for _ in 0..10 {
        assert_eq!(list(&source).await.ok(), lab.repository.id("main"));
    }
    assert_eq!(lab.statuses().len(), 20);
    // A second one may be opened while the first is just becoming free.
    assert!(proxy.connections() <= 3, "{}", proxy.connections());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_server_has_closed_is_opened_anew() {
    let lab = Lab::new().await;
    let proxy = Arc::new(Proxy::start(lab.server.address()).await);
    let source = source(lab.config_at(proxy.address()));
    for _ in 0..3 {
        list(&source).await.unwrap();
        proxy.cut();
    }
}
