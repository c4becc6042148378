//! Packs that are asked for.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use gitbarge_core::{
    Address, Connection, ErrorKind, Objects as _, PackRequest, PackStream, RefPatterns, RemoteEnd,
    Result, Run, Service, Source,
};
use gitbarge_git::index::Index;
use gitbarge_git::remote::{Asked, Remote};
use gitbarge_testkit::repository::{Repository, git, printed};
use gix::ObjectId;

use crate::fixture::{ids, in_memory, judged, rich};

/// `git upload-pack`, as the tests need it.
struct Child {
    path: PathBuf,
    protocol: &'static str,
    /// After so many bytes the connection is lost.
    most: u64,
    remote: RemoteEnd,
}

impl Child {
    fn new(path: &Path, protocol: &'static str, most: u64) -> Arc<Self> {
        Arc::new(Self {
            path: path.to_owned(),
            protocol,
            most,
            remote: RemoteEnd::default(),
        })
    }
}

#[async_trait]
impl Source for Child {
    async fn connect(&self, _service: Service, run: &Run) -> Result<Connection> {
        let mut child = Command::new("git")
            .arg("upload-pack")
            .arg(&self.path)
            .env("GIT_PROTOCOL", self.protocol)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("git is installed");
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = child.stdout.take().expect("it is piped");
        let end = self.remote.clone();
        std::thread::spawn(move || {
            if let Ok(output) = child.wait_with_output() {
                end.push_stderr(&output.stderr);
            }
            end.close();
        });
        let remote = self.remote.clone();
        let stdout = Lossy {
            inner: stdout.take(self.most),
            remote: remote.clone(),
        };
        Ok(gitbarge_git::connection::over_streams(
            stdout,
            stdin,
            "repository",
            remote,
            run,
        ))
    }

    fn address(&self) -> Address {
        Address::new("child")
    }
}

/// Says that the remote has gone once nothing comes any more.
struct Lossy<R> {
    inner: R,
    remote: RemoteEnd,
}

impl<R: Read> Read for Lossy<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if count == 0 {
            self.remote.close();
        }
        Ok(count)
    }
}

fn sources_at(path: &Path) -> [Arc<dyn Source>; 2] {
    ["version=2", "version=0"].map(|protocol| Child::new(path, protocol, u64::MAX) as _)
}

fn sources(repository: &Repository) -> [Arc<dyn Source>; 2] {
    sources_at(repository.path())
}

async fn ask(source: &Arc<dyn Source>, request: PackRequest) -> Result<PackStream> {
    ask_in(&Run::standalone("test"), source, request).await
}

async fn ask_in(run: &Run, source: &Arc<dyn Source>, request: PackRequest) -> Result<PackStream> {
    let asked = Asked {
        reference: None,
        patterns: vec![RefPatterns::default()],
    };
    Remote::open(source, asked, run)
        .await?
        .pack(request, run)
        .await
}

async fn whole(mut stream: PackStream) -> Result<Vec<u8>> {
    let mut pack = Vec::new();
    while let Some(chunk) = stream.next().await? {
        assert!(chunk.len() <= 64 << 10);
        pack.extend_from_slice(&chunk);
    }
    Ok(pack)
}

