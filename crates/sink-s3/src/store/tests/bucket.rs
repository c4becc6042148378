//! Tests of a bucket on a good day.

use std::io::Read as _;

use gitbarge_core::{ErrorKind, Secret};
use gitbarge_testkit::s3::{Fault, Rule};

use super::*;

#[tokio::test]
async fn what_is_put_is_found_again() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    assert!(store.get("info/refs").await.unwrap().is_none());
    assert!(store.head("info/refs").await.unwrap().is_none());
    let tag = store
        .put("info/refs", bytes("one"), Body::Pointer, Condition::None)
        .await
        .unwrap();
    let found = store.get("info/refs").await.unwrap().unwrap();
    assert_eq!((&found.bytes[..], &found.tag), (&b"one"[..], &tag));
    let meta = store.head("info/refs").await.unwrap().unwrap();
    assert_eq!((meta.size, meta.tag, meta.ours), (3, tag, true));
    assert!(
        meta.modified
            .duration_since(jiff::Timestamp::now())
            .abs()
            .as_secs()
            < 60
    );
    assert!(server.bucket(BUCKET).join("a b/ü/info/refs").is_file());
    let mut stream = store.read("info/refs").await.unwrap().unwrap();
    let read = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        stream.read_to_string(&mut text).map(|_| text)
    });
    assert_eq!(read.await.unwrap().unwrap(), "one");
    assert!(store.read("HEAD").await.unwrap().is_none());
    store.delete("info/refs").await.unwrap();
    store.delete("info/refs").await.unwrap();
    assert!(store.get("info/refs").await.unwrap().is_none());
}

#[tokio::test]
async fn an_object_bears_the_headers_of_its_kind() {
    let server = S3Server::start().await;
    let config = S3Config {
        storage_class: Some("STANDARD_IA".into()),
        ..config(&server, "")
    };
    let store = open(&config).await.unwrap();
    for (key, body, cache, class) in [
        ("HEAD", Body::Pointer, "no-cache", None),
        (
            "p.pack",
            Body::Pack,
            "public, max-age=31536000, immutable",
            Some("STANDARD_IA"),
        ),
    ] {
        // s3s-fs refuses storage classes; what counts is what was asked for.
        let put = store.put(key, bytes("x"), body, Condition::None).await;
        assert_eq!(put.is_err(), class.is_some(), "{put:?}");
        let asked = server.asked().pop().unwrap();
        let header = |name: &str| {
            asked
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        assert_eq!(
            (asked.key.as_str(), header("cache-control")),
            (key, Some(cache))
        );
        assert_eq!(header("x-amz-storage-class"), class);
        assert_eq!(header("x-amz-meta-gitbarge"), Some("1"));
        assert!(header("content-type").is_some());
    }
}

#[tokio::test]
async fn a_write_whose_condition_does_not_hold_is_a_conflict() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    let put = |text, condition| store.put("HEAD", bytes(text), Body::Pointer, condition);
    let old = put("one", Condition::Absent).await.unwrap();
    for condition in [
        Condition::Absent,
        Condition::Is("\"0123\"".to_owned().into()),
    ] {
        let error = checked(put("two", condition).await.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(
            error.to_string().contains("s3://mirrors/a b/ü/HEAD"),
            "{error}"
        );
    }
    let new = put("two", Condition::Is(old.clone())).await.unwrap();
    assert_eq!(
        put("three", Condition::Is(old)).await.unwrap_err().kind(),
        ErrorKind::Conflict
    );
    store.delete("HEAD").await.unwrap();
    assert_eq!(
        put("four", Condition::Is(new)).await.unwrap_err().kind(),
        ErrorKind::Conflict
    );
}

#[tokio::test]
async fn a_list_has_what_is_below_the_folder() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    for key in ["objects/pack/b", "objects/pack/a", "objects/packs", "HEAD"] {
        store
            .put(key, bytes(key), Body::Pointer, Condition::None)
            .await
            .unwrap();
    }
    let listed = |prefix: &'static str| {
        let store = store.clone();
        async move {
            let found = store.list(prefix).await.unwrap();
            let mut keys: Vec<_> = found
                .into_iter()
                .map(|meta| (meta.key, meta.size))
                .collect();
            keys.sort();
            keys
        }
    };
    let packs = [
        ("objects/pack/a".to_owned(), 14),
        ("objects/pack/b".to_owned(), 14),
    ];
    assert_eq!(listed("objects/pack/").await, packs);
    assert_eq!(listed("objects/pack").await, packs);
    assert_eq!(listed("").await.len(), 4);
    assert_eq!(listed("none/").await, []);
}

