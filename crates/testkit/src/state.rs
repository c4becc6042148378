//! What every state store promises.

use std::sync::Arc;

use bytes::Bytes;
use gitbarge_core::{ErrorKind, Expect, Key, StateStore};
use tokio::task::JoinSet;

/// Tries a store that is empty at first. Each call of `open` returns another handle of the same store, as another process would have it.
///
/// # Panics
/// If a promise is not kept.
pub async fn conformance<S: StateStore + 'static>(open: impl Fn() -> Arc<S>) {
    nothing_is_there_at_first(&*open()).await;
    what_is_put_is_got(&*open(), &*open()).await;
    a_write_that_expects_something_else_changes_nothing(&*open()).await;
    a_value_written_anew_never_has_an_old_version(&*open()).await;
    deleting_respects_what_is_expected(&*open()).await;
    keys_never_meet(&*open(), &*open()).await;
    lists_are_sorted_and_only_below_the_prefix(&*open()).await;
    no_increment_is_lost(&open).await;
    a_lease_has_one_holder(&*open(), &*open()).await;
}

async fn nothing_is_there_at_first(store: &impl StateStore) {
    let key = Key::new("first/key");
    assert_eq!(store.get(&key).await.expect("reads"), None);
    assert_eq!(store.list(&Key::new("")).await.expect("lists"), []);
    for expect in [Expect::Any, Expect::Absent] {
        let deleted = store.delete(&key, expect).await;
        deleted.expect("deletes what is not there");
    }
}

async fn what_is_put_is_got(store: &impl StateStore, other: &impl StateStore) {
    let key = Key::new("put/key");
    let values = [
        Bytes::from_static(b"text"),
        Bytes::new(),
        Bytes::from_static(b"\0\n\xff\r\n"),
        Bytes::from(vec![b'x'; 512 << 10]),
    ];
    for value in values {
        let put = store.put(&key, value.clone(), Expect::Any).await;
        let version = put.expect("writes");
        for handle in [store.get(&key).await, other.get(&key).await] {
            let entry = handle.expect("reads").expect("is there");
            assert!(entry.value == value, "another value came back");
            assert_eq!(entry.version, version);
        }
    }
}

async fn a_write_that_expects_something_else_changes_nothing(store: &impl StateStore) {
    let key = Key::new("expect/key");
    let put = store.put(&key, "1".into(), Expect::Absent).await;
    let first = put.expect("was absent");
    assert_conflict(store.put(&key, "x".into(), Expect::Absent).await);

    let put = store.put(&key, "2".into(), Expect::Version(first.clone()));
    let second = put.await.expect("had that version");
    assert_conflict(store.put(&key, "x".into(), Expect::Version(first)).await);

    let entry = store.get(&key).await.expect("reads").expect("is there");
    assert_eq!((&*entry.value, entry.version), (b"2".as_slice(), second));
}

async fn a_value_written_anew_never_has_an_old_version(store: &impl StateStore) {
    let key = Key::new("anew/key");
    let old = store.put(&key, "1".into(), Expect::Any).await;
    let old = old.expect("writes");
    store.delete(&key, Expect::Any).await.expect("deletes");
    assert_conflict(
        store
            .put(&key, "x".into(), Expect::Version(old.clone()))
            .await,
    );
    let new = store.put(&key, "1".into(), Expect::Absent).await;
    assert_ne!(new.expect("writes"), old);
    assert_conflict(store.delete(&key, Expect::Version(old)).await);
}

async fn deleting_respects_what_is_expected(store: &impl StateStore) {
    let key = Key::new("delete/key");
    let version = store.put(&key, "1".into(), Expect::Any).await;
    let version = version.expect("writes");
    assert_conflict(store.delete(&key, Expect::Absent).await);
    let deleted = store.delete(&key, Expect::Version(version.clone())).await;
    deleted.expect("had that version");
    assert_eq!(store.get(&key).await.expect("reads"), None);
    assert_conflict(store.delete(&key, Expect::Version(version)).await);
}

