//! Tests of objects that get their names at the end.

use gitbarge_core::ErrorKind;
use gitbarge_git::index::Beyond;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::store::{INCOMING, Staged};

const MIB: usize = 1 << 20;

/// Writes so many MiB, each byte of which is the number of its MiB, and returns the writer for reading.
async fn write(mut writer: Box<dyn Beyond>, mebibytes: usize) -> Result<Box<dyn Beyond>> {
    let writing = move || {
        for number in 0..mebibytes {
            writer.write(vec![number as u8; MIB].into())?;
        }
        writer.finish().map(|()| writer)
    };
    let written = tokio::task::spawn_blocking(writing).await;
    written.expect("it does not panic")
}

async fn read(writer: Box<dyn Beyond>, offset: usize, length: usize) -> Result<Bytes> {
    let reading = move || writer.read(offset as u64, length);
    let read = tokio::task::spawn_blocking(reading).await;
    read.expect("it does not panic")
}

fn stage(store: &Store) -> (Staged, Box<dyn Beyond>) {
    store.stage(&CancellationToken::new())
}

#[tokio::test]
async fn it_is_written_read_named_and_gone() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    let (staged, writer) = stage(&store);
    let writer = write(writer, 20).await.unwrap();
    let found = read(writer, 9 * MIB - 1, 2).await.unwrap();
    assert_eq!(found[..], [8, 9]);
    let length = 20 * MIB as u64;
    assert!(staged.publish("p", length, Body::Pack).await.unwrap());
    drop(staged);
    store.settle().await;
    let named = store.head("p").await.unwrap().unwrap();
    assert_eq!((named.size, named.ours), (length, true));
    assert_eq!(server.keys(BUCKET), ["a b/ü/p"]);
    // Begun, three parts, finished; read; copied, looked at; deleted; and the look above.
    assert_eq!(store.figures().requests, 10);
}

#[tokio::test]
async fn a_copy_is_asked_to_have_the_storage_class_that_the_original_has_not() {
    let server = S3Server::start().await;
    let config = S3Config {
        storage_class: Some("STANDARD_IA".into()),
        ..config(&server, "")
    };
    let store = open(&config).await.unwrap();
    let (staged, writer) = stage(&store);
    drop(write(writer, 9).await.unwrap());
    let published = staged.publish("p", 9 * MIB as u64, Body::Pack).await;
    assert!(published.unwrap());
    let copied = |asked: &Asked| asked.headers.contains_key("x-amz-copy-source");
    assert!(server.asked().iter().any(copied));
    for asked in server.asked() {
        let class = asked.headers.get("x-amz-storage-class");
        assert_eq!(
            class.is_some(),
            copied(&asked),
            "{} {}",
            asked.method,
            asked.key
        );
        assert_ne!(asked.status, Some(403), "the request is signed");
    }
}

#[tokio::test]
async fn what_is_not_finished_is_nothing() {
    let server = S3Server::start().await;
    let store = store(&server).await;
    drop(stage(&store));
    assert_eq!(store.figures().requests, 0);

    let (staged, mut writer) = stage(&store);
    let writing = tokio::task::spawn_blocking(move || {
        for _ in 0..9 {
            writer.write(vec![1; MIB].into()).unwrap();
        }
    });
    // The writer goes before its end: the source has died, say.
    writing.await.unwrap();
    drop(staged);
    store.settle().await;
    assert_eq!(server.unfinished_uploads(), 0);
    assert_eq!(server.keys(BUCKET), [""; 0]);
}

#[tokio::test]
async fn nothing_is_written_or_read_when_it_is_over() {
    let server = S3Server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let folder = S3Config::new(format!("file://{}", dir.path().display()));
    for store in [store(&server).await, open(&folder).await.unwrap()] {
        let (staged, writer) = stage(&store);
        let writer = write(writer, 2).await.unwrap();
        drop(staged);
        let error = write(writer, 1).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        store.settle().await;
    }
    assert_eq!(server.keys(BUCKET), [""; 0]);
    let incoming = dir.path().join(INCOMING);
    assert_eq!(std::fs::read_dir(incoming).unwrap().count(), 0);
}

#[tokio::test]
async fn what_is_gone_or_shorter_cannot_be_read() {
    let server = S3Server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let folder = S3Config::new(format!("file://{}", dir.path().display()));
    for store in [store(&server).await, open(&folder).await.unwrap()] {
        let put = store.put("p", bytes("12345"), Body::Pack, Condition::None);
        put.await.unwrap();
        assert_eq!(store.get_range("p", 1, 3).await.unwrap(), "234");
        assert!(store.get_range("p", 3, 3).await.is_err());
        let error = checked(store.get_range("q", 0, 1).await.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
}
