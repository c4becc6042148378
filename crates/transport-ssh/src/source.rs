//! The source `ssh`: one warm session, one channel for each operation.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use gitbarge_core::{
    Address, Connection, Error, ErrorKind, LfsServer, Problem, RemoteEnd, Result, Run, Service,
    Source, bounded,
};
use gitbarge_git::connection::over_streams;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{debug, info};

use crate::channel::{ChannelReader, ChannelWriter, Surroundings, WarmPlace, execute};
use crate::config::{HostKeys, SshConfig};
use crate::host_keys::{HostCheck, name};
use crate::key::KeyText;
use crate::known_hosts::look_up;
use crate::learned;
use crate::lfs;
use crate::session::{Login, Session};
use crate::url::SshUrl;
use crate::wire::dial;

/// The part of the connect timeout that a warm session has for opening a channel: it may be dead without knowing.
const WARM_SHARE: u32 = 3;
/// Of a known_hosts file, in bytes.
const LARGEST_KNOWN_HOSTS: u64 = 64 << 20;

/// Reads a git repository over SSH.
///
/// A session carries one operation at a time: a second one at the same time gets a session of its own.
pub struct SshSource {
    config: SshConfig,
    url: SshUrl,
    warm: WarmPlace,
}

impl SshSource {
    /// Checks the configuration; touches neither network nor files.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn new(config: SshConfig) -> Result<Self, Vec<Problem>> {
        let mut problems = config.problems();
        match SshUrl::parse(&config.url) {
            Ok(url) if problems.is_empty() => Ok(Self {
                config,
                url,
                warm: WarmPlace::default(),
            }),
            Ok(_) => Err(problems),
            Err(message) => {
                problems.insert(0, Problem::new("url", message));
                Err(problems)
            }
        }
    }

    async fn open(&self, service: Service, run: &Run) -> Result<Connection> {
        let command = format!("{} {}", service.as_str(), quoted(&self.url.path));
        let (reader, writer, remote) = self.execute(&command, run).await?;
        Ok(over_streams(reader, writer, &self.url.path, remote, run))
    }

    /// Runs a command on the warm session, or on a new one.
    async fn execute(
        &self,
        command: &str,
        run: &Run,
    ) -> Result<(ChannelReader, ChannelWriter, RemoteEnd)> {
        let deadline = Instant::now() + self.config.connect_timeout;
        let place = self.config.key_place();
        let key = run
            .blocking("reading the key", move |_| place.read())
            .await?;
        let around = Surroundings {
            url: &self.url,
            idle_timeout: self.config.idle_timeout,
            warm: &self.warm,
            run,
        };
        if let Some(session) = self.warm_session(&key).await {
            let opened = timeout(
                self.config.connect_timeout / WARM_SHARE,
                execute(session, command, &around),
            );
            match opened.await {
                Ok(Ok(opened)) => return Ok(opened),
                Ok(Err(error)) => debug!(%error, "Warm session is dead; connecting anew."),
                Err(_) => debug!("Warm session does not answer; connecting anew."),
            }
        }
        let session = self.new_session(key, deadline, run).await?;
        let opened = timeout_at(deadline, execute(session, command, &around));
        opened.await.map_err(|_| self.too_slow())?
    }

    /// Asks the server where LFS objects are, as git-lfs does.
    async fn find_lfs(&self, run: &Run) -> Result<LfsServer> {
        let command = format!("git-lfs-authenticate {} download", quoted(&self.url.path));
        let (reader, writer, remote) = self.execute(&command, run).await?;
        let url = self.url.clone();
        let read = run.blocking("asking for the LFS server", move |_| {
            let found = lfs::read(reader, &remote, &url);
            // It ends the command's input: to be dropped after the answer, and not by an async worker.
            drop(writer);
            found
        });
        Ok(read.await?.unwrap_or_else(|| lfs::guess(&self.url)))
    }

    /// The session of the last operation, if it has ended well and had the same key.
    async fn warm_session(&self, key: &KeyText) -> Option<Session> {
        let session = self.warm.lock().await.take()?;
        (session.has_key(&key.digest()) && !session.is_closed()).then_some(session)
    }

    async fn new_session(&self, key: KeyText, deadline: Instant, run: &Run) -> Result<Session> {
        let (digest, file) = (key.digest(), self.config.known_hosts.clone());
        let (key, known_hosts) = run
            .blocking("decoding the key", move |_| {
                Ok((key.decode()?, read_known_hosts(file.as_deref())?))
            })
            .await?;
        let mut known = look_up(&known_hosts, &self.url.server());
        if self.config.host_keys == HostKeys::AcceptNew {
            known
                .keys
                .extend(learned::recall(run.state(), &self.url).await?);
        }
        let login = Login {
            url: &self.url,
            key,
            digest,
            check: HostCheck::new(self.config.host_keys.clone(), self.url.server(), known),
        };
        let session = async { Session::open(dial(&self.url, deadline).await?, login).await };
        let session = timeout_at(deadline, session)
            .await
            .map_err(|_| self.too_slow())??;
        // Only now: a server that lets nobody in may be the wrong one.
        if let Some(key) = session.fresh_host_key() {
            learned::remember(run.state(), &self.url, key).await?;
            info!(
                server = self.url.server(),
                key = name(key),
                "Host key learned."
            );
        }
        Ok(session)
    }

    fn too_slow(&self) -> Error {
        let (server, limit) = (self.url.server(), self.config.connect_timeout);
        Error::new(
            ErrorKind::Timeout,
            format!("`{server}` did not complete the login within {limit:?}"),
        )
    }
}

