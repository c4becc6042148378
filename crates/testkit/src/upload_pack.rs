//! A source for tests of sinks: `git upload-pack` as a child process.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use gitbarge_core::{
    Address, Connection, Error, ErrorKind, RemoteEnd, Result, Run, Service, Source,
};

/// Serves the repository at a path. It knows no timeouts and no cancellation: plugins are tested for these themselves.
pub struct UploadPack(pub PathBuf);

impl UploadPack {
    /// As what the engine takes.
    pub fn source(path: impl Into<PathBuf>) -> Arc<dyn Source> {
        Arc::new(Self(path.into()))
    }
}

#[async_trait]
impl Source for UploadPack {
    async fn connect(&self, _service: Service, run: &Run) -> Result<Connection> {
        let mut child = Command::new("git")
            .args(["upload-pack"])
            .arg(&self.0)
            .env("GIT_PROTOCOL", "version=2")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| Error::new(ErrorKind::Config, "cannot run git").with_source(e))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else {
            return Err(Error::new(ErrorKind::Internal, "the child has no pipes"));
        };
        let remote = RemoteEnd::default();
        let end = remote.clone();
        // The child ends when its pipes close; the thread then says so, and reaps it.
        std::thread::spawn(move || {
            if let Ok(output) = child.wait_with_output() {
                end.push_stderr(&output.stderr);
                end.set_exit(output.status.code().unwrap_or(-1).unsigned_abs());
            }
            end.close();
        });
        Ok(gitbarge_git::connection::over_streams(
            stdout,
            stdin,
            "repository",
            remote,
            run,
        ))
    }

    fn address(&self) -> Address {
        Address::new(&self.0.display().to_string())
    }
}
