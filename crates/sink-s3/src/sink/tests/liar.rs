//! A remote that sends sound packs, and not what was asked for.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gitbarge_core::{
    Address, Delivery, ErrorKind, FetchOptions, LfsServer, Objects, PackRequest, PackStream,
    RemoteRef, Result, Run, Sink as _, Target,
};
use gitbarge_testkit::repository::{Repository, git};
use tokio::sync::mpsc;

use super::scene::Scene;

/// Sends the same pack whatever is asked for.
struct Liar(Bytes);

#[async_trait]
impl Objects for Liar {
    async fn fetch_into(&self, _: &Path, _: &Target, _: FetchOptions, _: &Run) -> Result<()> {
        unreachable!("a mirror has no repository")
    }

    async fn pack(&self, _: PackRequest, _: &Run) -> Result<PackStream> {
        let (sender, receiver) = mpsc::channel(1);
        sender.send(Ok(self.0.clone())).await.unwrap_or_default();
        Ok(PackStream::new(receiver))
    }

    async fn lfs(&self, _: &Run) -> Result<Option<LfsServer>> {
        Ok(None)
    }
}

/// A pack of these objects of a repository.
fn pack(repository: &Repository, objects: &str) -> Bytes {
    let mut command = git(repository.path());
    command.args(["pack-objects", "--stdout", "-q"]);
    command.stdin(std::process::Stdio::piped());
    command.stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("git is there");
    let mut input = child.stdin.take().expect("it is a pipe");
    std::io::Write::write_all(&mut input, objects.as_bytes()).expect("it reads");
    drop(input);
    child.wait_with_output().expect("it ends").stdout.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn refs_whose_objects_did_not_come_are_not_published() {
    let scene = Scene::new(Repository::with_one_commit()).await;
    let tip = scene.repository.id("main").unwrap();
    let shown = RemoteRef {
        name: b"refs/heads/main".as_slice().into(),
        id: tip,
        peeled: None,
        symref: None,
    };
    let blob = scene.repository.git(&["hash-object", "-w", "--stdin"]);
    for objects in ["", &blob] {
        let liar = Arc::new(Liar(pack(&scene.repository, objects)));
        let refs = vec![shown.clone()].into();
        let delivery = Delivery::new(None, refs, Address::new("liar"), liar);
        let run = Run::standalone("site");
        let error = scene.mirror.0.deliver(&delivery, &run).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains(&tip.to_string()), "{error}");
        assert_eq!(scene.keys_of("info/refs"), [""; 0]);
    }
    scene.run().await.unwrap();
    scene.assert_mirrored();
}
