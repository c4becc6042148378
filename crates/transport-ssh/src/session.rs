//! An authenticated SSH session; the only file, with `channel.rs`, that knows how russh works.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gitbarge_core::{Error, ErrorKind, Result};
use russh::client::{self, AuthResult, Handle};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{Channel, Preferred};
use tokio::net::TcpStream;
use tokio_util::sync::DropGuard;

use crate::host_keys::{HostCheck, Trust, name};
use crate::key::KeyDigest;
use crate::url::SshUrl;
use crate::wire::Wire;

/// What the server may send before it is read: a larger window helps servers that are far away.
const WINDOW: u32 = 8 << 20;
/// How many packets of at most 32 KiB a channel holds back before the whole session waits.
const CHANNEL_BUFFER: usize = 32;
/// How long the server may say nothing before it is asked whether it is still there, and how often that is.
const KEEPALIVE: (Duration, usize) = (Duration::from_secs(15), 4);

/// A session whose end closes its connection at once.
pub(crate) struct Session {
    handle: Handle<Client>,
    key: KeyDigest,
    fresh: Arc<OnceLock<PublicKey>>,
    _wire: DropGuard,
}

/// What it takes to log in.
pub(crate) struct Login<'u> {
    pub(crate) url: &'u SshUrl,
    pub(crate) key: Arc<PrivateKey>,
    pub(crate) digest: KeyDigest,
    pub(crate) check: HostCheck,
}

impl Session {
    /// Exchanges keys, judges the server's, and logs in.
    ///
    /// # Errors
    /// Those of [`HostCheck::judge`]; `auth_failed`, `unreachable`, `protocol`. Cancel safe: the connection is closed.
    pub(crate) async fn open(stream: TcpStream, login: Login<'_>) -> Result<Self> {
        let Login {
            url,
            key,
            digest,
            check,
        } = login;
        let config = client_config(&check);
        let fresh = Arc::<OnceLock<PublicKey>>::default();
        let client = Client {
            check,
            accepted: None,
            fresh: fresh.clone(),
        };
        let (wire, guard) = Wire::new(stream);
        let handle = client::connect_stream(Arc::new(config), wire, client).await;
        let handle = handle.map_err(|failure| match failure {
            Failure::Refused(error) => error,
            Failure::Russh(error) => classify(error, url),
        })?;
        let mut session = Self {
            handle,
            key: digest,
            fresh,
            _wire: guard,
        };
        session.authenticate(url, key).await?;
        Ok(session)
    }

    async fn authenticate(&mut self, url: &SshUrl, key: Arc<PrivateKey>) -> Result<()> {
        let shown = name(key.public_key());
        let key = PrivateKeyWithHashAlg::new(key.clone(), self.rsa_hash(&key).await);
        let result = self
            .handle
            .authenticate_publickey(url.user.as_str(), key)
            .await;
        let (server, user) = (url.server(), &url.user);
        match result.map_err(|error| classify(error, url))? {
            AuthResult::Success => Ok(()),
            // A connection that ends here looks to russh like a refusal.
            AuthResult::Failure { remaining_methods, .. } if remaining_methods.is_empty() && self.is_closed() => {
                Err(Error::new(ErrorKind::Unreachable, format!("`{server}` closed the connection during the login")))
            }
            AuthResult::Failure { partial_success: true, .. } => Err(Error::new(
                ErrorKind::AuthFailed,
                format!("`{server}` wants more than the key {shown} for user `{user}`"),
            )),
            AuthResult::Failure { .. } => Err(Error::new(
                ErrorKind::AuthFailed,
                format!("`{server}` does not accept the key {shown} for user `{user}`"),
            )
            .with_hint("check that it is the right key, and that its public half is a deploy key of the repository or of the account")),
        }
    }

    /// Asked for RSA keys only: the answer may take a second. Servers that do not say know SHA-512.
    async fn rsa_hash(&self, key: &PrivateKey) -> Option<HashAlg> {
        if !key.algorithm().is_rsa() {
            return None;
        }
        match self.handle.best_supported_rsa_hash().await {
            Ok(Some(hash)) => hash,
            Ok(None) | Err(_) => Some(HashAlg::Sha512),
        }
    }

