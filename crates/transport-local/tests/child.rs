//! The child of the local source: what it is given, what it says, and that it goes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gitbarge_core::{Connection, Error, ErrorKind, Run, Service, Source as _};
use gitbarge_testkit::repository::Repository;
use gitbarge_transport_local::LocalSource;
use gix::protocol::transport::client::{MessageKind, WriteMode};

async fn connect(path: &Path, idle: Duration, run: &Run) -> Connection {
    let path = path.to_str().expect("the path is UTF-8");
    let source = LocalSource::new(path, idle).expect("it is a path");
    let connected = source.connect(Service::UploadPack, run).await;
    connected.expect("git is installed")
}

/// The processes that serve this repository.
fn serving(path: &Path) -> Vec<PathBuf> {
    let wanted = path.to_str().expect("the path is UTF-8");
    let processes = std::fs::read_dir("/proc").expect("this is Linux");
    let mut found = Vec::new();
    for process in processes.flatten() {
        let process = process.path();
        let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        if line.contains("upload-pack") && line.contains(wanted) {
            found.push(process);
        }
    }
    found
}

/// Waits for the end that closes the connection, and then looks for processes.
async fn assert_gone(path: &Path, remote: gitbarge_core::RemoteEnd) {
    let waiting = tokio::task::spawn_blocking(move || remote.wait(Duration::from_secs(10)));
    waiting.await.expect("does not panic");
    assert_eq!(serving(path), [""; 0].map(PathBuf::from));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_connection_leaves_no_process() {
    let repository = Repository::with_one_commit();
    let run = Run::standalone("drop");
    let mut connection = connect(repository.path(), Duration::from_secs(60), &run).await;
    let remote = connection.remote.clone();
    let path = repository.path().to_owned();
    let using = tokio::task::spawn_blocking(move || {
        // Git's command line shows only once it has begun.
        let transport = &mut connection.transport;
        transport.handshake(Service::UploadPack, &[]).unwrap();
        assert_eq!(serving(&path).len(), 1);
    });
    using.await.unwrap();
    assert_gone(repository.path(), remote).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_leaves_no_process() {
    let repository = Repository::with_one_commit();
    let run = Run::standalone("cancel");
    let connection = connect(repository.path(), Duration::from_secs(60), &run).await;
    run.cancel_token().cancel();
    assert_gone(repository.path(), connection.remote.clone()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_a_timeout() {
    let repository = Repository::with_one_commit();
    let run = Run::standalone("idle");
    let mut connection = connect(repository.path(), Duration::from_millis(300), &run).await;
    let waiting = tokio::task::spawn_blocking(move || {
        let transport = &mut connection.transport;
        transport.handshake(Service::UploadPack, &[]).unwrap();
        let half = MessageKind::Text(b"command=ls-refs");
        let mode = WriteMode::OneLfTerminatedLinePerWriteCall;
        let request = transport.request(mode, half, false).unwrap();
        let mut answer = request.into_read().unwrap();
        std::io::BufRead::fill_buf(&mut answer).unwrap_err()
    });
    let error = waiting.await.unwrap();
    let cause = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!(cause.kind(), ErrorKind::Timeout);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_git_says_about_a_missing_repository_is_kept() {
    let repository = Repository::empty();
    let run = Run::standalone("missing");
    let missing = repository.path().join("missing");
    let connection = connect(&missing, Duration::from_secs(60), &run).await;
    let remote = connection.remote.clone();
    let ending = tokio::task::spawn_blocking(move || remote.wait(Duration::from_secs(10)));
    let ending = ending.await.unwrap();
    let said = "does not appear to be a git repository";
    assert!(ending.stderr.contains(said), "{ending:?}");
    assert_eq!(ending.exit, Some(128));
}

#[tokio::test]
async fn a_source_is_not_written_to() {
    let repository = Repository::empty();
    let url = repository.path().to_str().unwrap();
    let source = LocalSource::new(url, Duration::from_secs(60)).unwrap();
    let run = Run::standalone("write");
    let connected = source.connect(Service::ReceivePack, &run).await;
    assert_eq!(connected.err().unwrap().kind(), ErrorKind::Internal);
}
