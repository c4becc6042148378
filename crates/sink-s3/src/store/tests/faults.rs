//! Tests of a bucket on bad days: every failure has its kind.

use std::time::Instant;

use gitbarge_core::{ErrorKind, Secret};
use gitbarge_testkit::s3::{Fault, Rule};

use super::*;

async fn put(store: &Store, key: &str, condition: Condition) -> Result<()> {
    let put = store.put(key, bytes("new"), Body::Pointer, condition);
    put.await.map(drop)
}

#[tokio::test]
async fn a_missing_bucket_is_named() {
    let server = S3Server::start().await;
    let config = S3Config {
        url: "s3://no-such-bucket/x".into(),
        ..config(&server, "")
    };
    let store = open(&config).await.unwrap();
    // AWS answers so; s3s-fs takes any missing file for a missing key.
    server.fault(Rule::new("", "", Fault::Status(404, "NoSuchBucket")));
    for error in [
        store.get("HEAD").await.map(drop).unwrap_err(),
        put(&store, "HEAD", Condition::Absent).await.unwrap_err(),
        store.list("objects/pack/").await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(
            error.to_string().contains("`s3://no-such-bucket`"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn wrong_keys_are_auth_failed_and_named_by_their_place() {
    let server = S3Server::start().await;
    for (id, key) in [("wrong", SECRET_KEY), (ACCESS_KEY, "wr0ngsecret")] {
        let config = S3Config {
            access_key_id: Some(Secret::literal(id)),
            secret_access_key: Some(Secret::literal(key)),
            ..config(&server, "x")
        };
        let store = open(&config).await.unwrap();
        for error in [
            store.get("HEAD").await.map(drop).unwrap_err(),
            put(&store, "HEAD", Condition::None).await.unwrap_err(),
        ] {
            let error = checked(error);
            assert_eq!(error.kind(), ErrorKind::AuthFailed);
            let text = error.to_string();
            assert!(
                text.contains("`s3://mirrors`") && text.contains("configuration"),
                "{text}"
            );
            assert!(!text.contains("wr0ngsecret"), "{text}");
        }
    }
}

#[tokio::test]
async fn forbidden_is_auth_failed_at_first_and_missing_once_something_was_read() {
    let server = S3Server::start().await;
    server.hide_missing(true);
    let store = store(&server).await;
    let error = checked(store.get("info/refs").await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::AuthFailed);
    assert!(error.failure().hint.unwrap().contains("ListBucket"));
    put(&store, "HEAD", Condition::None).await.unwrap();
    assert!(store.get("HEAD").await.unwrap().is_some());
    assert!(store.get("info/refs").await.unwrap().is_none());
    assert!(store.head("info/refs").await.unwrap().is_none());
    server.fault(Rule::new("", "", Fault::Status(403, "InvalidAccessKeyId")));
    let error = store.get("HEAD").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthFailed);
}

#[tokio::test]
async fn a_forbidden_write_is_auth_failed_whatever_was_read() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    store.get("HEAD").await.unwrap();
    server.fault(Rule::new("", "", Fault::Status(403, "AccessDenied")));
    for error in [
        put(&store, "HEAD", Condition::None).await.unwrap_err(),
        store.delete("HEAD").await.unwrap_err(),
        store.list("x/").await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::AuthFailed, "{error}");
    }
}

#[tokio::test]
async fn a_bad_moment_is_waited_for_and_a_bad_day_is_unreachable() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    for method in ["PUT", "GET", "DELETE"] {
        server.fault(Rule::new(method, "HEAD", Fault::Status(503, "SlowDown")).times(2));
    }
    put(&store, "HEAD", Condition::Absent).await.unwrap();
    assert!(store.get("HEAD").await.unwrap().is_some());
    store.delete("HEAD").await.unwrap();
    assert_eq!(store.figures().requests, 9);
    server.fault(Rule::new("", "", Fault::Status(500, "InternalError")));
    let begun = Instant::now();
    let error = put(&store, "HEAD", Condition::None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().contains("500 (InternalError)"), "{error}");
    assert!(
        begun.elapsed().as_secs() < 8,
        "a run of 10 s must learn of it"
    );
    assert_eq!(store.figures().requests, 15);
}

#[tokio::test]
async fn a_connection_that_is_lost_or_never_made_is_unreachable() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    server.fault(Rule::new("GET", "", Fault::Drop).times(1));
    assert!(store.get("HEAD").await.unwrap().is_none());
    server.fault(Rule::new("", "", Fault::Drop));
    let error = put(&store, "HEAD", Condition::None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    let endpoint = server.endpoint();
    drop(server);
    let error = checked(store.get("HEAD").await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().contains(&endpoint), "{error}");
}

#[tokio::test]
async fn a_conditional_write_whose_answer_was_lost_has_won() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    let put = |text, condition| {
        server.fault(Rule::new("PUT", "HEAD", Fault::DropAfter).times(1));
        store.put("HEAD", bytes(text), Body::Pointer, condition)
    };
    let tag = put("one", Condition::Absent).await.unwrap();
    put("two", Condition::Is(tag)).await.unwrap();
    assert_eq!(store.get("HEAD").await.unwrap().unwrap().bytes, "two");
}

#[tokio::test]
async fn a_conditional_write_that_somebody_else_overtook_has_not() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    put(&store, "HEAD", Condition::None).await.unwrap();
    server.fault(Rule::new("PUT", "HEAD", Fault::Drop).times(1));
    let other = store.put("HEAD", bytes("other"), Body::Pointer, Condition::Absent);
    assert_eq!(other.await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    server.fault(Rule::new("PUT", "", Fault::Hang));
    let error = put(&store, "HEAD", Condition::Absent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("nothing moved"), "{error}");
    server.fault(Rule::new("GET", "", Fault::Hang).times(1));
    assert!(
        store.get("HEAD").await.unwrap().is_none(),
        "reading is tried again"
    );
}

#[tokio::test]
async fn a_full_store_is_disk_full() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    for (status, code) in [(507, "InsufficientStorage"), (400, "XMinioStorageFull")] {
        server.fault(Rule::new("PUT", code, Fault::Status(status, code)));
        let error = put(&store, code, Condition::None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DiskFull, "{error}");
    }
}