#[tokio::test]
async fn every_request_and_every_byte_counts() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    assert_eq!(store.figures(), Figures::default());
    store.get("HEAD").await.unwrap();
    store
        .put("HEAD", bytes("12345"), Body::Pointer, Condition::None)
        .await
        .unwrap();
    store.clone().get("HEAD").await.unwrap();
    let figures = store.figures();
    assert_eq!((figures.requests, figures.bytes_sent), (3, 5));
    assert_eq!(server.asked().len(), 3);
    store.head("HEAD").await.unwrap();
    let since = store.figures().since(&figures);
    assert_eq!((since.requests, since.bytes_sent), (1, 0));
}

#[tokio::test]
async fn an_object_that_is_too_large_is_corrupt() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    store
        .put("HEAD", bytes("12345"), Body::Pointer, Condition::None)
        .await
        .unwrap();
    assert!(store.get_limited("HEAD", 5).await.unwrap().is_some());
    let error = store.get_limited("HEAD", 4).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_found_out() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    let probe = async |key: &str| store.written_in_spite(key, bytes("blank")).await.unwrap();
    let written = async |key: &str| store.get(key).await.unwrap().map(|object| object.bytes);
    assert_eq!(probe("gitbarge/first").await, None);
    assert_eq!(store.figures().requests, 1);
    assert_eq!(written("gitbarge/first").await, None);
    server.fault(Rule::new("PUT", "second", Fault::Status(501, "NotImplemented")).conditional());
    assert!(probe("gitbarge/second").await.is_some());
    assert_eq!(written("gitbarge/second").await.unwrap(), "blank");
    server.ignore_conditions(true);
    assert!(probe("gitbarge/third").await.is_some());
    assert_eq!(written("gitbarge/third").await.unwrap(), "blank");
}

#[tokio::test]
async fn the_root_of_a_bucket_has_no_slash() {
    let server = S3Server::start().await;
    let store = open(&config(&server, "")).await.unwrap();
    store
        .put("HEAD", bytes("x"), Body::Pointer, Condition::None)
        .await
        .unwrap();
    assert!(server.asked().iter().all(|asked| asked.key == "HEAD"));
    assert_eq!(store.url("HEAD"), "s3://mirrors/HEAD");
    assert_eq!(store.list("").await.unwrap()[0].key, "HEAD");
}

#[tokio::test]
async fn keys_of_the_configuration_are_used() {
    let server = S3Server::start().await;
    let config = S3Config {
        access_key_id: Some(Secret::literal(ACCESS_KEY)),
        secret_access_key: Some(Secret::literal(format!("{SECRET_KEY}\n"))),
        ..config(&server, "x")
    };
    let wrong = Environment::made([
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "y"),
        ("AWS_ENDPOINT_URL_S3", "https://nowhere.invalid"),
    ]);
    let store = open_with(&config, &wrong, Duration::from_secs(5))
        .await
        .unwrap();
    assert!(store.get("HEAD").await.unwrap().is_none());
}

#[tokio::test]
async fn plain_http_from_the_environment_needs_a_word_too() {
    let server = S3Server::start().await;
    let config = S3Config {
        endpoint: None,
        ..config(&server, "x")
    };
    let at = |endpoint: &'static str, more: &[(&'static str, &'static str)]| {
        let variables = KEYS.into_iter().chain([("AWS_ENDPOINT_URL", endpoint)]);
        let environment = Environment::made(variables.chain(more.iter().copied()));
        let config = config.clone();
        async move {
            open_with(&config, &environment, Duration::from_secs(5))
                .await
                .err()
        }
    };
    let error = at("http://minio.invalid:9", &[]).await.unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("allow_http"), "{error}");
    assert!(
        at("http://minio.invalid:9", &[("AWS_ALLOW_HTTP", "true")])
            .await
            .is_none()
    );
    assert!(at("https://minio.invalid", &[]).await.is_none());
}
