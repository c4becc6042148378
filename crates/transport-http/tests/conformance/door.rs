//! Who is let in, and what is told to those who are not.

use gitbarge_core::{ErrorKind, Failure, Run, Secret};
use gitbarge_testkit::http_backend::{Door, Mood};
use gitbarge_transport_http::HttpConfig;

use crate::lab::{Lab, fetch, list_once, source};

const HUSH: &str = "hush-hush";

fn basic() -> Door {
    Door::Basic("me".to_owned(), HUSH.to_owned())
}

fn with_password(lab: &Lab, password: &str) -> HttpConfig {
    let mut config = lab.config();
    config.username = Some("me".to_owned());
    config.password = Some(Secret::literal(password));
    config
}

/// The failure of a listing; it holds no secret.
async fn refused(config: HttpConfig, kind: ErrorKind) -> Failure {
    let error = list_once(config).await.unwrap_err();
    let all = format!("{error:?}");
    assert!(
        !all.contains(HUSH) && !all.contains("aHVzaC1odXNo"),
        "{all}"
    );
    let failure = error.failure();
    assert_eq!(failure.kind, kind, "{failure:?}");
    failure
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_and_password_are_sent_at_once() {
    let lab = Lab::new().await;
    lab.server.require(basic());
    let run = Run::standalone("fetch");
    let source = source(with_password(&lab, "hush-hush\n"));
    fetch(&source, &run).await.unwrap();
    let requests = lab.server.requests();
    assert!(requests.len() >= 3, "{requests:?}");
    assert!(
        requests.iter().all(|r| r.authorized && r.status == 200),
        "{requests:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn user_info_in_the_url_is_used_and_not_shown() {
    let lab = Lab::new().await;
    lab.server.require(basic());
    let url = lab.config().url;
    let with = |user: &str| url.replace("http://", &format!("http://{user}@"));
    list_once(HttpConfig::new(with(&format!("me:{HUSH}"))))
        .await
        .unwrap();
    let wrong = HttpConfig::new(with(&format!("you:{HUSH}")));
    let failure = refused(wrong, ErrorKind::AuthFailed).await;
    assert!(failure.message.contains(&url), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_named_by_its_place_and_tried_once() {
    let lab = Lab::new().await;
    lab.server
        .require(Door::Basic("me".to_owned(), "other".to_owned()));
    let failure = refused(with_password(&lab, HUSH), ErrorKind::AuthFailed).await;
    assert!(failure.message.contains("401"), "{failure:?}");
    let hint = failure.hint.unwrap();
    assert!(
        hint.contains("`password` (the literal in the configuration)"),
        "{hint}"
    );
    assert_eq!(lab.statuses(), [401]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_the_hint_names_the_keys_to_set() {
    let lab = Lab::new().await;
    lab.server.require(basic());
    let failure = refused(lab.config(), ErrorKind::AuthFailed).await;
    let hint = failure.hint.unwrap();
    assert!(
        hint.contains("`username` and `password`, or `token`"),
        "{hint}"
    );
    assert!(!lab.server.requests()[0].authorized);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_a_bearer_token() {
    let lab = Lab::new().await;
    lab.server.require(Door::Bearer(HUSH.to_owned()));
    let mut config = lab.config();
    config.token = Some(Secret::literal(HUSH));
    list_once(config.clone()).await.unwrap();
    lab.server.require(Door::Bearer("other".to_owned()));
    let failure = refused(config, ErrorKind::AuthFailed).await;
    assert!(failure.hint.unwrap().contains("`token`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn further_headers_are_sent_with_each_request() {
    let lab = Lab::new().await;
    lab.server
        .require(Door::Header("x-org".to_owned(), HUSH.to_owned()));
    let failure = refused(lab.config(), ErrorKind::AuthFailed).await;
    assert!(failure.message.contains("403"), "{failure:?}");
    let mut config = lab.config();
    config.headers = [("X-Org".to_owned(), Secret::literal(HUSH))].into();
    list_once(config).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_read_is_told_before_any_network() {
    let lab = Lab::new().await;
    let mut config = lab.config();
    config.token = Some(Secret::env("GITBARGE_TEST_UNSET"));
    let failure = refused(config, ErrorKind::Config).await;
    assert!(
        failure.message.contains("`GITBARGE_TEST_UNSET`"),
        "{failure:?}"
    );
    assert_eq!(lab.statuses(), [0; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_is_used_without_a_restart() {
    let lab = Lab::new().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let mut config = lab.config();
    config.token = Some(Secret::file(&file));
    let source = source(config);
    for token in ["one", "two"] {
        std::fs::write(&file, format!("{token}\n")).unwrap();
        lab.server.require(Door::Bearer(token.to_owned()));
        crate::lab::list(&source).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_says_is_told_unless_it_repeats_a_secret() {
    let lab = Lab::new().await;
    let say = |text| Mood::Status {
        status: 403,
        times: 1,
        retry_after: None,
        text,
    };
    lab.server
        .set_mood(say("the IP address\nis not on the list"));
    let failure = refused(with_password(&lab, HUSH), ErrorKind::AuthFailed).await;
    assert!(
        failure
            .message
            .contains("it said: the IP address is not on the list"),
        "{failure:?}"
    );
    lab.server.set_mood(say("hush-hush is no password"));
    let failure = refused(with_password(&lab, HUSH), ErrorKind::AuthFailed).await;
    assert!(!failure.message.contains("it said"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lfs_server_gets_the_same_headers() {
    let lab = Lab::new().await;
    let (source, run) = (source(with_password(&lab, HUSH)), Run::standalone("lfs"));
    let lfs = source.lfs(&run).await.unwrap().unwrap();
    assert_eq!(lfs.url, format!("{}/info/lfs", lab.config().url));
    assert_eq!(lfs.headers.len(), 1);
    assert_eq!(lfs.headers[0].0, "authorization");
    assert_eq!(lfs.headers[0].1.expose(), "Basic bWU6aHVzaC1odXNo");
}