#[async_trait]
impl Source for SshSource {
    async fn connect(&self, service: Service, run: &Run) -> Result<Connection> {
        tokio::select! {
            biased;
            () = run.cancelled() => {
                Err(Error::cancelled(format!("connecting to `{}`", self.url.server())))
            }
            connection = self.open(service, run) => connection,
        }
    }

    fn address(&self) -> Address {
        Address::new(&self.config.url)
    }

    async fn lfs(&self, run: &Run) -> Result<Option<LfsServer>> {
        tokio::select! {
            biased;
            () = run.cancelled() => {
                Err(Error::cancelled(format!("asking `{}` for its LFS server", self.url.server())))
            }
            server = self.find_lfs(run) => server.map(Some),
        }
    }
}

/// The text of a known_hosts file; nothing if none is configured.
///
/// # Errors
/// `config`, naming the file.
pub(crate) fn read_known_hosts(path: Option<&Path>) -> Result<Arc<str>> {
    let Some(path) = path else {
        return Ok("".into());
    };
    match bounded::read(path, LARGEST_KNOWN_HOSTS) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into()),
        Err(error) => {
            let message = format!("`known_hosts` (file `{}`) cannot be read", path.display());
            Err(Error::new(ErrorKind::Config, message).with_source(error))
        }
    }
}

/// Quotes for the shell on the other side, in the words that git itself sends: some servers match them.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''").replace('!', r"'\!'"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gitbarge_core::Secret;
    use gitbarge_testkit::proxy::Proxy;
    use gitbarge_testkit::repository::Repository;
    use gitbarge_testkit::sshd::Sshd;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_warm_session_that_no_longer_answers_is_opened_anew() {
        let (sshd, repository) = (Sshd::start(), Repository::with_one_commit());
        let proxy = Proxy::start(sshd.address()).await;
        let url = sshd.url_at(proxy.address(), repository.path());
        let mut config = SshConfig::new(url, Secret::literal(&sshd.client_key().private));
        config.connect_timeout = Duration::from_secs(6);
        let source = SshSource::new(config).unwrap();
        let run = Run::standalone("site");
        drop(source.connect(Service::UploadPack, &run).await.unwrap());
        assert!(source.warm.lock().await.is_some());

        // Nothing passes until a second connection comes.
        proxy.stall_after(0);
        let waking = async {
            while proxy.connections() < 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            proxy.resume();
        };
        let (connected, ()) = tokio::join!(source.connect(Service::UploadPack, &run), waking);
        assert!(connected.is_ok());
    }

    #[test]
    fn paths_are_quoted_as_git_quotes_them() {
        for (path, expected) in [
            ("/a b.git", "'/a b.git'"),
            ("it's", r"'it'\''s'"),
            ("hey!", r"'hey'\!''"),
            ("$(id);`id`", "'$(id);`id`'"),
        ] {
            assert_eq!(quoted(path), expected);
        }
    }

    #[test]
    fn the_address_is_the_url() {
        let source = SshSource::new(SshConfig::new("git@host:a.git", Secret::literal("x")));
        assert_eq!(source.ok().unwrap().address().as_str(), "git@host:a.git");
    }
}
