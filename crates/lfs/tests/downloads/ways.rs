//! The ways to a server that the source knows: certificates, a proxy, and credentials for other servers.

use bytes::Bytes;
use gitbarge_core::{ErrorKind, HostHeaders, HttpProxy, LfsServer, Network, Secret};
use gitbarge_testkit::forward_proxy::ForwardProxy;
use gitbarge_testkit::lfs::{Answer, LfsHost};
use gitbarge_testkit::tls::{Authority, TlsFront};

use crate::{Lab, client};

/// What opens another server's door.
const KNOWN: &str = "Bearer known";

fn host_headers(url: &str) -> HostHeaders {
    let host = url.strip_prefix("http://").unwrap().split('/').next();
    let known = Secret::literal(KNOWN).read().unwrap();
    HostHeaders {
        host: host.unwrap().to_owned(),
        headers: vec![("Authorization".to_owned(), known)],
    }
}

#[tokio::test]
async fn a_server_that_is_known_gets_what_is_meant_for_it_and_nothing_else() {
    let mut lab = Lab::new().await;
    let other = LfsHost::start().await;
    other.add(lab.content.clone());
    let mut server = lab.host.server();
    server.hosts = vec![host_headers(&other.url())];
    lab.client = client(server);
    lab.host.set(|host| {
        host.tickets = false;
        host.href = Some(other.open_url());
    });
    assert_eq!(lab.bring().await.unwrap(), lab.content);
    lab.host.set(|host| {
        host.tickets = true;
        host.href = None;
        host.download = Answer::Redirect(other.open_url());
    });
    assert_eq!(lab.bring().await.unwrap(), lab.content);
    let received = other.received();
    assert_eq!(received.len(), 2);
    for request in received {
        assert_eq!(request.headers["authorization"], KNOWN);
        assert!(!request.headers.contains_key("x-ticket"), "{request:?}");
    }
}

#[tokio::test]
async fn certificates_and_the_proxy_of_the_source_count_for_lfs_too() {
    let mut lab = Lab::new().await;
    let (authority, clients) = (Authority::new(), Authority::new());
    let address = lab.host.url();
    let address = address.strip_prefix("http://").unwrap();
    let address = address.split('/').next().unwrap().parse().unwrap();
    let front = TlsFront::start(address, &authority, Some(&clients)).await;
    let proxy = ForwardProxy::start(Some(("me", "hush"))).await;
    let base = format!("https://{}", front.address());
    lab.host
        .set(|host| host.href = Some(format!("{base}/open")));
    let me = clients.issue("me");
    let network = Network {
        ca: Some(Bytes::from(authority.pem())),
        identity: Some(Secret::literal(me.cert + &me.key).read().unwrap()),
        proxy: Some(HttpProxy {
            url: proxy.url(),
            // `me:hush`
            authorization: Some(Secret::literal("Basic bWU6aHVzaA==").read().unwrap()),
        }),
    };
    let server = |network| LfsServer {
        url: format!("{base}/site.git/info/lfs"),
        network,
        ..lab.host.server()
    };
    let distrustful = client(server(Network {
        ca: None,
        ..network.clone()
    }));
    lab.client = client(server(network));
    assert_eq!(lab.bring().await.unwrap(), lab.content);
    let tunnel = format!("CONNECT {} HTTP/1.1", front.address());
    assert!(proxy.passed().contains(&tunnel), "{:?}", proxy.passed());
    lab.client = distrustful;
    assert_eq!(lab.failure().await.kind(), ErrorKind::Unreachable);
}
