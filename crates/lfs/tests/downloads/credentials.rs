//! Credentials go where they belong, and nowhere else.

use gitbarge_core::ErrorKind;
use gitbarge_testkit::lfs::{Answer, LfsHost};

use crate::Lab;

/// Stores the lab's object at another server too.
async fn elsewhere(lab: &Lab) -> LfsHost {
    let other = LfsHost::start().await;
    other.add(lab.content.clone());
    other
}

fn assert_got_no_secrets(host: &LfsHost) {
    let received = host.received();
    assert!(!received.is_empty());
    for request in received {
        for name in ["authorization", "x-ticket"] {
            assert!(!request.headers.contains_key(name), "{request:?}");
        }
    }
}

#[tokio::test]
async fn a_download_with_headers_of_its_own_does_not_get_the_servers() {
    let lab = Lab::new().await;
    lab.bring().await.unwrap();
    let received = lab.host.received();
    let download = received.last().unwrap();
    assert!(download.headers.contains_key("x-ticket"));
    assert!(!download.headers.contains_key("authorization"));
}

#[tokio::test]
async fn a_download_that_is_not_authenticated_gets_the_servers_at_its_own_address() {
    let lab = Lab::new().await;
    lab.host.set(|host| host.tickets = false);
    assert_eq!(lab.bring().await.unwrap(), lab.content);
}

#[tokio::test]
async fn another_address_gets_none_of_the_servers() {
    let lab = Lab::new().await;
    let other = elsewhere(&lab).await;
    lab.host.set(|host| {
        host.tickets = false;
        host.href = Some(other.open_url());
    });
    assert_eq!(lab.bring().await.unwrap(), lab.content);
    assert_got_no_secrets(&other);
}

#[tokio::test]
async fn a_redirect_to_another_server_is_followed_without_credentials() {
    let lab = Lab::new().await;
    let other = elsewhere(&lab).await;
    lab.host
        .set(|host| host.download = Answer::Redirect(other.open_url()));
    assert_eq!(lab.bring().await.unwrap(), lab.content);
    assert_got_no_secrets(&other);

    lab.host
        .set(|host| host.batch = Answer::Redirect(format!("{}/objects/batch", other.url())));
    assert_eq!(lab.failure().await.kind(), ErrorKind::AuthFailed);
    assert_got_no_secrets(&other);
    let posted = other.received().pop().unwrap();
    assert_eq!(posted.method, "POST");
    assert!(posted.body.is_some());
}

#[tokio::test]
async fn a_redirect_within_the_server_keeps_them() {
    let lab = Lab::new().await;
    lab.host
        .set(|host| host.download = Answer::Redirect("/open".to_owned()));
    // It redirects again and again, and each time to itself.
    let error = lab.failure().await;
    assert_eq!(error.kind(), ErrorKind::Protocol);
    let received = lab.host.received();
    let downloads: Vec<_> = received
        .iter()
        .filter(|request| request.method == "GET")
        .collect();
    assert_eq!(downloads.len(), 6);
    assert!(
        downloads
            .iter()
            .all(|request| request.headers.contains_key("x-ticket"))
    );
}

#[tokio::test]
async fn a_redirect_to_no_web_address_is_refused() {
    let lab = Lab::new().await;
    for to in ["file:///etc", "ftp://host/x"] {
        lab.host
            .set(|host| host.download = Answer::Redirect(to.to_owned()));
        assert_eq!(lab.failure().await.kind(), ErrorKind::Protocol, "{to}");
    }
}
