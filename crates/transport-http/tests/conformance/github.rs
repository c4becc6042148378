//! A repository that is read as a GitHub App.

use std::time::Duration;

use gitbarge_core::{ErrorKind, Failure, Run, Secret};
use gitbarge_testkit::github::{CLIENT_ID, GithubApi, INSTALLATION};
use gitbarge_testkit::http_backend::Door;
use gitbarge_transport_http::{GithubAppConfig, HttpConfig};

use crate::lab::{Lab, fetch, list, list_once, source};

fn config(lab: &Lab, api: &GithubApi) -> HttpConfig {
    let mut config = lab.config();
    config.github_app = Some(GithubAppConfig {
        client_id: Some(CLIENT_ID.to_owned()),
        app_id: None,
        installation_id: INSTALLATION,
        private_key: Secret::literal(api.private_key()),
        api: api.url(),
    });
    config
}

/// From now on, the token of that number is the valid one.
fn expect_token(lab: &Lab, number: usize) {
    let token = GithubApi::token(number);
    lab.server
        .require(Door::Basic("x-access-token".to_owned(), token));
}

async fn refused(config: HttpConfig, kind: ErrorKind) -> Failure {
    let error = list_once(config).await.unwrap_err();
    let shown = format!("{error:?}");
    assert!(
        !shown.contains("ghs_") && !shown.contains("PRIVATE"),
        "{shown}"
    );
    let failure = error.failure();
    assert_eq!(failure.kind, kind, "{failure:?}");
    failure
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_once_and_used_until_it_nears_its_end() {
    let (lab, api) = (Lab::new().await, GithubApi::start().await);
    expect_token(&lab, 1);
    let source = source(config(&lab, &api));
    for _ in 0..3 {
        fetch(&source, &Run::standalone("fetch")).await.unwrap();
    }
    assert_eq!(api.made(), 1);
    assert!(lab.statuses().iter().all(|status| *status == 200));
    let shown = format!("{source:?}", source = config(&lab, &api));
    assert!(!shown.contains("PRIVATE"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_about_to_end_is_not_used_again() {
    let (lab, api) = (Lab::new().await, GithubApi::start().await);
    api.set_times(Duration::from_secs(30), Duration::ZERO);
    let source = source(config(&lab, &api));
    for number in 1..=3 {
        expect_token(&lab, number);
        list(&source).await.unwrap();
        assert_eq!(api.made(), number);
    }
    assert!(lab.statuses().iter().all(|status| *status == 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_at_the_same_time_wait_for_one_token() {
    let (lab, api) = (Lab::new().await, GithubApi::start().await);
    expect_token(&lab, 1);
    api.set_times(Duration::from_secs(3600), Duration::from_millis(200));
    let source = source(config(&lab, &api));
    let lists = (0..8).map(|_| {
        let source = source.clone();
        tokio::spawn(async move { list(&source).await.is_ok() })
    });
    for list in lists.collect::<Vec<_>>() {
        assert!(list.await.unwrap());
    }
    assert_eq!(api.made(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_revoked_is_replaced_once() {
    let (lab, api) = (Lab::new().await, GithubApi::start().await);
    expect_token(&lab, 1);
    let source = source(config(&lab, &api));
    list(&source).await.unwrap();
    expect_token(&lab, 2);
    list(&source).await.unwrap();
    assert_eq!(
        (api.made(), lab.statuses()),
        (2, vec![200, 200, 401, 200, 200])
    );
    // The third is not taken either: one new token for each operation, and no more.
    expect_token(&lab, 99);
    let error = list(&source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthFailed);
    assert!(error.failure().hint.unwrap().contains("GitHub App"));
    assert_eq!((api.made(), &lab.statuses()[5..]), (3, &[401, 401][..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_makes_no_token_is_named_and_the_server_is_not_asked() {
    let (lab, api) = (Lab::new().await, GithubApi::start().await);
    let other = GithubApi::start().await;
    let mut stranger = config(&lab, &api);
    let app = stranger.github_app.as_mut().unwrap();
    app.private_key = Secret::literal(other.private_key());
    let failure = refused(stranger, ErrorKind::AuthFailed).await;
    assert!(failure.hint.unwrap().contains("`private_key`"));

    let mut elsewhere = config(&lab, &api);
    elsewhere.github_app.as_mut().unwrap().installation_id = 1;
    let failure = refused(elsewhere, ErrorKind::AuthFailed).await;
    assert!(failure.hint.unwrap().contains("`installation_id`"));

    let mut keyless = config(&lab, &api);
    keyless.github_app.as_mut().unwrap().private_key = Secret::env("GITBARGE_TEST_UNSET");
    refused(keyless, ErrorKind::Config).await;

    for (status, kind) in [
        (500, ErrorKind::Unreachable),
        (403, ErrorKind::AuthFailed),
        (200, ErrorKind::Protocol),
    ] {
        api.set_status(status);
        let failure = refused(config(&lab, &api), kind).await;
        assert!(failure.message.contains("GitHub's API"), "{failure:?}");
    }
    assert!(lab.statuses().is_empty() && api.made() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lfs_server_gets_the_token_too() {
    let (lab, api) = (Lab::new().await, GithubApi::start().await);
    let source = source(config(&lab, &api));
    let lfs = source.lfs(&Run::standalone("lfs")).await.unwrap().unwrap();
    assert_eq!(lfs.headers[0].0, "authorization");
    // `x-access-token:ghs_secret1`
    let expected = "Basic eC1hY2Nlc3MtdG9rZW46Z2hzX3NlY3JldDE=";
    assert_eq!(lfs.headers[0].1.expose(), expected);
}