    /// Opens a channel.
    ///
    /// # Errors
    /// `unreachable`, `protocol`.
    pub(crate) async fn channel(&self, url: &SshUrl) -> Result<Channel<client::Msg>> {
        let channel = self.handle.channel_open_session().await;
        channel.map_err(|error| classify(error, url))
    }

    /// Whether it was opened with this key.
    pub(crate) fn has_key(&self, digest: &KeyDigest) -> bool {
        self.key == *digest
    }

    /// Whether the connection has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// The server's key, if it was trusted because nothing was known.
    pub(crate) fn fresh_host_key(&self) -> Option<&PublicKey> {
        self.fresh.get()
    }
}

fn client_config(check: &HostCheck) -> client::Config {
    client::Config {
        client_id: russh::SshId::Standard(
            concat!("SSH-2.0-gitbarge_", env!("CARGO_PKG_VERSION")).into(),
        ),
        window_size: WINDOW,
        channel_buffer_size: CHANNEL_BUFFER,
        keepalive_interval: Some(KEEPALIVE.0),
        keepalive_max: KEEPALIVE.1,
        preferred: Preferred {
            key: check.preferred_algorithms(),
            ..Preferred::DEFAULT
        },
        ..client::Config::default()
    }
}

/// What russh asks while a session lasts.
pub(crate) struct Client {
    check: HostCheck,
    /// The key of the first exchange; later ones must show it again.
    accepted: Option<PublicKey>,
    fresh: Arc<OnceLock<PublicKey>>,
}

impl client::Handler for Client {
    type Error = Failure;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Failure> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else {
            return Ok(false);
        };
        if let Some(accepted) = &self.accepted {
            return Ok(accepted.key_data() == key.key_data());
        }
        if self.check.judge(key).map_err(Failure::Refused)? == Trust::New {
            self.fresh.get_or_init(|| key.clone());
        }
        self.accepted = Some(key.clone());
        Ok(true)
    }
}

/// Why a session ends before it has begun.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server's key is not trusted.
    Refused(Error),
    Russh(russh::Error),
}

impl From<russh::Error> for Failure {
    fn from(error: russh::Error) -> Self {
        Self::Russh(error)
    }
}

/// Says what a failure of russh means.
pub(crate) fn classify(error: russh::Error, url: &SshUrl) -> Error {
    use russh::Error as Ssh;
    let server = url.server();
    let (kind, message) = match &error {
        Ssh::IO(_)
        | Ssh::Disconnect
        | Ssh::HUP
        | Ssh::SendError
        | Ssh::RecvError
        | Ssh::KeepaliveTimeout => return lost(&server).with_source(error),
        Ssh::Version => (
            ErrorKind::Protocol,
            format!("`{server}` does not speak SSH"),
        ),
        Ssh::NoCommonAlgo { .. } => (
            ErrorKind::Protocol,
            format!("`{server}` and gitbarge have no algorithm in common"),
        ),
        Ssh::ChannelOpenFailure(_) => (
            ErrorKind::Protocol,
            format!("`{server}` does not open a channel"),
        ),
        _ => (
            ErrorKind::Protocol,
            format!("the SSH session with `{server}` failed"),
        ),
    };
    Error::new(kind, message).with_source(error)
}

/// A connection that ended before its work did.
pub(crate) fn lost(server: &str) -> Error {
    let message = format!("the connection to `{server}` was lost");
    Error::new(ErrorKind::Unreachable, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart() {
        let url = SshUrl::parse("ssh://host:2222/a").unwrap();
        for (error, kind) in [
            (russh::Error::HUP, ErrorKind::Unreachable),
            (
                std::io::Error::other("reset").into(),
                ErrorKind::Unreachable,
            ),
            (russh::Error::KeepaliveTimeout, ErrorKind::Unreachable),
            (russh::Error::Version, ErrorKind::Protocol),
            (russh::Error::WrongServerSig, ErrorKind::Protocol),
        ] {
            let error = classify(error, &url);
            assert_eq!(error.kind(), kind);
            assert!(error.to_string().contains("`[host]:2222`"), "{error}");
        }
    }
}
