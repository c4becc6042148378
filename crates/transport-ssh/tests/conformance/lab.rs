//! A server, a repository and a source between them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use gitbarge_core::config::RefName;
use gitbarge_core::{Error, Run, Secret, Source};
use gitbarge_git::remote::Remote;
use gitbarge_testkit::memory::MemoryState;
use gitbarge_testkit::repository::Repository;
use gitbarge_testkit::sshd::{KeyType, Sshd};
use gitbarge_transport_ssh::{SshConfig, SshSource};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Dropping it ends the server.
pub(crate) struct Lab {
    pub(crate) sshd: Sshd,
    pub(crate) repository: Repository,
    dir: TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with_host_keys(&[KeyType::Ed25519, KeyType::Rsa])
    }

    pub(crate) fn with_host_keys(types: &[KeyType]) -> Self {
        Self {
            sshd: Sshd::with_host_keys(types),
            repository: Repository::with_one_commit(),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn config(&self) -> SshConfig {
        self.config_at(self.sshd.address())
    }

    /// For a proxy before the server.
    pub(crate) fn config_at(&self, address: SocketAddr) -> SshConfig {
        let url = self.sshd.url_at(address, self.repository.path());
        SshConfig::new(url, Secret::literal(&self.sshd.client_key().private))
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

pub(crate) fn source(config: SshConfig) -> Arc<dyn Source> {
    Arc::new(SshSource::new(config).unwrap())
}

pub(crate) fn run(state: &MemoryState) -> Run {
    Run::new("site", Arc::new(state.clone()), CancellationToken::new()).for_component("source")
}

/// Lists the repository's branch `main`, and ends the operation.
pub(crate) async fn list(source: &Arc<dyn Source>, run: &Run) -> Result<gix::ObjectId, Error> {
    let main = RefName::new("main").unwrap();
    let remote = Remote::open(source, Some(&main), run).await?;
    Ok(remote.resolve().unwrap().commit)
}

/// The same with a memory that ends with it.
pub(crate) async fn list_once(config: SshConfig) -> Result<gix::ObjectId, Error> {
    list(&source(config), &run(&MemoryState::new())).await
}
