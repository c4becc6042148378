//! The ways to a server: certificates of one's own, and proxies.

use std::net::SocketAddr;
use std::path::PathBuf;

use gitbarge_core::{ErrorKind, Failure, Run, Secret};
use gitbarge_testkit::forward_proxy::ForwardProxy;
use gitbarge_testkit::tls::{Authority, TlsFront};
use gitbarge_transport_http::HttpConfig;

use crate::lab::{Lab, fetch, list, list_once, source};

/// A folder with PEM files.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn https(lab: &Lab, address: SocketAddr) -> HttpConfig {
    let mut config = lab.config_at(address);
    config.url = config.url.replace("http:", "https:");
    config
}

async fn refused(config: HttpConfig, kind: ErrorKind) -> Failure {
    let error = list_once(config).await.unwrap_err();
    let shown = format!("{error:?}");
    assert!(
        !shown.contains("hush") && !shown.contains("PRIVATE"),
        "{shown}"
    );
    let failure = error.failure();
    assert_eq!(failure.kind, kind, "{failure:?}");
    failure
}

/// The server says why before it closes the connection, but that may be lost.
fn is_refusal(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::AuthFailed | ErrorKind::Unreachable)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_of_ones_own_is_trusted_when_it_is_named() {
    let (lab, files, authority) = (Lab::new().await, Files::new(), Authority::new());
    let front = TlsFront::start(lab.server.address(), &authority, None).await;
    let mut config = https(&lab, front.address());
    let failure = refused(config.clone(), ErrorKind::Unreachable).await;
    assert!(failure.message.contains("not trusted"), "{failure:?}");
    assert!(failure.hint.unwrap().contains("`ca`"));

    config.ca = Some(files.write("ca.pem", &authority.pem()));
    fetch(&source(config.clone()), &Run::standalone("tls"))
        .await
        .unwrap();
    config.ca = Some(files.write("other.pem", &Authority::new().pem()));
    refused(config.clone(), ErrorKind::Unreachable).await;
    config.ca = Some(files.write("empty.pem", "hush"));
    let failure = refused(config, ErrorKind::Config).await;
    assert!(failure.message.contains("`ca`"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_shown_and_read_anew() {
    let (lab, files) = (Lab::new().await, Files::new());
    let (authority, clients) = (Authority::new(), Authority::new());
    let front = TlsFront::start(lab.server.address(), &authority, Some(&clients)).await;
    let mut config = https(&lab, front.address());
    config.ca = Some(files.write("ca.pem", &authority.pem()));
    let error = list_once(config.clone()).await.unwrap_err();
    assert!(is_refusal(error.kind()), "{error}");

    let me = clients.issue("me");
    config.client_cert = Some(files.write("cert.pem", &me.cert));
    config.client_key = Some(Secret::literal(&me.key));
    fetch(&source(config.clone()), &Run::standalone("tls"))
        .await
        .unwrap();
    // Both in one file, which is replaced while the source lives.
    config.client_key = None;
    let stranger = Authority::new().issue("me");
    files.write("cert.pem", &(stranger.cert + &stranger.key));
    let source = source(config.clone());
    let error = list(&source).await.unwrap_err();
    assert!(is_refusal(error.kind()), "{error}");
    files.write("cert.pem", &(me.cert.clone() + &me.key));
    list(&source).await.unwrap();
    // The key of another certificate.
    config.client_key = Some(Secret::literal(clients.issue("you").key));
    files.write("cert.pem", &me.cert);
    refused(config, ErrorKind::Config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_goes_by_way_of_the_proxy() {
    let (lab, files, authority) = (Lab::new().await, Files::new(), Authority::new());
    let front = TlsFront::start(lab.server.address(), &authority, None).await;
    let proxy = ForwardProxy::start(Some(("me", "hush"))).await;
    let mut tls = https(&lab, front.address());
    tls.ca = Some(files.write("ca.pem", &authority.pem()));
    let tunnel = format!("CONNECT {} HTTP/1.1", front.address());
    let plain = format!("GET {}/info/refs", lab.config().url);
    for (mut config, line) in [(tls, tunnel), (lab.config(), plain)] {
        let before = proxy.passed().len();
        config.proxy = Some(proxy.url());
        config.proxy_username = Some("me".to_owned());
        config.proxy_password = Some(Secret::literal("hush\n"));
        fetch(&source(config.clone()), &Run::standalone("proxy"))
            .await
            .unwrap();
        let passed = proxy.passed().split_off(before);
        assert!(passed[0].starts_with(&line), "{passed:?}");

        config.proxy_username = None;
        config.proxy_password = None;
        let with_user = proxy.url().replace("http://", "http://me:hush@");
        config.proxy = Some(with_user.clone());
        list_once(config.clone()).await.unwrap();
        config.proxy = Some(with_user.replace("hush@", "hushhush@"));
        let error = list_once(config.clone()).await.unwrap_err();
        assert!(
            !format!("{error:?} {config:?}").contains("hush"),
            "{error:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_wants_credentials_is_a_matter_of_the_configuration() {
    let (lab, proxy) = (
        Lab::new().await,
        ForwardProxy::start(Some(("me", "hush"))).await,
    );
    let mut config = lab.config();
    config.proxy = Some(proxy.url());
    let failure = refused(config.clone(), ErrorKind::Config).await;
    assert!(failure.hint.unwrap().contains("`proxy_username`"));
    config.url = config.url.replace("http:", "https:");
    let failure = refused(config.clone(), ErrorKind::Config).await;
    assert!(failure.message.contains("proxy"), "{failure:?}");
    drop(proxy);
    refused(config, ErrorKind::Unreachable).await;
    assert!(lab.statuses().is_empty());
}
