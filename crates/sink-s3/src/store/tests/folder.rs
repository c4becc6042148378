//! Tests of a folder as a store.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use futures_util::{StreamExt as _, stream};
use gitbarge_core::ErrorKind;
use tempfile::TempDir;

use super::*;

async fn folder() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = at(&folder.path().join("a b/mirror")).await;
    (folder, store)
}

async fn at(path: &Path) -> Store {
    let url = format!("file://{}", path.display());
    let config = serde_json::from_value(serde_json::json!({ "url": url })).unwrap();
    open(&config).await.unwrap()
}

/// Everything that is not the store's own.
async fn keys(store: &Store) -> Vec<String> {
    let listed = store.list("").await.unwrap();
    listed.into_iter().map(|meta| meta.key).collect()
}

#[tokio::test]
async fn a_folder_that_is_missing_is_empty_and_is_made_at_the_first_write() {
    let (dir, store) = folder().await;
    assert!(store.get("HEAD").await.unwrap().is_none());
    assert!(store.head("info/refs").await.unwrap().is_none());
    assert!(store.read("info/refs").await.unwrap().is_none());
    assert!(store.list("objects/pack/").await.unwrap().is_empty());
    store.delete("info/refs").await.unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let tag = store
        .put("info/refs", bytes("one"), Body::Pointer, Condition::Absent)
        .await
        .unwrap();
    let found = store.get("info/refs").await.unwrap().unwrap();
    assert_eq!((&found.bytes[..], &found.tag), (&b"one"[..], &tag));
    assert_eq!(store.head("info/refs").await.unwrap().unwrap().tag, tag);
    let path = dir.path().join("a b/mirror/info/refs");
    assert_eq!(fs::read(path).unwrap(), b"one");
    assert_eq!(keys(&store).await, ["info/refs"]);
    store.delete("info/refs").await.unwrap();
    assert!(store.get("info/refs").await.unwrap().is_none());
}

#[tokio::test]
async fn conditions_hold_in_a_folder_too() {
    let (_dir, store) = folder().await;
    let put = |text, condition| store.put("HEAD", bytes(text), Body::Pointer, condition);
    let missing = Condition::Is("x".to_owned().into());
    assert_eq!(
        put("one", missing).await.unwrap_err().kind(),
        ErrorKind::Conflict
    );
    let one = put("one", Condition::Absent).await.unwrap();
    assert_eq!(
        put("two", Condition::Absent).await.unwrap_err().kind(),
        ErrorKind::Conflict
    );
    put("two", Condition::Is(one.clone())).await.unwrap();
    assert_eq!(
        put("six", Condition::Is(one)).await.unwrap_err().kind(),
        ErrorKind::Conflict
    );
    assert_eq!(store.get("HEAD").await.unwrap().unwrap().bytes, "two");
    let written = store.written_in_spite("gitbarge/probe", Bytes::new());
    assert_eq!(written.await.unwrap(), None);
}

#[tokio::test]
async fn of_many_writers_at_once_one_wins() {
    let (dir, store) = folder().await;
    let old = store
        .put("HEAD", bytes("old"), Body::Pointer, Condition::None)
        .await
        .unwrap();
    let writers = (0..8).map(|number| {
        let (old, path) = (old.clone(), dir.path().join("a b/mirror"));
        async move {
            let text = bytes(&number.to_string());
            at(&path)
                .await
                .put("HEAD", text, Body::Pointer, Condition::Is(old))
                .await
                .is_ok()
        }
    });
    let won = futures_util::future::join_all(writers).await;
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
}

#[tokio::test]
async fn an_upload_is_whole_or_not_there() {
    let (dir, store) = folder().await;
    let chunks = || stream::iter((0..40_u8).map(|n| Ok(Bytes::from(vec![n; 1000]))));
    store
        .upload("p", 40_000, chunks(), Body::Pack)
        .await
        .unwrap();
    assert_eq!(store.get("p").await.unwrap().unwrap().bytes.len(), 40_000);
    for length in [39_000, 41_000] {
        let error = store
            .upload("q", length, chunks(), Body::Pack)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
    let endless = chunks().chain(stream::pending());
    let uploading = store.upload("q", 90_000, endless, Body::Pack);
    tokio::time::timeout(Duration::from_millis(50), uploading)
        .await
        .unwrap_err();
    assert_eq!(keys(&store).await, ["p"]);
    // A write that was under way when its future was dropped ends by itself, and the next one would sweep it.
    store
        .put("HEAD", bytes("x"), Body::Pointer, Condition::None)
        .await
        .unwrap();
    let incoming = dir.path().join("a b/mirror/gitbarge/incoming");
    assert_eq!(fs::read_dir(incoming).unwrap().count(), 0);
    assert_eq!(
        store.figures().bytes_sent,
        40_000 + 39_000 + 40_000 + 40_000 + 1
    );
}

#[tokio::test]
async fn what_a_dead_process_left_is_swept_and_what_a_living_one_writes_is_not() {
    let (dir, store) = folder().await;
    store
        .put("HEAD", bytes("x"), Body::Pointer, Condition::None)
        .await
        .unwrap();
    let incoming = dir.path().join("a b/mirror/gitbarge/incoming");
    fs::write(incoming.join("dead"), "x").unwrap();
    let alive = fs::File::create(incoming.join("alive")).unwrap();
    alive.lock().unwrap();
    store
        .put("HEAD", bytes("y"), Body::Pointer, Condition::None)
        .await
        .unwrap();
    assert!(!incoming.join("dead").exists() && incoming.join("alive").exists());
    assert_eq!(keys(&store).await, ["HEAD"]);
}

#[tokio::test]
async fn links_are_not_followed() {
    let (dir, store) = folder().await;
    store
        .put("HEAD", bytes("x"), Body::Pointer, Condition::None)
        .await
        .unwrap();
    let (root, outside) = (dir.path().join("a b/mirror"), dir.path().join("outside"));
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "hush").unwrap();
    symlink(&outside, root.join("objects")).unwrap();
    symlink(outside.join("secret"), root.join("packed-refs")).unwrap();
    for error in [
        store
            .put("objects/x", bytes("x"), Body::Pack, Condition::None)
            .await
            .map(drop),
        store.get("objects/secret").await.map(drop),
        store.get("packed-refs").await.map(drop),
        store.delete("objects/secret").await,
    ] {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Refused);
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    // A link at the place of a file is replaced, not written through.
    store
        .put("packed-refs", bytes("x"), Body::Pointer, Condition::None)
        .await
        .unwrap();
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"hush");
}

#[tokio::test]
async fn what_stands_in_the_way_is_refused() {
    let (dir, store) = folder().await;
    fs::create_dir_all(dir.path().join("a b/mirror/HEAD")).unwrap();
    let error = store.get("HEAD").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("a b/mirror/HEAD"), "{error}");
    fs::remove_dir_all(dir.path().join("a b")).unwrap();
    fs::write(dir.path().join("a b"), "a file").unwrap();
    let put = store.put("HEAD", bytes("x"), Body::Pointer, Condition::None);
    assert_eq!(put.await.unwrap_err().kind(), ErrorKind::Refused);
}
