//! Which server gets which headers.

use super::*;
use crate::config::HostConfig;

fn credentials(config: &HttpConfig) -> Credentials {
    config.checked().unwrap().credentials
}

fn headers(config: &HttpConfig, url: &str) -> HeaderMap {
    let headers = credentials(config).read().unwrap();
    headers.of(&Url::parse(url).unwrap())
}

#[test]
fn a_user_and_password_are_basic_and_a_token_is_bearer() {
    let mut config = HttpConfig::new("https://h/x");
    config.username = Some("me".to_owned());
    config.password = Some(Secret::literal("hush\n"));
    let basic = headers(&config, "https://h/x");
    assert_eq!(basic[AUTHORIZATION], "Basic bWU6aHVzaA==");
    assert!(basic[AUTHORIZATION].is_sensitive());

    let in_url = HttpConfig::new("https://me:hush@h/x");
    assert_eq!(headers(&in_url, "https://h/x"), basic);

    let mut config = HttpConfig::new("https://h/x");
    config.token = Some(Secret::literal("hush"));
    assert_eq!(
        headers(&config, "https://h/y")[AUTHORIZATION],
        "Bearer hush"
    );
}

#[test]
fn each_server_gets_what_is_meant_for_it_and_nothing_else() {
    let mut config = HttpConfig::new("https://me:hush@h/x");
    config.headers = [("X-Org".to_owned(), Secret::literal("7"))].into();
    let token = HostConfig {
        token: Some(Secret::literal("other")),
        ..HostConfig::default()
    };
    config.hosts = [
        ("LFS.example.org".to_owned(), token),
        ("h:8443".to_owned(), HostConfig::default()),
    ]
    .into();
    for (url, authorization, org) in [
        ("https://h/y", Some("Basic bWU6aHVzaA=="), true),
        ("https://lfs.example.org/x", Some("Bearer other"), false),
        ("https://lfs.example.org:443/x", Some("Bearer other"), false),
        ("http://lfs.example.org/x", None, false),
        ("https://lfs.example.org:8443/x", None, false),
        ("https://a.lfs.example.org/x", None, false),
        ("https://h:8443/x", None, false),
        ("http://h/x", None, false),
    ] {
        let headers = headers(&config, url);
        let sent = headers
            .get(AUTHORIZATION)
            .map(|value| value.to_str().unwrap());
        assert_eq!(sent, authorization, "{url}");
        assert_eq!(headers.contains_key("x-org"), org, "{url}");
    }
    let read = credentials(&config).read().unwrap();
    let trusted = |url| read.trust(&Url::parse(url).unwrap());
    assert!(trusted("https://h:8443/x") && trusted("https://lfs.example.org"));
    assert!(!trusted("http://lfs.example.org") && !trusted("https://elsewhere"));
}

#[test]
fn the_lfs_server_gets_the_same() {
    let mut config = HttpConfig::new("https://me:hush@h/x");
    config.headers = [("X-Org".to_owned(), Secret::literal("7"))].into();
    let read = credentials(&config).read().unwrap();
    let pairs = read.for_lfs(&Url::parse("https://h/x.git/info/lfs").unwrap());
    let shown: Vec<_> = pairs
        .iter()
        .map(|(n, v)| (n.as_str(), v.expose()))
        .collect();
    assert_eq!(
        shown,
        [("authorization", "Basic bWU6aHVzaA=="), ("x-org", "7")]
    );
}

#[test]
fn what_no_header_may_hold_is_told_without_quoting_it() {
    let mut config = HttpConfig::new("https://h/x");
    config.token = Some(Secret::literal("hush\r\nx: y"));
    let error = credentials(&config).read().err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(
        error.to_string(),
        "`token` contains characters that no header may have"
    );
}
