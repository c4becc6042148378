//! A remote, a checkout of it, and stock git to judge the two.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gitbarge_core::config::RefName;
use gitbarge_core::{Delivery, Error, Held, Receipt, Run, Sink as _};
use gitbarge_git::remote::Remote;
use gitbarge_sink_checkout::{CheckoutOptions, CheckoutSink};
use gitbarge_testkit::repository::{Repository, git, printed};
use gitbarge_testkit::upload_pack::UploadPack;
use tempfile::TempDir;

/// What one sync found and did.
pub(crate) struct Synced {
    pub(crate) held: Held,
    pub(crate) receipt: Receipt,
}

pub(crate) struct Lab {
    pub(crate) remote: Repository,
    pub(crate) options: CheckoutOptions,
    _folder: TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = CheckoutOptions::at(folder.path().join("site"));
        Self {
            remote: Repository::with_one_commit(),
            options,
            _folder: folder,
        }
    }

    /// A lab whose checkout has been synced once.
    pub(crate) async fn cloned() -> Self {
        let lab = Self::new();
        lab.sync("main").await;
        lab
    }

    pub(crate) fn path(&self) -> &Path {
        &self.options.path
    }

    /// Brings the checkout to a ref, and judges it.
    pub(crate) async fn sync(&self, reference: &str) -> Synced {
        let synced = self
            .try_sync(reference)
            .await
            .unwrap_or_else(|e| panic!("{:?}", e.failure()));
        assert_eq!(self.git(&["status", "--porcelain", "-uall"]), "");
        assert_eq!(
            self.git(&["ls-files", "-v"])
                .lines()
                .find(|line| !line.starts_with('H')),
            None
        );
        self.git(&["fsck", "--no-dangling"]);
        synced
    }

    pub(crate) async fn try_sync(&self, reference: &str) -> Result<Synced, Error> {
        let run = Run::standalone("lab");
        let source = UploadPack::source(self.remote.path());
        let reference = RefName::new(reference).unwrap();
        let sink = CheckoutSink::new(self.options.clone());
        let held = sink.held(&run).await?;
        let remote = Arc::new(Remote::open(&source, Some(&reference), &run).await?);
        let target = remote.resolve()?;
        let delivery = Delivery::new(
            Some(target.clone()),
            remote.refs(),
            source.address(),
            remote,
        );
        let receipt = sink.deliver(&delivery, &run).await?;
        let after = sink.held(&run).await?;
        assert!(after.equals(&delivery), "after {receipt:?}: {after:?}");
        Ok(Synced { held, receipt })
    }

    /// Runs git in the checkout.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        printed(
            git(self.path())
                .env("GIT_OPTIONAL_LOCKS", "0")
                .args(arguments),
        )
    }

    /// Runs git in the checkout, and does not mind if it fails.
    pub(crate) fn try_git(&self, arguments: &[&str]) -> bool {
        let output = git(self.path()).args(arguments).output();
        output.is_ok_and(|output| output.status.success())
    }

    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let file = self.file(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.file(path)).unwrap()
    }
}

/// The drift that a receipt reports, as lines of `git status --porcelain`.
pub(crate) fn drift(receipt: &Receipt) -> Vec<String> {
    let entries = receipt.details["discarded"]["working_tree"].as_array();
    let line = |entry: &serde_json::Value| {
        format!(
            "{} {}",
            entry["code"].as_str().unwrap(),
            entry["path"].as_str().unwrap()
        )
    };
    let mut lines: Vec<String> = entries.into_iter().flatten().map(line).collect();
    lines.sort();
    lines
}
