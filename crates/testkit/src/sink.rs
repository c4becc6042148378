//! What every sink promises.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use gitbarge_core::config::RefName;
use gitbarge_core::{
    Delivery, Error, ErrorKind, FetchOptions, Held, LfsServer, Objects, PackRequest, PackStream,
    Receipt, Result, Run, Sink, Target, Wanted,
};
use gitbarge_git::remote::{Asked, Remote};
use gix::ObjectId;

use crate::files::Files;
use crate::repository::Repository;
use crate::upload_pack::UploadPack;

/// A sink with one target, which is empty at first.
pub trait SinkUnderTest: Sync {
    /// The sink, as another process would make it for the same target.
    fn make(&self) -> Arc<dyn Sink>;

    /// The files that a user of the target finds there now.
    fn files(&self) -> Files;

    /// Changes the target behind the sink's back, in a way that a delivery repairs.
    fn drift(&self);
}

/// Tries a sink.
///
/// Wants a runtime with several threads.
///
/// # Panics
/// If a promise is not kept.
pub async fn conformance(sink: &impl SinkUnderTest) {
    let repository = Repository::empty();
    looking_makes_nothing(sink).await;
    a_first_delivery_brings_everything(sink, &repository).await;
    a_second_delivery_changes_nothing(sink, &repository).await;
    a_new_commit_replaces_the_old_one(sink, &repository).await;
    rewritten_history_is_followed(sink, &repository).await;
    drift_is_noticed_and_repaired(sink, &repository).await;
    without_objects_the_old_commit_stays(sink, &repository).await;
    a_cancelled_delivery_changes_nothing(sink, &repository).await;
}

async fn looking_makes_nothing(sink: &impl SinkUnderTest) {
    let run = Run::standalone("look");
    sink.make().probe(&run).await.expect("can be reached");
    assert_eq!(held(sink).await.commit, None);
    assert_eq!(sink.files(), Files::new());
}

async fn a_first_delivery_brings_everything(sink: &impl SinkUnderTest, repository: &Repository) {
    let tip = repository
        .commit("main")
        .write("plain", "one\n")
        .executable("bin/run", "#!/bin/sh\n")
        .write("folder/file", "two\n")
        .write("ä/ö ü", b"\0binary\xff")
        .link("link", "folder/file")
        .message("First\n\nof all\n")
        .push();
    let receipt = deliver(sink, repository).await;
    assert!(receipt.changed);
    assert_eq!(receipt.from, None);
    assert_holds(sink, repository, tip).await;
}

async fn a_second_delivery_changes_nothing(sink: &impl SinkUnderTest, repository: &Repository) {
    let tip = tip(repository);
    let receipt = deliver(sink, repository).await;
    assert!(!receipt.changed);
    assert_eq!(receipt.from, Some(tip));
    assert_holds(sink, repository, tip).await;
}

async fn a_new_commit_replaces_the_old_one(sink: &impl SinkUnderTest, repository: &Repository) {
    let old = tip(repository);
    let new = repository
        .commit("main")
        .executable("plain", "one\n")
        .delete("bin/run")
        .delete("folder")
        .write("folder", "a file now\n")
        .delete("link")
        .write("link/file", "a folder now\n")
        .push();
    let receipt = deliver(sink, repository).await;
    assert!(receipt.changed);
    assert_eq!(receipt.from, Some(old));
    assert_holds(sink, repository, new).await;
}

async fn rewritten_history_is_followed(sink: &impl SinkUnderTest, repository: &Repository) {
    let first = repository.id("main~1");
    let commit = repository.commit("main").on_top_of(first);
    let new = commit.write("plain", "another history\n").push();
    deliver(sink, repository).await;
    assert_holds(sink, repository, new).await;
}

async fn drift_is_noticed_and_repaired(sink: &impl SinkUnderTest, repository: &Repository) {
    let tip = tip(repository);
    sink.drift();
    let (delivery, _) = delivery(sink, repository).await;
    let drifted = held(sink).await;
    assert!(!drifted.equals(&delivery), "{drifted:?}");
    assert!(deliver(sink, repository).await.changed);
    assert_holds(sink, repository, tip).await;
}

async fn without_objects_the_old_commit_stays(sink: &impl SinkUnderTest, repository: &Repository) {
    let old = tip(repository);
    repository.commit("main").write("lost", "").push();
    let (delivery, run) = delivery(sink, repository).await;
    let delivery = Delivery::new(
        delivery.target,
        delivery.refs,
        delivery.address,
        Arc::new(Unreachable),
    );
    let error = sink.make().deliver(&delivery, &run).await;
    let error = error.expect_err("nothing can be fetched");
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert_eq!(sink.files(), repository.files(old));
    deliver(sink, repository).await;
    assert_holds(sink, repository, tip(repository)).await;
}

async fn a_cancelled_delivery_changes_nothing(sink: &impl SinkUnderTest, repository: &Repository) {
    let old = tip(repository);
    repository.commit("main").write("later", "").push();
    let (delivery, run) = delivery(sink, repository).await;
    run.cancel_token().cancel();
    let error = sink.make().deliver(&delivery, &run).await;
    let error = error.expect_err("is cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert_eq!(sink.files(), repository.files(old));
}

async fn deliver(sink: &impl SinkUnderTest, repository: &Repository) -> Receipt {
    let (delivery, run) = delivery(sink, repository).await;
    let delivered = sink.make().deliver(&delivery, &run).await;
    delivered.expect("can be delivered")
}

async fn delivery(sink: &impl SinkUnderTest, repository: &Repository) -> (Delivery, Run) {
    let run = Run::standalone("deliver");
    let source = UploadPack::source(repository.path());
    let main = RefName::new("main").expect("a branch may be called so");
    let wanted = sink.make().wanted();
    let mut asked = Asked::from(Some(&main));
    if let Wanted::Refs(patterns) = &wanted {
        asked.patterns.push(patterns.clone());
    }
    let remote = Remote::open(&source, asked, &run).await;
    let remote = Arc::new(remote.expect("can be listed"));
    let target = remote.resolve().expect("has a branch `main`");
    let refs = match wanted {
        Wanted::Target => remote.refs(),
        Wanted::Refs(patterns) => patterns.select(&remote.refs()).into(),
    };
    let delivery = Delivery::new(Some(target), refs, source.address(), remote);
    (delivery, run)
}

async fn assert_holds(sink: &impl SinkUnderTest, repository: &Repository, commit: ObjectId) {
    assert_eq!(sink.files(), repository.files(commit));
    let held = held(sink).await;
    assert_eq!(held.commit, Some(commit));
    assert!(!held.drifted, "{held:?}");
}

async fn held(sink: &impl SinkUnderTest) -> Held {
    let held = sink.make().held(&Run::standalone("look")).await;
    held.expect("can be read")
}

fn tip(repository: &Repository) -> ObjectId {
    let tip = repository.id("refs/heads/main");
    tip.expect("an earlier step has made it")
}

/// A network that has gone away between listing and fetching.
struct Unreachable;

#[async_trait]
impl Objects for Unreachable {
    async fn fetch_into(&self, _: &Path, _: &Target, _: FetchOptions, _: &Run) -> Result<()> {
        Err(gone())
    }

    async fn pack(&self, _: PackRequest, _: &Run) -> Result<PackStream> {
        Err(gone())
    }

    async fn lfs(&self, _: &Run) -> Result<Option<LfsServer>> {
        Err(gone())
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Unreachable, "the network is gone")
}
