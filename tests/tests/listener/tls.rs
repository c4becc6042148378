//! HTTPS of a real daemon, and a certificate that is replaced.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use gitbarge_tests::World;
use rcgen::{CertificateParams, KeyPair};

use crate::site::Site;

/// Writes a new pair, and returns the certificate.
fn renew(world: &World) -> String {
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let cert = parameters.self_signed(&key).unwrap().pem();
    fs::write(world.path("cert.pem"), &cert).unwrap();
    fs::write(world.path("key.pem"), key.serialize_pem()).unwrap();
    cert
}

/// Whether a new connection is shown this certificate.
async fn shows(address: SocketAddr, cert: &str) -> bool {
    let root = reqwest::Certificate::from_pem(cert.as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([root]);
    let url = format!("https://{address}/healthz");
    let answer = client.build().unwrap().get(url).send().await;
    answer.is_ok_and(|answer| answer.status() == 200)
}

async fn shown_soon(address: SocketAddr, cert: &str) {
    let begun = Instant::now();
    while !shows(address, cert).await {
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}

#[tokio::test]
async fn a_new_certificate_is_served_without_a_restart_and_a_bad_one_is_reported() {
    let site = Site::new();
    let first = renew(&site.world);
    let path = |name| site.world.path(name).display().to_string();
    let tls = format!(
        "tls = {{ cert = \"{}\", key = \"{}\" }}",
        path("cert.pem"),
        path("key.pem")
    );
    let (_daemon, address) = site.start(&tls, "");
    shown_soon(address, &first).await;
    let second = renew(&site.world);
    shown_soon(address, &second).await;
    assert!(!shows(address, &first).await);

    fs::write(site.world.path("key.pem"), "nonsense").unwrap();
    let begun = Instant::now();
    while !site.log().contains("the old one stays") {
        assert!(begun.elapsed() < Duration::from_secs(60));
        assert!(shows(address, &second).await);
    }
    assert!(shows(address, &second).await);
    let third = renew(&site.world);
    shown_soon(address, &third).await;
}
