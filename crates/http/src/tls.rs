//! The certificate, and what replaces it.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use gitbarge_core::config::TlsFiles;
use gitbarge_core::{Error, ErrorKind, Result, bounded};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

/// How often the files are looked at.
const PERIOD: Duration = Duration::from_secs(1);
/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// A certificate that follows its files.
pub(crate) struct Tls {
    config: Arc<ServerConfig>,
    _watching: AbortOnDropHandle<()>,
}

impl Tls {
    /// Reads the files, and goes on looking at them.
    ///
    /// # Errors
    /// `config`, naming the file.
    pub(crate) async fn open(files: &TlsFiles) -> Result<Self> {
        let seen = seen(files).await;
        let current = Arc::new(Current(RwLock::new(Arc::new(read(files).await?))));
        let watching = tokio::spawn(watch(files.clone(), seen, current.clone()));
        Ok(Self {
            config: Arc::new(config(current)?),
            _watching: AbortOnDropHandle::new(watching),
        })
    }

    /// What a handshake needs.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }
}

/// The certificate that handshakes get now.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(
            self.0
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        )
    }
}

fn config(current: Arc<Current>) -> Result<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::new(ErrorKind::Internal, "TLS cannot be set up").with_source(e))?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(current);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Takes new files in once they stand still: of a pair, one is written first.
async fn watch(files: TlsFiles, mut taken: Seen, current: Arc<Current>) {
    let mut before = taken;
    loop {
        sleep(PERIOD).await;
        let now = seen(&files).await;
        let is_settled = now == before;
        before = now;
        if !is_settled || now == taken {
            continue;
        }
        taken = now;
        match read(&files).await {
            Ok(new) => {
                *current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                tracing::info!(cert = %files.cert.display(), "The certificate was read again.");
            }
            Err(error) => {
                let error = error.failure().message;
                tracing::error!(
                    error,
                    "The certificate was not read again; the old one stays."
                );
            }
        }
    }
}

/// What tells a file from its successor; `None` if it is not there.
type Mark = Option<[i128; 6]>;
type Seen = [Mark; 2];

async fn seen(files: &TlsFiles) -> Seen {
    let files = files.clone();
    let look = move || [mark(&files.cert), mark(&files.key)];
    spawn_blocking(look).await.unwrap_or_default()
}

fn mark(path: &Path) -> Mark {
    let file = std::fs::metadata(path).ok()?;
    Some([
        file.dev().into(),
        file.ino().into(),
        file.len().into(),
        file.mtime().into(),
        file.mtime_nsec().into(),
        i128::from(file.ctime()) * 1_000_000_000 + i128::from(file.ctime_nsec()),
    ])
}

async fn read(files: &TlsFiles) -> Result<CertifiedKey> {
    let files = files.clone();
    let read = spawn_blocking(move || load(&files)).await;
    read.unwrap_or_else(|join| Err(gitbarge_core::panic_error("reading a certificate", join)))
}

/// Reads a certificate and its key; blocking.
///
/// # Errors
/// `config`, naming the file.
pub(crate) fn load(files: &TlsFiles) -> Result<CertifiedKey> {
    let (cert, key) = (certificates(&files.cert)?, private_key(&files.key)?);
    CertifiedKey::from_der(cert, key, &default_provider()).map_err(|error| {
        let message = format!(
            "the key `{}` and the certificate `{}` do not serve together",
            files.key.display(),
            files.cert.display()
        );
        wrong(message).with_source(error)
    })
}

pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let text = bounded::read(path, LARGEST).map_err(|error| unreadable(path, error))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(wrong(format!(
            "`{}` holds no certificate in PEM",
            path.display()
        ))),
    }
}

pub(crate) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let text = bounded::read(path, LARGEST).map_err(|error| unreadable(path, error))?;
    // What the parser says may quote the file.
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        wrong(format!(
            "`{}` holds no private key in PEM without a passphrase",
            path.display()
        ))
    })
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    wrong(format!("`{}` cannot be read", path.display())).with_source(error)
}

fn wrong(message: String) -> Error {
    let hint =
        "`[http] tls` needs a PEM file with the certificate chain, and one with its private key";
    Error::new(ErrorKind::Config, message).with_hint(hint)
}
