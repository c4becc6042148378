//! A repository of this machine as a source.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use gitbarge_core::{
    Address, Connection, Error, ErrorKind, LfsServer, Result, Run, Service, Source,
};
use gitbarge_git::connection::over_streams;

use crate::{child, path};

/// Reads a repository of this machine through `git upload-pack`, one process for each operation.
#[derive(Debug, Clone)]
pub struct LocalSource {
    path: PathBuf,
    address: Address,
    idle_timeout: Duration,
}

impl LocalSource {
    /// The repository at a path or a `file://` URL. Nothing is touched yet.
    ///
    /// # Errors
    /// `config` if the text is neither.
    pub fn new(url: &str, idle_timeout: Duration) -> Result<Self> {
        let path = path::of_url(url).map_err(|why| Error::new(ErrorKind::Config, why))?;
        Ok(Self {
            path,
            address: Address::new(url),
            idle_timeout,
        })
    }
}

#[async_trait]
impl Source for LocalSource {
    async fn connect(&self, service: Service, run: &Run) -> Result<Connection> {
        if run.is_cancelled() {
            return Err(Error::cancelled("starting git"));
        }
        if service != Service::UploadPack {
            let message = format!("`{}` is a source: it is only read", self.address);
            return Err(Error::new(ErrorKind::Internal, message));
        }
        let (output, input, remote) = child::start(&self.path, self.idle_timeout, run)?;
        let path = String::from_utf8_lossy(self.path.as_os_str().as_bytes());
        Ok(over_streams(output, input, &path, remote, run))
    }

    fn address(&self) -> Address {
        self.address.clone()
    }

    /// The repository itself: its LFS objects lie in it.
    async fn lfs(&self, _run: &Run) -> Result<Option<LfsServer>> {
        let absolute = std::path::absolute(&self.path)
            .map_err(|error| Error::io("there is no working directory", error))?;
        let url = path::to_file_url(&absolute);
        Ok(Some(LfsServer::new(url, Vec::new())))
    }
}
