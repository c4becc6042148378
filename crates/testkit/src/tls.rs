//! Certificates of an authority of one's own, and TLS before a server that speaks none.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// An authority that nobody trusts by itself.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its private key, both in PEM.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate.
    pub cert: String,
    /// The key.
    pub key: String,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// If no key can be made.
    #[expect(clippy::new_without_default, reason = "it makes keys")]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        let name = "testkit authority";
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("keys can be made");
        let own = CertifiedIssuer::self_signed(params, key);
        Self(own.expect("the parameters are right"))
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a server or a client of this name or address.
    ///
    /// # Panics
    /// If it is neither.
    pub fn issue(&self, name: &str) -> Issued {
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name or an address");
        let key = KeyPair::generate().expect("keys can be made");
        let cert = params.signed_by(&key, &self.0);
        Issued {
            cert: cert.expect("the parameters are right").pem(),
            key: key.serialize_pem(),
        }
    }
}

/// Takes TLS connections to `127.0.0.1` and passes them on to a server in the clear; it ends when dropped.
pub struct TlsFront {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl TlsFront {
    /// Starts before a server, with a certificate of an authority; clients must show one of `clients`, if given.
    ///
    /// # Panics
    /// If the loopback interface has no free port.
    pub async fn start(
        server: SocketAddr,
        authority: &Authority,
        clients: Option<&Authority>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("the loopback interface has free ports");
        let acceptor = TlsAcceptor::from(Arc::new(config(authority, clients)));
        Self {
            address: listener.local_addr().expect("it is bound"),
            serving: tokio::spawn(accept(listener, acceptor, server)),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn config(authority: &Authority, clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(default_provider());
    let own = authority.issue("127.0.0.1");
    let cert = CertificateDer::from_pem_slice(own.cert.as_bytes()).expect("it was just made");
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("it was just made");
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider has them");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(clients.0.der().clone())
                .expect("it is a certificate");
            let roots = Arc::new(roots);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(verifier.expect("there is a root"))
        }
    };
    let config = builder.with_single_cert(vec![cert], key);
    config.expect("the key is the certificate's")
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, server: SocketAddr) {
    let mut tasks = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tasks.spawn(async move {
            // Clients that are not let in, and connections that end, are none of the tests' business.
            let Ok(mut client) = acceptor.accept(client).await else {
                return;
            };
            if let Ok(mut server) = TcpStream::connect(server).await {
                copy_bidirectional(&mut client, &mut server).await.ok();
            }
        });
        while tasks.try_join_next().is_some() {}
    }
}
