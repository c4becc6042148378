//! Tests of uploads: whole or not at all.

use futures_util::{Stream, StreamExt as _, stream};
use gitbarge_core::ErrorKind;
use gitbarge_testkit::s3::{Fault, Rule};

use super::*;

const MIB: u64 = 1 << 20;

/// So many bytes in chunks of a size that fits nothing.
fn body(length: u64) -> impl Stream<Item = Result<Bytes>> + Send + use<> {
    let chunk = Bytes::from((0..=250).cycle().take(1_300_007).collect::<Vec<u8>>());
    stream::unfold((chunk, length), |(chunk, left)| async move {
        let count = usize::try_from(left).unwrap().min(chunk.len());
        let next = chunk.slice(..count);
        (count > 0).then(|| (Ok(next), (chunk, left - count as u64)))
    })
}

async fn written(length: u64) -> Vec<u8> {
    let chunks: Vec<_> = body(length).map(|chunk| chunk.unwrap()).collect().await;
    chunks.concat()
}

fn parts(server: &S3Server) -> Vec<Asked> {
    let asked = server.asked().into_iter();
    asked
        .filter(|asked| asked.query.contains("partNumber"))
        .collect()
}

#[tokio::test]
async fn what_is_small_is_one_request_and_what_is_large_comes_in_parts() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    for (key, length, requests) in [
        ("none", 0, 1),
        ("small", 16 * MIB, 1),
        // Begun, three parts, finished.
        ("large", 16 * MIB + 1, 5),
    ] {
        let before = store.figures();
        store
            .upload(key, length, body(length), Body::Pack)
            .await
            .unwrap();
        let figures = store.figures().since(&before);
        assert_eq!(figures.requests, requests, "{key}");
        assert!(figures.bytes_sent >= length && figures.bytes_sent < length + 2_000);
        let found = store.get(key).await.unwrap().unwrap();
        assert!(found.bytes == written(length).await, "{key}");
        assert!(store.head(key).await.unwrap().unwrap().ours, "{key}");
    }
    let sizes: Vec<u64> = parts(&server).iter().map(|part| part.bytes).collect();
    assert_eq!(sizes.iter().sum::<u64>(), 16 * MIB + 1);
    assert_eq!(server.unfinished_uploads(), 0);
}

#[tokio::test]
async fn a_part_that_fails_once_is_sent_again() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    server.fault(Rule::new("PUT", "p", Fault::Status(500, "InternalError")).times(1));
    server.fault(Rule::new("PUT", "p", Fault::Drop).after(2).times(1));
    store
        .upload("p", 17 * MIB, body(17 * MIB), Body::Pack)
        .await
        .unwrap();
    assert_eq!(store.head("p").await.unwrap().unwrap().size, 17 * MIB);
    assert_eq!(parts(&server).len(), 5);
}

#[tokio::test]
async fn an_upload_whose_end_was_not_heard_is_there() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    server.fault(Rule::new("POST", "p", Fault::DropAfter).after(1).times(1));
    store
        .upload("p", 17 * MIB, body(17 * MIB), Body::Pack)
        .await
        .unwrap();
    assert_eq!(store.head("p").await.unwrap().unwrap().size, 17 * MIB);
}

#[tokio::test]
async fn an_upload_that_fails_leaves_nothing() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    let lost = || Err(Error::new(ErrorKind::Unreachable, "the source is gone"));
    let broken = body(12 * MIB).chain(stream::once(async move { lost() }));
    let error = store
        .upload("p", 20 * MIB, broken, Body::Pack)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "the source is gone");
    for length in [19 * MIB, 21 * MIB] {
        let error = store
            .upload("p", 20 * MIB, body(length), Body::Pack)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
    server.fault(Rule::new("PUT", "p", Fault::Status(403, "AccessDenied")).after(1));
    let error = store
        .upload("p", 20 * MIB, body(20 * MIB), Body::Pack)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthFailed);
    assert_eq!(server.unfinished_uploads(), 0);
    assert!(store.get("p").await.unwrap().is_none());
}

#[tokio::test]
async fn an_upload_that_is_dropped_is_given_up() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    let endless = body(12 * MIB).chain(stream::pending());
    let uploading = store.upload("p", 40 * MIB, endless, Body::Pack);
    tokio::select! {
        _ = uploading => unreachable!("it never ends"),
        () = server.until(|asked| asked.query.contains("partNumber")) => {}
    }
    store.settle().await;
    assert_eq!(server.unfinished_uploads(), 0);
    assert!(server.asked().iter().any(|asked| asked.method == "DELETE"));
}

#[tokio::test]
async fn no_more_than_four_parts_are_on_their_way() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    server.fault(Rule::new("PUT", "p", Fault::Hang));
    let uploading = store.upload("p", 80 * MIB, body(80 * MIB), Body::Pack);
    let four = async {
        while parts(&server).len() < 4 {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    tokio::select! {
        _ = uploading => unreachable!("nothing is answered"),
        () = four => {}
    }
    assert_eq!(parts(&server).len(), 4);
    server.heal();
    store.settle().await;
}

#[tokio::test]
async fn a_server_that_shows_no_uploads_has_none_to_sweep() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    assert_eq!(store.sweep_uploads(Duration::ZERO).await.unwrap(), 0);
    let asked = server.asked().pop().unwrap();
    assert_eq!((asked.method.as_str(), asked.key.as_str()), ("GET", ""));
    assert!(
        asked.query.starts_with("uploads=&prefix="),
        "{}",
        asked.query
    );
    assert_ne!(asked.status, Some(403), "the request is signed");
}
