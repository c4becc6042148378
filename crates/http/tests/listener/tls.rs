//! HTTPS, and a certificate that changes.

use std::fs;
use std::path::Path;

use gitbarge_core::config::{HttpConfig, TlsFiles};
use gitbarge_http::{Limits, inspect};
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use crate::lab::{Lab, here};

/// A self-signed certificate in files.
struct Certificate {
    folder: TempDir,
}

impl Certificate {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let new = Self { folder };
        new.renew();
        new
    }

    /// Writes a new pair, and returns the certificate.
    fn renew(&self) -> String {
        let (cert, key) = pair();
        fs::write(self.files().cert, &cert).unwrap();
        fs::write(self.files().key, key).unwrap();
        cert
    }

    fn files(&self) -> TlsFiles {
        let path = |name: &str| self.folder.path().join(name);
        TlsFiles {
            cert: path("cert.pem"),
            key: path("key.pem"),
        }
    }

    fn config(&self) -> HttpConfig {
        HttpConfig {
            tls: Some(self.files()),
            ..here()
        }
    }

    fn text(&self) -> String {
        fs::read_to_string(self.files().cert).unwrap()
    }
}

fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let cert = parameters.self_signed(&key).unwrap();
    (cert.pem(), key.serialize_pem())
}

/// Whether the listener shows this certificate; every call is a new handshake.
async fn shows(lab: &Lab, cert: &str, version: http::Version) -> bool {
    let root = reqwest::Certificate::from_pem(cert.as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([root]);
    let client = match version {
        http::Version::HTTP_2 => client,
        _ => client.http1_only(),
    };
    let url = format!("https://{}/healthz", lab.address);
    match client.build().unwrap().get(url).send().await {
        Ok(answer) => answer.status() == 200 && answer.version() == version,
        Err(_) => false,
    }
}

#[tokio::test]
async fn https_speaks_whichever_version_was_agreed_on() {
    let certificate = Certificate::new();
    let lab = Lab::with(Limits::default(), &certificate.config()).await;
    assert!(shows(&lab, &certificate.text(), http::Version::HTTP_2).await);
    assert!(shows(&lab, &certificate.text(), http::Version::HTTP_11).await);
    assert!(!shows(&lab, &pair().0, http::Version::HTTP_11).await);
}

#[tokio::test]
async fn a_new_pair_is_taken_and_a_bad_one_is_not() {
    let certificate = Certificate::new();
    let lab = Lab::with(Limits::default(), &certificate.config()).await;
    let first = certificate.text();
    let second = certificate.renew();
    while !shows(&lab, &second, http::Version::HTTP_2).await {}
    assert!(!shows(&lab, &first, http::Version::HTTP_2).await);

    let key = certificate.files().key;
    for bad in [pair().1, "nonsense".to_owned()] {
        fs::write(&key, bad).unwrap();
        let refused = lab.listener.configure(Some(&certificate.config())).await;
        assert!(refused.is_err());
        assert!(shows(&lab, &second, http::Version::HTTP_2).await);
    }
    let third = certificate.renew();
    while !shows(&lab, &third, http::Version::HTTP_2).await {}
}

#[tokio::test]
async fn tls_can_be_turned_on_and_off() {
    let certificate = Certificate::new();
    let lab = Lab::new().await;
    lab.listener
        .configure(Some(&certificate.config()))
        .await
        .unwrap();
    assert!(shows(&lab, &certificate.text(), http::Version::HTTP_2).await);
    let mut plain = lab.connect().await;
    plain.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    plain.closed().await;
    lab.listener.configure(Some(&here())).await.unwrap();
    assert_eq!(lab.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_given_up() {
    let certificate = Certificate::new();
    let limits = Limits {
        first_request: std::time::Duration::from_millis(100),
        ..Limits::default()
    };
    let lab = Lab::with(limits, &certificate.config()).await;
    lab.connect().await.closed().await;
    assert!(shows(&lab, &certificate.text(), http::Version::HTTP_2).await);
}

#[test]
fn an_inspection_names_what_is_wrong() {
    let certificate = Certificate::new();
    let keys = |config: &HttpConfig| {
        let problems = inspect(config);
        let keys = problems.into_iter().map(|problem| problem.key);
        keys.collect::<Vec<_>>().join(" ")
    };
    let config = certificate.config();
    assert_eq!(keys(&config), "");
    let with_token = |path: &Path| HttpConfig {
        api_token: Some(gitbarge_core::Secret::file(path)),
        ..here()
    };
    let empty = certificate.folder.path().join("empty");
    fs::write(&empty, "\n").unwrap();
    assert_eq!(keys(&with_token(&empty)), "api_token");
    assert_eq!(keys(&with_token(Path::new("/nowhere"))), "api_token");
    fs::write(certificate.files().key, pair().1).unwrap();
    assert_eq!(keys(&config), "tls");
    fs::write(certificate.files().key, "nonsense").unwrap();
    fs::remove_file(certificate.files().cert).unwrap();
    assert_eq!(keys(&config), "tls.cert tls.key");
}
