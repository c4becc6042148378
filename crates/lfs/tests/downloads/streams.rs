//! What comes is what the pointer says, or an error.

use std::time::{Duration, Instant};

use gitbarge_core::{ErrorKind, Run};
use gitbarge_testkit::lfs::{Answer, Content};

use crate::{Lab, add, impatient};

#[tokio::test]
async fn an_object_comes_whole_with_the_headers_of_its_action() {
    let lab = Lab::new().await;
    assert_eq!(lab.bring().await.unwrap(), lab.content);
    let progress = lab
        .run
        .progress()
        .bytes_received
        .load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(progress, lab.object.size);
}

#[tokio::test]
async fn an_empty_object_comes_as_nothing() {
    let mut lab = Lab::new().await;
    lab.object = add(&lab.host, b"");
    assert_eq!(lab.bring().await.unwrap(), b"");
    lab.host.set(|host| host.content = Content::Long);
    assert_eq!(lab.failure().await.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn an_object_with_another_content_is_corrupt_before_its_last_bytes() {
    let mut lab = Lab::new().await;
    for content in [
        Content::Flipped,
        Content::Short,
        Content::Long,
        Content::LongAndSaysSo,
    ] {
        lab.host.set(|host| host.content = content);
        let error = lab.failure().await;
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{content:?}");
        assert!(error.to_string().contains(&lab.object.hex()), "{error}");
    }
    // One of a single chunk must not come at all.
    lab.object = add(&lab.host, b"small");
    lab.host.set(|host| host.content = Content::Flipped);
    let offer = lab.offer().await.unwrap();
    let mut stream = lab.client.download(&offer, &lab.run).await.unwrap();
    assert_eq!(stream.next().await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_pointer_with_another_size_is_corrupt() {
    let mut lab = Lab::new().await;
    lab.object.size -= 1;
    assert_eq!(lab.failure().await.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_connection_that_ends_in_the_middle_is_unreachable() {
    let lab = Lab::new().await;
    lab.host.set(|host| host.content = Content::Cut);
    assert_eq!(lab.failure().await.kind(), ErrorKind::Unreachable);
}

#[tokio::test]
async fn silence_in_the_middle_is_a_timeout() {
    let mut lab = Lab::new().await;
    lab.host.set(|host| host.content = Content::Stalls);
    lab.client = impatient(lab.host.server());
    assert_eq!(lab.failure().await.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn cancelling_in_the_middle_ends_it_at_once() {
    let lab = Lab::new().await;
    lab.host.set(|host| host.content = Content::Stalls);
    let run = Run::standalone("lfs");
    let offer = lab.offer().await.unwrap();
    let mut stream = lab.client.download(&offer, &run).await.unwrap();
    assert!(stream.next().await.unwrap().is_some());
    let cancelling = async {
        // The reader is polled first, and waits by then.
        tokio::task::yield_now().await;
        run.cancel_token().cancel();
        Instant::now()
    };
    let rest = async {
        while stream.next().await?.is_some() {}
        Ok::<_, gitbarge_core::Error>(())
    };
    let (read, cancelled) = tokio::join!(rest, cancelling);
    assert_eq!(read.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(cancelled.elapsed() < Duration::from_millis(100));
}

#[tokio::test]
async fn refused_downloads_have_kinds() {
    let lab = Lab::new().await;
    for (status, kind) in [
        (204, ErrorKind::Protocol),
        (206, ErrorKind::Protocol),
        (401, ErrorKind::AuthFailed),
        (403, ErrorKind::AuthFailed),
        (404, ErrorKind::RemoteMissing),
        (410, ErrorKind::RemoteMissing),
        (418, ErrorKind::Protocol),
    ] {
        lab.host.set(|host| host.download = Answer::Status(status));
        let error = lab.failure().await;
        assert_eq!(error.kind(), kind, "{status}");
        assert!(error.to_string().contains(&lab.object.hex()), "{error}");
    }
}

#[tokio::test]
async fn a_storage_that_fails_for_a_moment_is_asked_again() {
    let lab = Lab::new().await;
    lab.host.set(|host| host.download = Answer::Times(2, 500));
    assert_eq!(lab.bring().await.unwrap(), lab.content);
    lab.host
        .set(|host| host.download = Answer::SlowDown(1, "0"));
    assert_eq!(lab.bring().await.unwrap(), lab.content);
    lab.host.set(|host| host.download = Answer::Status(502));
    assert_eq!(lab.failure().await.kind(), ErrorKind::Unreachable);
}

#[tokio::test]
async fn an_address_that_is_not_whole_is_refused() {
    let lab = Lab::new().await;
    for href in ["", "/objects", "file:///etc"] {
        lab.host.set(|host| host.href = Some(href.to_owned()));
        assert_eq!(lab.failure().await.kind(), ErrorKind::Protocol, "{href}");
    }
}
