//! What every source promises.

use std::io::BufRead as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gitbarge_core::config::RefName;
use gitbarge_core::{
    Connection, Delivery, Error, ErrorKind, FetchOptions, Result, Run, Service, Source,
};
use gitbarge_git::remote::Remote;
use gix::protocol::transport::client::{MessageKind, WriteMode};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::repository::{Repository, git, printed};

/// Within so long a cancelled operation has ended.
const PROMPT: Duration = Duration::from_millis(100);

/// A machine that is busy with other tests may miss it once, but not each time.
const TRIES: usize = 5;

/// Tries a source; `make` makes one for the bare repository at a path of this machine.
///
/// Wants a runtime with several threads.
///
/// # Panics
/// If a promise is not kept.
pub async fn conformance(make: impl Fn(&Path) -> Arc<dyn Source>) {
    let repository = Repository::with_one_commit();
    let source = make(repository.path());
    the_tip_is_found_and_fetched(&source, &repository).await;
    operations_follow_one_another(&source, &repository).await;
    operations_go_on_side_by_side(&source, &repository).await;
    a_missing_repository_is_called_so(&make(&repository.path().join("missing"))).await;
    a_cancelled_run_does_not_connect(&*source).await;
    a_read_that_waits_ends_when_it_is_cancelled(&*source).await;
}

async fn the_tip_is_found_and_fetched(source: &Arc<dyn Source>, repository: &Repository) {
    let run = Run::standalone("fetch");
    let remote = Arc::new(open(source, &run).await.expect("can be listed"));
    let target = remote.resolve().expect("has a branch `main`");
    assert_eq!(Some(target.commit), repository.id("refs/heads/main"));

    let copy = Repository::empty();
    let delivery = Delivery::new(
        Some(target.clone()),
        remote.refs(),
        source.address(),
        remote,
    );
    let fetched = delivery.fetch_into(copy.path(), FetchOptions::default(), &run);
    fetched.await.expect("can be fetched");
    assert_eq!(copy.files(target.commit), repository.files(target.commit));
    printed(git(copy.path()).args(["fsck", "--strict"]));
    let received = &run.progress().bytes_received;
    assert_ne!(received.load(std::sync::atomic::Ordering::Relaxed), 0);
}

async fn operations_follow_one_another(source: &Arc<dyn Source>, repository: &Repository) {
    for n in 0..3 {
        let content = format!("{n}\n");
        let tip = repository.commit("main").write("file", content).push();
        assert_eq!(listed(source).await, tip);
    }
}

async fn operations_go_on_side_by_side(source: &Arc<dyn Source>, repository: &Repository) {
    let tip = repository.id("refs/heads/main");
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let source = source.clone();
        tasks.spawn(async move { listed(&source).await });
    }
    while let Some(task) = tasks.join_next().await {
        assert_eq!(Some(task.expect("does not panic")), tip);
    }
}

async fn a_missing_repository_is_called_so(source: &Arc<dyn Source>) {
    let run = Run::standalone("missing");
    let error = open(source, &run).await.err().expect("does not exist");
    assert_eq!(error.kind(), ErrorKind::RemoteMissing, "{error}");
}

async fn a_cancelled_run_does_not_connect(source: &dyn Source) {
    let run = Run::standalone("cancelled");
    run.cancel_token().cancel();
    let connected = source.connect(Service::UploadPack, &run).await;
    let error = connected.err().expect("is cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
}

async fn a_read_that_waits_ends_when_it_is_cancelled(source: &dyn Source) {
    let mut took = Vec::new();
    for _ in 0..TRIES {
        let run = Run::standalone("cancelled");
        let connection = source.connect(Service::UploadPack, &run).await;
        let connection = connection.expect("connects");
        let (waiting, waits) = oneshot::channel();
        let reading = tokio::task::spawn_blocking(move || wait_for_ever(connection, waiting));
        waits.await.expect("shakes hands");
        let cancelled = Instant::now();
        run.cancel_token().cancel();
        let ended = timeout(Duration::from_secs(10), reading).await;
        let kind = ended.expect("ends").expect("does not panic");
        assert_eq!(kind, Some(ErrorKind::Cancelled));
        took.push(cancelled.elapsed());
    }
    assert!(took.iter().any(|took| *took < PROMPT), "{took:?}");
}

/// Asks for half a command and waits for its answer; returns the kind of what ends the wait.
fn wait_for_ever(mut connection: Connection, waiting: oneshot::Sender<()>) -> Option<ErrorKind> {
    let transport = &mut connection.transport;
    transport
        .handshake(Service::UploadPack, &[])
        .expect("shakes hands");
    let half = MessageKind::Text(b"command=ls-refs");
    let request = transport
        .request(WriteMode::OneLfTerminatedLinePerWriteCall, half, false)
        .expect("takes requests");
    let mut answer = request.into_read().expect("takes half a command");
    waiting.send(()).expect("the test waits for it");
    let error = answer.fill_buf().err()?;
    let cause = error.get_ref()?.downcast_ref::<Error>()?;
    Some(cause.kind())
}

async fn listed(source: &Arc<dyn Source>) -> gix::ObjectId {
    let run = Run::standalone("list");
    let remote = open(source, &run).await.expect("can be listed");
    remote.resolve().expect("has a branch `main`").commit
}

async fn open(source: &Arc<dyn Source>, run: &Run) -> Result<Remote> {
    let main = RefName::new("main").expect("a branch may be called so");
    Remote::open(source, Some(&main), run).await
}
