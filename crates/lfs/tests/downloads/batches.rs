//! What the batch API is asked, and what its answers mean.

use std::time::{Duration, Instant};

use gitbarge_core::ErrorKind;
use gitbarge_lfs::Object;
use gitbarge_testkit::lfs::{Answer, LfsHost};

use crate::{Lab, add, client, impatient};

#[tokio::test]
async fn many_objects_need_one_request_for_each_hundred_and_keep_their_order() {
    let lab = Lab::new().await;
    let objects: Vec<Object> = (0..250_u32)
        .map(|n| add(&lab.host, &n.to_be_bytes()))
        .collect();
    let client = lab.client.for_ref("refs/heads/main");
    let offers = client.batch(&objects, &lab.run).await.unwrap();
    let offered = offers.into_iter().map(|offer| offer.unwrap().object());
    assert_eq!(offered.collect::<Vec<_>>(), objects);

    let received = lab.host.received();
    let sizes: Vec<usize> = received
        .iter()
        .map(|request| {
            let body = request.body.as_ref().unwrap();
            assert_eq!(body["ref"]["name"], "refs/heads/main");
            assert_eq!(body["transfers"][0], "basic");
            body["objects"].as_array().unwrap().len()
        })
        .collect();
    assert_eq!(sizes, [100, 100, 50]);
}

#[tokio::test]
async fn nothing_asked_for_needs_no_request() {
    let lab = Lab::new().await;
    assert!(lab.client.batch(&[], &lab.run).await.unwrap().is_empty());
    assert_eq!(lab.host.batches(), 0);
}

#[tokio::test]
async fn a_missing_object_is_named_and_the_others_can_be_had() {
    let lab = Lab::new().await;
    let missing = Object {
        oid: [7; 32],
        size: 9,
    };
    let asked = [missing, lab.object];
    let offers = lab.client.batch(&asked, &lab.run).await.unwrap();
    let error = offers[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RemoteMissing);
    assert!(error.to_string().contains(&missing.hex()), "{error}");
    let content = lab.read(offers[1].as_ref().unwrap()).await.unwrap();
    assert_eq!(content, lab.content);
}

#[tokio::test]
async fn errors_of_an_object_have_kinds() {
    let lab = Lab::new().await;
    for (code, kind) in [
        (403, ErrorKind::AuthFailed),
        (404, ErrorKind::RemoteMissing),
        (410, ErrorKind::RemoteMissing),
        (422, ErrorKind::RemoteMissing),
        (429, ErrorKind::Unreachable),
        (500, ErrorKind::Unreachable),
    ] {
        lab.host.set(|host| host.object_error = Some(code));
        let error = lab.failure().await;
        assert_eq!(error.kind(), kind, "{code}");
        assert!(error.to_string().contains(&lab.object.hex()), "{error}");
    }
}

#[tokio::test]
async fn refusals_of_the_batch_api_have_kinds_and_are_final() {
    let lab = Lab::new().await;
    for (status, kind) in [
        (401, ErrorKind::AuthFailed),
        (403, ErrorKind::AuthFailed),
        (404, ErrorKind::RemoteMissing),
        (405, ErrorKind::RemoteMissing),
        (501, ErrorKind::RemoteMissing),
        (406, ErrorKind::Protocol),
        (413, ErrorKind::Protocol),
        (422, ErrorKind::Protocol),
    ] {
        let before = lab.host.batches();
        lab.host.set(|host| host.batch = Answer::Status(status));
        let error = lab.failure().await;
        assert_eq!(error.kind(), kind, "{status}");
        assert_eq!(lab.host.batches(), before + 1, "{status}");
        let says_no_lfs = error.to_string().contains("has no LFS");
        assert_eq!(says_no_lfs, kind == ErrorKind::RemoteMissing, "{error}");
    }
}

#[tokio::test]
async fn a_server_that_fails_is_asked_again_a_few_times() {
    let lab = Lab::new().await;
    lab.host.set(|host| host.batch = Answer::Times(3, 503));
    assert!(lab.offer().await.is_ok());
    assert_eq!(lab.host.batches(), 4);

    lab.host.set(|host| host.batch = Answer::Status(500));
    assert_eq!(lab.failure().await.kind(), ErrorKind::Unreachable);
    assert_eq!(lab.host.batches(), 8);
}

#[tokio::test]
async fn a_server_that_asks_to_slow_down_is_given_the_time() {
    let lab = Lab::new().await;
    lab.host.set(|host| host.batch = Answer::SlowDown(1, "1"));
    let started = Instant::now();
    assert!(lab.offer().await.is_ok());
    assert!(started.elapsed() >= Duration::from_secs(1));

    // The engine waits so long, not a request.
    lab.host.set(|host| host.batch = Answer::SlowDown(1, "300"));
    let error = lab.failure().await;
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(300)));
}

#[tokio::test]
async fn an_answer_without_end_or_sense_is_refused() {
    let lab = Lab::new().await;
    for body in [
        r#"{"objects":["#.to_owned() + &"{},".repeat(3 << 20),
        "<html>".to_owned(),
        r#"{"objects":[],"transfer":"tus"}"#.to_owned(),
        r#"{"objects":[]}"#.to_owned(),
    ] {
        lab.host.set(|host| host.batch = Answer::Body(body.into()));
        assert_eq!(lab.failure().await.kind(), ErrorKind::Protocol);
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_a_timeout() {
    let mut lab = Lab::new().await;
    lab.host.set(|host| host.batch = Answer::Hang);
    let server = lab.host.server();
    let short = Duration::from_millis(100);
    lab.client = gitbarge_lfs::Client::new(server, short, short).unwrap();
    assert_eq!(lab.failure().await.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let mut lab = Lab::new().await;
    let mut server = lab.host.server();
    server.url = format!("http://{address}/x");
    lab.client = impatient(server);
    let error = lab.failure().await;
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn cancelling_ends_the_waiting_at_once() {
    let lab = Lab::new().await;
    for answer in [Answer::Hang, Answer::SlowDown(1, "15")] {
        lab.host.set(|host| host.batch = answer);
        let run = gitbarge_core::Run::standalone("lfs");
        let before = lab.host.batches();
        let cancelling = async {
            lab.host.until(|_| lab.host.batches() > before).await;
            run.cancel_token().cancel();
            Instant::now()
        };
        let objects = [lab.object];
        let (asked, cancelled) = tokio::join!(lab.client.batch(&objects, &run), cancelling);
        assert_eq!(asked.unwrap_err().kind(), ErrorKind::Cancelled);
        assert!(cancelled.elapsed() < Duration::from_millis(100));
    }
}

#[tokio::test]
async fn an_offer_that_has_expired_is_asked_for_anew() {
    let lab = Lab::new().await;
    lab.host.set(|host| host.expires_in = Some(1));
    let offer = lab.offer().await.unwrap();
    lab.host.set(|host| host.expires_in = Some(3600));
    assert_eq!(lab.read(&offer).await.unwrap(), lab.content);
    assert_eq!(lab.host.batches(), 2);

    // An offer that looks expired at once, since clocks differ, is taken all the same.
    lab.host.set(|host| host.expires_in = Some(-1));
    assert_eq!(lab.bring().await.unwrap(), lab.content);
}

#[tokio::test]
async fn without_credentials_the_server_refuses() {
    let host = LfsHost::start().await;
    let mut server = host.server();
    server.headers.clear();
    let run = gitbarge_core::Run::standalone("lfs");
    let objects = [Object {
        oid: [1; 32],
        size: 1,
    }];
    let error = client(server).batch(&objects, &run).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthFailed);
}
