//! Another `[http]` while it listens.

use std::net::SocketAddr;
use std::time::Duration;

use gitbarge_core::config::{HttpConfig, TlsFiles};
use gitbarge_core::{ErrorKind, Secret};
use gitbarge_http::Limits;
use tokio::net::{TcpListener, TcpStream};

use crate::lab::{Lab, TOKEN, here};
use crate::wire::Wire;

fn at(address: SocketAddr) -> HttpConfig {
    HttpConfig {
        listen: address,
        ..here()
    }
}

#[tokio::test]
async fn a_new_address_takes_over_and_what_is_being_answered_still_is() {
    let lab = Lab::new().await;
    let mut old = lab.connect().await;
    old.send("POST /hooks/site HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbo")
        .await;
    // The listener has read the head once it holds the body.
    while !lab
        .get("/metrics")
        .await
        .body
        .contains("gitbarge_http_held_bytes 4\n")
    {}
    let config = at(([127, 0, 0, 1], 0).into());
    let same = lab
        .listener
        .configure(Some(&config))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(same, lab.address, "the same configuration changes nothing");
    let other = at(([127, 0, 0, 2], 0).into());
    let new = lab.listener.configure(Some(&other)).await.unwrap().unwrap();
    let answer = Wire::connect(new)
        .await
        .ask("GET", "/healthz", &[], b"")
        .await;
    assert_eq!(answer.status, 200);
    old.send("dy").await;
    old.answer().await.assert_accepted();
    old.closed().await;
    while TcpStream::connect(lab.address).await.is_ok() {}
}

#[tokio::test]
async fn an_address_that_is_taken_changes_nothing() {
    let lab = Lab::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = taken.local_addr().map(|address| (address, taken)).unwrap();
    let error = lab
        .listener
        .configure(Some(&at(taken.0)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let message = error.failure().message;
    assert!(message.contains(&taken.0.to_string()), "{message}");
    assert!(message.contains("in use"), "{message}");
    assert_eq!(lab.get("/healthz").await.status, 200);

    let missing = TlsFiles {
        cert: "/nowhere/cert.pem".into(),
        key: "/nowhere/key.pem".into(),
    };
    let bad = HttpConfig {
        tls: Some(missing),
        ..here()
    };
    let error = lab.listener.configure(Some(&bad)).await.unwrap_err();
    assert!(error.failure().message.contains("/nowhere/cert.pem"));
    assert_eq!(lab.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn the_same_port_on_all_addresses_can_be_taken_over() {
    let lab = Lab::new().await;
    let port = lab.address.port();
    let everywhere = at(([0, 0, 0, 0], port).into());
    lab.listener.configure(Some(&everywhere)).await.unwrap();
    let mut wire = Wire::connect(([127, 0, 0, 3], port).into()).await;
    assert_eq!(wire.ask("GET", "/healthz", &[], b"").await.status, 200);
    // An address of the same port that is not this machine's: the one that was given up for it comes back.
    let impossible = at(([192, 0, 2, 1], port).into());
    assert!(lab.listener.configure(Some(&impossible)).await.is_err());
    let mut wire = Wire::connect(([127, 0, 0, 3], port).into()).await;
    assert_eq!(wire.ask("GET", "/healthz", &[], b"").await.status, 200);
}

#[tokio::test]
async fn the_token_follows_and_without_one_there_is_no_api() {
    let lab = Lab::new().await;
    let with = |api_token| HttpConfig {
        api_token,
        ..here()
    };
    let new = with(Some(Secret::literal("new-token")));
    lab.listener.configure(Some(&new)).await.unwrap();
    lab.api("GET", "/api/v1/pipelines")
        .await
        .assert_refused(401);
    let header = [("Authorization", "Bearer new-token")];
    let answer = lab.ask("GET", "/api/v1/pipelines", &header).await;
    assert_eq!(answer.status, 200);
    lab.listener.configure(Some(&with(None))).await.unwrap();
    for path in [
        "/api/v1/pipelines",
        "/api/v1/openapi.json",
        "/api/v1/pipelines/site",
    ] {
        for method in ["GET", "POST"] {
            lab.ask(method, path, &header).await.assert_refused(404);
        }
    }
}

#[tokio::test]
async fn closing_waits_for_what_is_being_answered_but_not_for_ever() {
    let lab = Lab::limited(Limits {
        answer: Duration::from_secs(3600),
        ..Limits::default()
    })
    .await;
    let mut idle = lab.connect().await;
    assert_eq!(idle.ask("GET", "/healthz", &[], b"").await.status, 200);
    let mut stuck = lab.connect().await;
    stuck
        .send("POST /hooks/site HTTP/1.1\r\nHost: x\r\nX-Wait: 1\r\nContent-Length: 0\r\n\r\n")
        .await;
    lab.listener.close(Duration::from_millis(50)).await;
    idle.closed().await;
    stuck.closed().await;
    assert!(TcpStream::connect(lab.address).await.is_err());
    lab.listener.close(Duration::from_millis(50)).await;
    assert!(!format!("{:?}", here()).contains(TOKEN));
}
