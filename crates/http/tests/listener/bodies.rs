//! Bodies: too large, too slow, too many.

use std::time::Duration;

use gitbarge_http::Limits;

use crate::fakes::LARGEST;
use crate::lab::Lab;
use crate::wire::Wire;

const POST: &str = "POST /hooks/site HTTP/1.1\r\nHost: x\r\n";

/// One chunk, with an extension that nobody reads.
fn chunk(data: &str) -> String {
    format!("{:X};x=y\r\n{data}\r\n", data.len())
}

#[tokio::test]
async fn a_body_may_have_exactly_as_much_as_the_endpoint_takes() {
    let lab = Lab::new().await;
    let full = "x".repeat(LARGEST);
    lab.post(&[], full.as_bytes()).await.assert_accepted();
    let more = "x".repeat(LARGEST + 1);
    lab.post(&[], more.as_bytes()).await.assert_refused(413);

    let mut wire = lab.connect().await;
    let chunked = format!("{POST}Transfer-Encoding: chunked\r\n\r\n");
    let (one, rest) = full.split_at(1000);
    let whole = [
        &chunked,
        &chunk(one),
        &chunk(rest),
        "0\r\nX-Trailer: y\r\n\r\n",
    ]
    .concat();
    for piece in whole.as_bytes().chunks(97) {
        wire.send(piece).await;
    }
    let answer = wire.answer().await;
    answer.assert_accepted();
    assert_eq!(answer.json()["reason"], "4096 bytes from 127.0.0.1");
    // The connection goes on, and the body ends before it is all there.
    wire.send(chunked + &chunk(&full) + &chunk("x")).await;
    wire.answer().await.assert_refused(413);
}

#[tokio::test]
async fn whoever_is_still_writing_what_is_too_large_reads_the_answer() {
    let lab = Lab::new().await;
    let more = "x".repeat(500_000);
    for _ in 0..20 {
        lab.post(&[], more.as_bytes()).await.assert_refused(413);
        lab.post(&[("x-deny", "1")], more.as_bytes())
            .await
            .assert_refused(403);
    }
}

#[tokio::test]
async fn whoever_waits_for_permission_gets_it_only_for_a_body_that_is_wanted() {
    let lab = Lab::new().await;
    let expecting =
        |length: usize| format!("{POST}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n");
    let mut wire = lab.connect().await;
    wire.send(expecting(4)).await;
    assert_eq!(wire.answer().await.status, 100);
    wire.send("body").await;
    wire.answer().await.assert_accepted();
    let mut wire = lab.connect().await;
    wire.send(expecting(LARGEST + 1)).await;
    wire.answer().await.assert_refused(413);
}

#[tokio::test]
async fn a_body_that_is_not_what_its_head_says_is_refused() {
    let lab = Lab::new().await;
    let mut wire = lab.connect().await;
    wire.send(format!(
        "{POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n"
    ))
    .await;
    if let Some(answer) = wire.try_answer("POST").await {
        assert_eq!(answer.status, 400);
    }
    for length in ["-1", "abc", "1180591620717411303424", "5, 6"] {
        let mut wire = lab.connect().await;
        wire.send(format!("{POST}Content-Length: {length}\r\n\r\nbody!!"))
            .await;
        let answer = wire.try_answer("POST").await;
        assert!(answer.is_none_or(|answer| answer.status == 400), "{length}");
    }
    lab.post(&[], b"").await.assert_accepted();
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let lab = Lab::limited(Limits {
        body_pause: Duration::from_millis(100),
        ..Limits::default()
    })
    .await;
    let mut wire = lab.connect().await;
    wire.send(format!("{POST}Content-Length: 5\r\n\r\nbod"))
        .await;
    wire.answer().await.assert_refused(408);
}

/// A sender that has said how much it will send, and has not sent it.
async fn announce(lab: &Lab, sender: &str, length: usize) -> Wire {
    let mut wire = lab.connect().await;
    let head = format!("{POST}X-Sender: {sender}\r\nContent-Length: {length}\r\n\r\nx");
    wire.send(head).await;
    wire
}

/// How much all bodies have, as the metrics say.
async fn held(lab: &Lab) -> usize {
    let metrics = lab.get("/metrics").await.body;
    let mut lines = metrics.lines();
    let line = lines.find_map(|line| line.strip_prefix("gitbarge_http_held_bytes "));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn bodies_over_the_budget_are_told_to_come_later() {
    let lab = Lab::limited(Limits {
        bodies: 3000,
        bodies_of_one: 2000,
        ..Limits::default()
    })
    .await;
    let first = announce(&lab, "192.0.2.1", 2000).await;
    while held(&lab).await != 2000 {}
    let mut second = announce(&lab, "192.0.2.1", 1).await;
    let answer = second.answer().await;
    answer.assert_refused(503);
    assert_eq!(answer.header("retry-after"), "1");
    let mut third = announce(&lab, "192.0.2.2", 1001).await;
    third.answer().await.assert_refused(503);
    lab.post(&[("x-sender", "192.0.2.2")], &[b'x'; 1000])
        .await
        .assert_accepted();

    // A chunked body counts as it comes.
    let mut chunked = lab.connect().await;
    let head = format!("{POST}X-Sender: 192.0.2.2\r\nTransfer-Encoding: chunked\r\n\r\n");
    chunked.send([head, chunk(&"x".repeat(900))].concat()).await;
    while held(&lab).await != 2900 {}
    chunked.send(chunk(&"x".repeat(101))).await;
    chunked.answer().await.assert_refused(503);

    drop(first);
    while held(&lab).await != 0 {}
    lab.post(&[("x-sender", "192.0.2.1")], &[b'x'; 2000])
        .await
        .assert_accepted();
}
