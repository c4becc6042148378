//! Objects of a repository on this machine.

use std::fs;
use std::path::Path;

use gitbarge_core::{ErrorKind, LfsServer, Run};
use gitbarge_lfs::{Client, Object};

use crate::{client, read};

const NAME: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn hello() -> Object {
    Object::parse(NAME, 5).unwrap()
}

fn of(repository: &Path) -> Client {
    let url = format!("file://{}", repository.display()).replace(' ', "%20");
    let headers = Vec::new();
    client(LfsServer::new(url, headers))
}

fn store(base: &Path, content: &str) {
    let file = base.join(hello().path());
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, content).unwrap();
}

#[tokio::test]
async fn bare_repositories_and_those_with_a_work_tree_are_read() {
    let run = Run::standalone("lfs");
    for inner in ["", ".git"] {
        let dir = tempfile::Builder::new().prefix("a b").tempdir().unwrap();
        store(&dir.path().join(inner), "hello");
        let client = of(dir.path());
        let offers = client.batch(&[hello()], &run).await.unwrap();
        let content = read(&client, offers[0].as_ref().unwrap(), &run).await;
        assert_eq!(content.unwrap(), b"hello");
    }
}

#[tokio::test]
async fn a_missing_object_is_named() {
    let run = Run::standalone("lfs");
    let dir = tempfile::tempdir().unwrap();
    let offers = of(dir.path()).batch(&[hello()], &run).await.unwrap();
    let error = offers[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RemoteMissing);
    assert!(error.to_string().contains(NAME), "{error}");
}

#[tokio::test]
async fn a_damaged_object_is_corrupt() {
    let run = Run::standalone("lfs");
    for content in ["hallo", "hell", "hello!", ""] {
        let dir = tempfile::tempdir().unwrap();
        store(dir.path(), content);
        let client = of(dir.path());
        let offers = client.batch(&[hello()], &run).await.unwrap();
        let read = read(&client, offers[0].as_ref().unwrap(), &run).await;
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt, "{content}");
    }
}

#[tokio::test]
async fn what_is_no_file_is_not_opened() {
    let run = Run::standalone("lfs");
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join(hello().path())).unwrap();
    let offers = of(dir.path()).batch(&[hello()], &run).await.unwrap();
    let error = offers[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}
