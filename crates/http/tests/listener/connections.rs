//! Connections: quiet ones, and too many.

use std::time::{Duration, Instant};

use gitbarge_http::Limits;

use crate::lab::Lab;
use crate::wire::Wire;

fn quick() -> Limits {
    Limits {
        first_request: Duration::from_millis(300),
        idle: Duration::from_millis(300),
        ..Limits::default()
    }
}

#[tokio::test]
async fn whoever_does_not_come_to_the_point_is_hung_up_on() {
    let lab = Lab::limited(quick()).await;
    for begin in [
        "",
        "P",
        "GET / HTTP/1.1\r\nHost: x\r\nX-Slow",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut wire = lab.connect().await;
        wire.send(begin).await;
        let begun = Instant::now();
        wire.closed().await;
        assert!(begun.elapsed() > Duration::from_millis(200), "{begin:?}");
    }
}

#[tokio::test]
async fn a_head_that_drips_does_not_keep_a_connection() {
    let lab = Lab::limited(quick()).await;
    let mut wire = lab.connect().await;
    assert_eq!(wire.ask("GET", "/healthz", &[], b"").await.status, 200);
    let address = lab.address;
    let dripping = tokio::spawn(async move {
        let mut wire = Wire::connect(address).await;
        wire.send("GET / HTTP/1.1\r\n").await;
        loop {
            tokio::select! {
                () = wire.closed() => return,
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
            wire.send("X: y\r\n").await;
        }
    });
    // A reset while it writes is an end too.
    drop(dripping.await);
    // And so is a quiet one after its request.
    wire.closed().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let lab = Lab::new().await;
    let large = "x".repeat(300_000);
    let many: Vec<String> = (0..101)
        .map(|number| format!("X-{number}: y\r\n"))
        .collect();
    for headers in [format!("X-Large: {large}\r\n"), many.concat()] {
        let mut wire = lab.connect().await;
        wire.send(format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{headers}\r\n"))
            .await;
        let answer = wire.try_answer("GET").await;
        assert!(answer.is_none_or(|answer| answer.status == 431));
    }
    assert_eq!(lab.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn one_address_cannot_have_all_connections() {
    let lab = Lab::limited(Limits {
        connections: 8,
        connections_of_one: 3,
        ..Limits::default()
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut wire = lab.connect().await;
        assert_eq!(wire.ask("GET", "/healthz", &[], b"").await.status, 200);
        held.push(wire);
    }
    lab.connect().await.closed().await;
    let mut other = Wire::from([127, 0, 0, 2].into(), lab.address).await;
    assert_eq!(other.ask("GET", "/healthz", &[], b"").await.status, 200);
    held.pop();
    // Its place is free as soon as the listener has seen that it is gone.
    loop {
        let mut wire = lab.connect().await;
        wire.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
        if wire.try_answer("GET").await.is_some() {
            break;
        }
    }
}

#[tokio::test]
async fn when_all_places_are_taken_quiet_connections_make_room() {
    let lab = Lab::limited(Limits {
        connections: 3,
        connections_of_one: 3,
        idle_when_full: Duration::from_millis(50),
        ..Limits::default()
    })
    .await;
    let mut quiet = Vec::new();
    for _ in 0..3 {
        let mut wire = lab.connect().await;
        assert_eq!(wire.ask("GET", "/healthz", &[], b"").await.status, 200);
        quiet.push(wire);
    }
    let begun = Instant::now();
    assert_eq!(lab.get("/healthz").await.status, 200);
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "it waited for places"
    );
    drop(quiet);
}
