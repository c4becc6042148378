//! What configurations come to, and what is wrong with them.

use super::*;

fn read(json: &str) -> HttpConfig {
    serde_json::from_str(json).unwrap()
}

/// The keys and messages of all problems.
fn problems(json: &str) -> Vec<(String, String)> {
    let problems = read(json).build().err().unwrap_or_default();
    let pairs = problems.into_iter().map(|p| (p.key, p.message));
    pairs.collect()
}

#[test]
fn defaults_stand_where_nothing_is_said() {
    let config = read(r#"{"url":"https://host/a"}"#);
    let defaults = HttpConfig::new("https://host/a");
    assert_eq!(config.connect_timeout, Duration::from_secs(15));
    assert_eq!(config.idle_timeout, Duration::from_secs(60));
    assert_eq!(config.connect_timeout, defaults.connect_timeout);
    assert_eq!(config.idle_timeout, defaults.idle_timeout);
    let schema = schemars::schema_for!(HttpConfig);
    let properties = &schema.as_value()["properties"];
    assert_eq!(properties["connect_timeout"]["default"], "15s");
    assert_eq!(properties["idle_timeout"]["default"], "60s");
}

#[test]
fn all_problems_are_told_at_once() {
    let found = problems(
        r#"{"url":"ftp://h/x","token":"t","password":"p","headers":{"a b":"1"},"idle_timeout":"25h"}"#,
    );
    let keys: Vec<_> = found.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["url", "token", "headers.a b", "idle_timeout"]);
}

#[test]
fn two_ways_to_log_in_are_one_too_many() {
    for (json, key) in [
        (
            r#"{"url":"https://h/x","token":"t","username":"u"}"#,
            "token",
        ),
        (
            r#"{"url":"https://h/x","token":"t","password":"p"}"#,
            "token",
        ),
        (r#"{"url":"https://u:hush@h/x","token":"t"}"#, "token"),
        (r#"{"url":"https://u:hush@h/x","username":"v"}"#, "username"),
        (
            r#"{"url":"https://u:hush@h/x","password":"hush"}"#,
            "password",
        ),
        (r#"{"url":"https://h/x","password":"hush"}"#, "password"),
        (r#"{"url":"https://h/x","username":"a:b"}"#, "username"),
        (
            r#"{"url":"https://h/x","token":"t","headers":{"authorization":"hush"}}"#,
            "headers.authorization",
        ),
        (
            r#"{"url":"https://h/x","headers":{"Content-Length":"1"}}"#,
            "headers.Content-Length",
        ),
    ] {
        let found = problems(json);
        assert_eq!(found.len(), 1, "{json}: {found:?}");
        assert_eq!(found[0].0, key, "{json}");
        assert!(!found[0].1.contains("hush"), "{found:?}");
    }
    let user_in_url = r#"{"url":"https://u@h/x","password":"p"}"#;
    assert_eq!(problems(user_in_url), []);
}

#[test]
fn nothing_secret_is_shown() {
    let config = read(
        r#"{"url":"https://me:hush@h/x.git?hush","token":"hush","password":"hush","headers":{"x":"hush"}}"#,
    );
    assert!(!format!("{config:?}").contains("hush"), "{config:?}");
    let source = HttpSource::new(HttpConfig::new("https://me:hush@h/x.git")).unwrap();
    assert_eq!(source.address().as_str(), "https://h/x.git");
    assert!(!format!("{source:?}").contains("hush"), "{source:?}");
}

#[test]
fn credentials_that_cannot_be_read_are_problems_of_their_keys() {
    let config = read(
        r#"{"url":"https://h/x","username":"u","password":{"env":"GITBARGE_TEST_UNSET"},"headers":{"x":"a\nb"}}"#,
    );
    let found = config.inspect();
    let keys: Vec<_> = found.iter().map(|p| p.key.as_str()).collect();
    assert_eq!(keys, ["password", "headers.x"]);
    assert!(found[0].message.contains("`GITBARGE_TEST_UNSET`"));
}

#[test]
fn what_does_not_go_together_or_cannot_be_is_told_by_its_key() {
    const APP: &str = r#""github_app":{"client_id":"x","installation_id":1,"private_key":"hush"}"#;
    let app = |more: &str| format!(r#"{{"url":"https://h/x",{APP}{more}}}"#);
    let other = |json: &str| format!(r#"{{"url":"https://h/x",{json}}}"#);
    for (json, keys) in [
        (app(""), &[][..]),
        (app(r#","username":"u""#), &["github_app"]),
        (app(r#","askpass_url":"http://h""#), &["github_app"]),
        (
            app(r#","headers":{"Authorization":"hush"}"#),
            &["headers.Authorization"],
        ),
        (
            other(r#""askpass_url":"http://h","token":"hush""#),
            &["askpass_url"],
        ),
        (other(r#""askpass_url":"hush""#), &["askpass_url"]),
        (
            other(r#""github_app":{"installation_id":1,"private_key":"hush","api":"hush"}"#),
            &["github_app.client_id", "github_app.api"],
        ),
        (
            other(
                r#""github_app":{"client_id":"x","app_id":1,"installation_id":1,"private_key":"hush"}"#,
            ),
            &["github_app.client_id"],
        ),
        (
            other(r#""cookie_file":"/x","headers":{"Cookie":"hush"}"#),
            &["headers.Cookie"],
        ),
        (other(r#""client_key":"hush""#), &["client_key"]),
        (
            other(
                r#""proxy":"socks5://u:hush@h","hosts":{"h":{},"a/b":{},"b":{"password":"hush"}}"#,
            ),
            &["hosts.a/b", "hosts.b.password", "hosts.h", "proxy"],
        ),
        (
            other(r#""proxy":"http://u:hush@h","proxy_username":"v""#),
            &["proxy"],
        ),
        (
            other(r#""proxy_username":"v","proxy_password":"hush""#),
            &["proxy_username"],
        ),
        (
            other(r#""proxy":"http://h","proxy_password":"hush""#),
            &["proxy_password"],
        ),
        (
            other(r#""proxy":"http://u@h:3128","proxy_password":"hush""#),
            &[],
        ),
    ] {
        let found = problems(&json);
        let found_keys: Vec<_> = found.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(found_keys, keys, "{json}: {found:?}");
        assert!(!format!("{found:?}").contains("hush"), "{found:?}");
        let shown = format!("{:?}", read(&json));
        assert!(
            !shown
                .replace("\"askpass_url\": \"hush\"", "")
                .contains("u:hush"),
            "{shown}"
        );
    }
}

#[test]
fn what_cannot_be_read_or_used_is_a_problem_of_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "hush").unwrap();
    let file = file.display();
    let config = read(&format!(
        r#"{{"url":"https://h/x","cookie_file":"{file}","ca":"{file}","client_cert":"{file}","hosts":{{"b":{{"token":"a\nhush"}}}},
            "github_app":{{"app_id":1,"installation_id":1,"private_key":"hush"}}}}"#
    ));
    let found = config.inspect();
    let keys: Vec<_> = found.iter().map(|p| p.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "github_app.private_key",
            "cookie_file",
            "hosts.b.token",
            "ca",
            "client_cert"
        ]
    );
    assert!(!format!("{found:?}").contains("hush"), "{found:?}");
}