/// Names that file systems and URLs mix up or refuse.
async fn keys_never_meet(store: &impl StateStore, other: &impl StateStore) {
    let root = || vec!["keys".to_owned()];
    let long = "long".repeat(500);
    let segments = [
        "a",
        "A",
        "ä",
        "a\u{308}",
        "%61",
        "a%2fb",
        "a/b",
        "..",
        ".",
        "a.",
        " a",
        "a ",
        "\u{0}",
        "\n",
        "con",
        "-a",
        "~a",
        "a+b",
        "a\\b",
        "😀",
        long.as_str(),
    ];
    let mut keys: Vec<Key> = segments
        .iter()
        .map(|&segment| Key::from_segments(root().into_iter().chain([segment.to_owned()])))
        .collect();
    keys.push(Key::new("keys").join("a").join("b"));
    keys.push(Key::new("keys").join(&format!("{long}2")));
    keys.push(Key::new("keys").join(&format!("{long}/{long}")));
    for (n, key) in keys.iter().enumerate() {
        let put = store.put(key, n.to_string().into(), Expect::Absent).await;
        put.unwrap_or_else(|error| panic!("{key:?}: {error}"));
    }
    for (n, key) in keys.iter().enumerate() {
        let entry = other.get(key).await.expect("reads").expect("is there");
        assert_eq!(entry.value, n.to_string(), "{key:?}");
    }
    keys.sort();
    let listed = other.list(&Key::new("keys")).await.expect("lists");
    assert_eq!(listed, keys);
}

async fn lists_are_sorted_and_only_below_the_prefix(store: &impl StateStore) {
    for path in [
        "list", "list/b", "list/a/2", "list/a/1", "list/a", "list2/x",
    ] {
        let put = store.put(&Key::new(path), "x".into(), Expect::Any).await;
        put.expect("writes");
    }
    let list = async |path| {
        let keys = store.list(&Key::new(path)).await.expect("lists");
        keys.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        list("list").await,
        ["list/a", "list/a/1", "list/a/2", "list/b"]
    );
    assert_eq!(list("list/a").await, ["list/a/1", "list/a/2"]);
    assert_eq!(list("list/a/1").await, [""; 0]);
}

async fn no_increment_is_lost<S: StateStore + 'static>(open: &impl Fn() -> Arc<S>) {
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let store = open();
        tasks.spawn(async move {
            for _ in 0..5 {
                increment(&*store).await;
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.expect("increments");
    }
    let entry = open().get(&Key::new("count/key")).await.expect("reads");
    assert_eq!(entry.expect("is there").value, "40");
}

async fn increment(store: &impl StateStore) {
    let key = Key::new("count/key");
    loop {
        let (count, expect) = match store.get(&key).await.expect("reads") {
            Some(entry) => {
                let text = String::from_utf8_lossy(&entry.value).into_owned();
                let count: u32 = text.parse().expect("a count");
                (count, Expect::Version(entry.version))
            }
            None => (0, Expect::Absent),
        };
        match store
            .put(&key, (count + 1).to_string().into(), expect)
            .await
        {
            Ok(_) => return,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
        }
    }
}

async fn a_lease_has_one_holder(store: &impl StateStore, other: &impl StateStore) {
    let key = Key::new("pipeline/site");
    let held = store.lease(&key).await.expect("nobody holds it");
    for again in [store.lease(&key).await, other.lease(&key).await] {
        assert_eq!(again.expect_err("is held").kind(), ErrorKind::Locked);
    }
    let capital = other.lease(&Key::new("pipeline/Site")).await;
    let _capital = capital.expect("another name is another lease");
    drop(held);
    let _again = other.lease(&key).await.expect("it was given back");
    let value = store.put(&key, "x".into(), Expect::Absent).await;
    value.expect("a lease is no value");
}

fn assert_conflict<T: std::fmt::Debug>(result: gitbarge_core::Result<T>) {
    assert_eq!(
        result.expect_err("was not expected").kind(),
        ErrorKind::Conflict
    );
}
