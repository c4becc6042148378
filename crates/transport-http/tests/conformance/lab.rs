//! A server with one repository, and what tests do with it.

use std::net::SocketAddr;
use std::sync::Arc;

use gitbarge_core::config::RefName;
use gitbarge_core::{Delivery, Error, FetchOptions, Run, Source};
use gitbarge_git::remote::Remote;
use gitbarge_testkit::http_backend::GitHttp;
use gitbarge_testkit::repository::Repository;
use gitbarge_transport_http::{HttpConfig, HttpSource};

pub(crate) struct Lab {
    pub(crate) server: GitHttp,
    pub(crate) repository: Repository,
}

impl Lab {
    pub(crate) async fn new() -> Self {
        let repository = Repository::with_one_commit();
        let folder = repository.path().parent().unwrap();
        Self {
            server: GitHttp::start(folder).await,
            repository,
        }
    }

    /// One whose repository needs so many bytes to be sent.
    pub(crate) async fn with_content(bytes: usize) -> Self {
        let lab = Self::new().await;
        // Nothing that could be made smaller: xorshift.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let noise = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        });
        let noise: Vec<u8> = noise.take(bytes).collect();
        lab.repository.commit("main").write("noise", noise).push();
        lab
    }

    pub(crate) fn config(&self) -> HttpConfig {
        HttpConfig::new(self.server.url(self.repository.path()))
    }

    /// For a proxy before the server.
    pub(crate) fn config_at(&self, address: SocketAddr) -> HttpConfig {
        HttpConfig::new(self.server.url_at(address, self.repository.path()))
    }

    /// The statuses of all requests so far.
    pub(crate) fn statuses(&self) -> Vec<u16> {
        let requests = self.server.requests().into_iter();
        requests.map(|request| request.status).collect()
    }
}

pub(crate) fn source(config: HttpConfig) -> Arc<dyn Source> {
    Arc::new(HttpSource::new(config).unwrap())
}

async fn open(source: &Arc<dyn Source>, run: &Run) -> Result<Remote, Error> {
    let main = RefName::new("main").unwrap();
    Remote::open(source, Some(&main), run).await
}

/// Lists the repository's branch `main`, and ends the operation.
pub(crate) async fn list(source: &Arc<dyn Source>) -> Result<gix::ObjectId, Error> {
    let remote = open(source, &Run::standalone("list")).await?;
    Ok(remote.resolve().unwrap().commit)
}

/// The same with a source of its own.
pub(crate) async fn list_once(config: HttpConfig) -> Result<gix::ObjectId, Error> {
    list(&source(config)).await
}

/// Lists, and then fetches everything into a new repository.
pub(crate) async fn fetch(source: &Arc<dyn Source>, run: &Run) -> Result<Repository, Error> {
    let remote = Arc::new(open(source, run).await?);
    let target = remote.resolve()?;
    let copy = Repository::empty();
    let delivery = Delivery::new(
        Some(target.clone()),
        remote.refs(),
        source.address(),
        remote,
    );
    let options = FetchOptions::default();
    delivery.fetch_into(copy.path(), options, run).await?;
    copy.set("refs/heads/main", target.commit);
    Ok(copy)
}
