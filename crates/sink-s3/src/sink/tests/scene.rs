//! A source, and a mirror with little memory.

use std::path::{Path, PathBuf};

use gitbarge_core::{Receipt, Result, Run};
use gitbarge_testkit::repository::{Repository, git, printed};
use gitbarge_testkit::s3::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use gitbarge_testkit::upload_pack::UploadPack;
use serde_json::json;
use tokio::sync::OnceCell;

use super::super::{S3Mirror, S3Sink};
use crate::config::S3Config;
use crate::mirror::{Indexes, Mirror, Room};
use crate::store::Store;

/// Less than any configuration may have, so that packs that do not fit are soon made.
const MEMORY: u64 = 3 << 20;
const MIB: usize = 1 << 20;

pub(super) struct Scene {
    pub(super) server: S3Server,
    pub(super) repository: Repository,
    pub(super) mirror: S3Mirror,
}

impl Scene {
    /// A mirror of `repository` in a bucket.
    pub(super) async fn new(repository: Repository) -> Self {
        Self::with(repository, None, false).await
    }

    pub(super) async fn with(repository: Repository, spool: Option<PathBuf>, bundle: bool) -> Self {
        let server = S3Server::start().await;
        let config = json!({
            "url": format!("s3://{BUCKET}/site"),
            "endpoint": server.endpoint(),
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET_KEY,
            "bundle": bundle,
        });
        let config = serde_json::from_value(config).expect("the keys are right");
        let mirror = mirror(config, spool).await;
        Self {
            server,
            repository,
            mirror,
        }
    }

    pub(super) async fn run(&self) -> Result<Receipt> {
        self.run_in(&Run::standalone("site")).await
    }

    pub(super) async fn run_in(&self, run: &Run) -> Result<Receipt> {
        let source = UploadPack::source(self.repository.path());
        self.mirror.mirror(&source, run).await
    }

    /// Whether our own verification finds the mirror whole.
    pub(super) async fn verify(&self) -> Result<()> {
        use gitbarge_core::Sink as _;
        self.mirror
            .0
            .verify(&Run::standalone("site"))
            .await
            .map(drop)
    }

    pub(super) fn keys_of(&self, folder: &str) -> Vec<String> {
        let mut keys = self.server.keys(BUCKET);
        keys.retain(|key| key.starts_with(&format!("site/{folder}")));
        keys
    }

    /// How often a key with this in it was asked for in this way.
    pub(super) fn asked(&self, method: &str, key: &str) -> usize {
        let asked = self.server.asked();
        let is_meant = |asked: &&_| is_meant(asked, method, key);
        asked.iter().filter(is_meant).count()
    }

    /// Readers see what the repository holds, whole; and nothing else is left in the bucket.
    pub(super) fn assert_mirrored(&self) {
        let dir = tempfile::tempdir().expect("there is a folder for temporary files");
        let url = format!("{}/site", self.server.web_url());
        printed(git(dir.path()).args(["clone", "-q", "--mirror", &url, "clone"]));
        let clone = dir.path().join("clone");
        printed(git(&clone).args(["fsck", "--full", "--strict"]));
        let list = ["rev-list", "--objects", "--all"];
        assert_eq!(printed(git(&clone).args(list)), self.repository.git(&list));
        assert_packs(&self.server.bucket(BUCKET).join("site"));
        self.assert_nothing_left();
    }

    pub(super) fn assert_nothing_left(&self) {
        assert_eq!(self.keys_of("gitbarge/incoming/"), [""; 0]);
        assert_eq!(self.server.unfinished_uploads(), 0);
    }
}

fn is_meant(asked: &gitbarge_testkit::s3::Asked, method: &str, key: &str) -> bool {
    asked.method == method && asked.key.contains(key)
}

/// A mirror that keeps less of a pack in memory than it may be told to.
pub(super) async fn mirror(config: S3Config, spool: Option<PathBuf>) -> S3Mirror {
    let mirror = Mirror {
        store: Store::open(&config).await.expect("the keys are right"),
        indexes: Indexes::default(),
        room: Room {
            memory: MEMORY,
            spool,
        },
        grace: config.grace,
        lfs: config.lfs,
        bundle: config.bundle,
    };
    let sink = S3Sink::new(config).expect("the keys are right");
    S3Mirror(S3Sink {
        mirror: OnceCell::from(mirror),
        ..sink
    })
}

/// Stock git makes the same index of every pack.
pub(super) fn assert_packs(folder: &Path) {
    let packs = std::fs::read_dir(folder.join("objects/pack")).expect("it is there");
    let packs = packs.map(|entry| entry.expect("it can be listed").path());
    let packs: Vec<_> = packs
        .filter(|path| path.extension().is_some_and(|e| e == "pack"))
        .collect();
    assert!(!packs.is_empty());
    let dir = tempfile::tempdir().expect("there is a folder for temporary files");
    for pack in packs {
        let index = dir.path().join("pack.idx");
        printed(
            git(dir.path())
                .args(["index-pack", "-o"])
                .args([&index, &pack]),
        );
        let read = |path: &Path| std::fs::read(path).expect("it is there");
        assert!(read(&index) == read(&pack.with_extension("idx")));
        std::fs::remove_file(&index).expect("it is there");
    }
}

/// A repository whose pack has more than so many MiB: noise, each MiB of it with three later versions that are deltas.
pub(super) fn noisy(mebibytes: usize) -> Repository {
    let repository = Repository::with_one_commit();
    add_noise(&repository, mebibytes);
    repository
}

pub(super) fn add_noise(repository: &Repository, mebibytes: usize) {
    let mut random = fastrand::Rng::with_seed(7);
    let mut noise = vec![0; mebibytes * MIB];
    random.fill(&mut noise);
    for version in 0..4 {
        let mut commit = repository.commit("main").message("Make noise\n");
        for (number, data) in noise.chunks_mut(MIB).enumerate() {
            data[version * 1000] ^= 1;
            commit = commit.write(&format!("noise/{number}"), data);
        }
        commit.push();
    }
}

/// A repository with one file that nothing makes smaller.
pub(super) fn with_blob(mebibytes: usize) -> Repository {
    let repository = Repository::empty();
    let mut random = fastrand::Rng::with_seed(8);
    let mut noise = vec![0; mebibytes * MIB];
    random.fill(&mut noise);
    repository.commit("main").write("blob", noise).push();
    repository
}