fn request(wants: &[ObjectId], haves: &[ObjectId]) -> PackRequest {
    PackRequest {
        wants: wants.to_vec(),
        haves: haves.to_vec(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_stands_alone_with_and_without_haves() {
    let repository = rich();
    let (tip, tag) = (repository.id("main").unwrap(), repository.id("v1").unwrap());
    let old = repository.id("main~3").unwrap();
    let unknown = ObjectId::Sha1([7; 20]);
    for source in sources(&repository) {
        let full = ask(&source, request(&[tip, tag], &[])).await.unwrap();
        let (indexed, _) = judged(&whole(full).await.unwrap());
        let index = Index::parse(indexed.index.into()).unwrap();
        let all = ids(&repository.git(&["rev-list", "--objects", "--all"]));
        assert!(index.ids().eq(all) && indexed.links.is_empty());

        let part = ask(&source, request(&[tip, tag], &[unknown, old]))
            .await
            .unwrap();
        let (indexed, _) = judged(&whole(part).await.unwrap());
        let new = ids(&repository.git(&["rev-list", "--objects", "--all", "^main~3"]));
        assert_eq!(indexed.objects as usize, new.len());
        let there = ids(&repository.git(&["rev-list", "--objects", "main~3"]));
        assert!(indexed.links.contains(&old) && indexed.links.iter().all(|l| there.contains(l)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_haves_do_not_block() {
    let repository = rich();
    let tip = repository.id("main").unwrap();
    let known = ids(&repository.git(&["rev-list", "main~1"]));
    let mut haves: Vec<_> = known.into_iter().collect();
    haves.extend((0..20_000u32).map(|n| {
        let mut id = [7; 20];
        id[..4].copy_from_slice(&n.to_be_bytes());
        ObjectId::Sha1(id)
    }));
    haves.extend_from_within(..30);
    for source in sources(&repository) {
        let asked = ask(&source, request(&[tip], &haves));
        let stream = tokio::time::timeout(Duration::from_secs(60), asked)
            .await
            .expect("it answers");
        judged(&whole(stream.unwrap()).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_want_that_is_not_there_is_refused_by_the_call() {
    let repository = rich();
    for source in sources(&repository) {
        let wants = [ObjectId::Sha1([7; 20])];
        let error = ask(&source, request(&wants, &[])).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::RefMissing, "{error}");
        let error = ask(&source, request(&[], &[])).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shallow_clone_is_no_source() {
    let repository = rich();
    let dir = tempfile::tempdir().unwrap();
    let url = format!("file://{}", repository.path().display());
    let mut clone = git(dir.path());
    printed(clone.args(["clone", "-q", "--bare", "--depth=2", &url, "shallow"]));
    for source in sources_at(&dir.path().join("shallow")) {
        let wants = [repository.id("main").unwrap()];
        let error = ask(&source, request(&wants, &[])).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_is_never_a_clean_end() {
    let repository = rich();
    let asked = request(&[repository.id("main").unwrap()], &[]);
    for protocol in ["version=2", "version=0"] {
        let run = Run::standalone("test");
        let source: Arc<dyn Source> = Child::new(repository.path(), protocol, u64::MAX);
        whole(ask_in(&run, &source, asked.clone()).await.unwrap())
            .await
            .unwrap();
        let all = run.progress().bytes_received.load(Ordering::Relaxed);
        let places = (0..all).step_by(all as usize / 100);
        for most in places {
            let source: Arc<dyn Source> = Child::new(repository.path(), protocol, most);
            let result = match ask(&source, asked.clone()).await {
                Ok(stream) => whole(stream).await,
                Err(error) => Err(error),
            };
            match result {
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unreachable, "{most}: {error}"),
                // How much git says of its progress is never the same.
                Ok(pack) => assert!(most > all * 9 / 10 && in_memory(&pack).is_ok(), "{most}"),
            }
        }
    }
}

/// A repository whose pack is of 9 MiB.
fn large() -> Repository {
    let repository = Repository::empty();
    let mut random = 1u64;
    let noise = std::iter::repeat_with(|| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 56) as u8
    });
    let noise: Vec<u8> = noise.take(9 << 20).collect();
    repository.commit("main").write("noise", &noise).push();
    repository
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_dropped_ends_the_transfer() {
    let repository = large();
    let child = Child::new(repository.path(), "version=2", u64::MAX);
    let source: Arc<dyn Source> = child.clone();
    let asked = request(&[repository.id("main").unwrap()], &[]);
    let mut stream = ask(&source, asked).await.unwrap();
    assert!(stream.next().await.unwrap().is_some());
    drop(stream);
    wait_for_end(&child).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn little_waits_for_a_slow_reader_and_cancelling_is_told() {
    let repository = large();
    let child = Child::new(repository.path(), "version=2", u64::MAX);
    let source: Arc<dyn Source> = child.clone();
    let asked = request(&[repository.id("main").unwrap()], &[]);
    let run = Run::standalone("test");
    let stream = ask_in(&run, &source, asked).await.unwrap();
    let received = || run.progress().bytes_received.load(Ordering::Relaxed);
    while received() < 2 << 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    run.cancel_token().cancel();
    wait_for_end(&child).await;
    assert!(received() < 3 << 20, "{}", received());
    let error = whole(stream).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

/// The child ends once its pipes are closed.
async fn wait_for_end(child: &Arc<Child>) {
    let remote = child.remote.clone();
    let wait = move || remote.wait(Duration::from_secs(60));
    let begun = std::time::Instant::now();
    tokio::task::spawn_blocking(wait)
        .await
        .expect("it does not panic");
    assert!(begun.elapsed() < Duration::from_secs(60), "it goes on");
}
