//! Tests on the keys of an `s3` sink.

use super::*;

fn read(json: &str) -> Result<S3Config, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

fn problems(json: &str) -> Vec<String> {
    match read(json).unwrap().check() {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_url_alone_is_enough() {
    let config = read(r#"{"url":"s3://b/x"}"#).unwrap();
    assert_eq!(config.check().unwrap().of_key("HEAD"), "s3://b/x/HEAD");
    assert_eq!(config.memory, 256 << 20);
    assert_eq!(config.grace, Duration::from_secs(86_400));
    assert_eq!(config.lfs, LfsPolicy::Required);
    assert_eq!(config.refs, RefPatterns::default());
    assert!(!config.bundle && !config.allow_http);
    let schema = schemars::schema_for!(S3Config);
    let properties = &schema.as_value()["properties"];
    assert_eq!(properties["memory"]["default"], "256MiB");
    assert_eq!(properties["grace"]["default"], "24h");
}

#[test]
fn all_problems_are_found_at_once() {
    let found = problems(
        r#"{"url":"ftp://b","endpoint":"http://minio:9000","access_key_id":"a","region":"x y",
            "memory":"1MiB","spool":"","storage_class":""}"#,
    );
    let keys: Vec<&str> = found.iter().filter_map(|p| p.split('"').nth(1)).collect();
    let expected = [
        "url",
        "endpoint",
        "secret_access_key",
        "region",
        "storage_class",
        "memory",
        "spool",
    ];
    assert_eq!(keys, expected, "{found:?}");
}

#[test]
fn plain_http_needs_loopback_or_a_word() {
    let endpoint = |url: &str, more: &str| {
        problems(&format!(r#"{{"url":"s3://b","endpoint":"{url}"{more}}}"#))
    };
    for url in [
        "http://127.0.0.1:9000",
        "http://localhost:9",
        "http://[::1]:9",
        "https://minio",
    ] {
        assert_eq!(endpoint(url, ""), Vec::<String>::new(), "{url}");
    }
    let found = endpoint("http://minio:9000", "");
    assert!(found[0].contains("allow_http = true"), "{found:?}");
    assert!(endpoint("http://minio:9000", r#","allow_http":true"#).is_empty());
}

#[test]
fn an_endpoint_that_is_none_is_not_quoted() {
    for url in [
        "hush",
        "ftp://hush",
        "https://me:hush@minio",
        "https://minio?x=hush",
    ] {
        let found = problems(&format!(r#"{{"url":"s3://b","endpoint":"{url}"}}"#));
        assert_eq!(found.len(), 1, "{url}");
        assert!(!found[0].contains("hush"), "{found:?}");
    }
}

#[test]
fn keys_that_mean_nothing_for_a_place_are_problems() {
    let found = problems(r#"{"url":"file:///srv/x","region":"x","endpoint":"https://h"}"#);
    assert_eq!(found.len(), 2, "{found:?}");
    let found = problems(r#"{"url":"gs://b","access_key_id":"x","secret_access_key":"y"}"#);
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn a_folder_is_claimed_and_a_bucket_is_not() {
    let folder = read(r#"{"url":"file:///srv/x/"}"#).unwrap();
    assert_eq!(folder.claims(), [PathBuf::from("/srv/x")]);
    assert!(read(r#"{"url":"s3://b"}"#).unwrap().claims().is_empty());
}

#[test]
fn an_unset_variable_is_a_problem_that_names_it() {
    let config =
        r#"{"url":"s3://b","access_key_id":"x","secret_access_key":{"env":"GITBARGE_UNSET"}}"#;
    let problems = read(config).unwrap().inspect();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].message.contains("`GITBARGE_UNSET`"));
}

#[test]
fn unknown_keys_and_policies_are_refused() {
    assert!(
        read(r#"{"url":"s3://b","prefx":1}"#)
            .unwrap_err()
            .contains("prefx")
    );
    assert!(
        read(r#"{"url":"s3://b","lfs":"maybe"}"#)
            .unwrap_err()
            .contains("best_effort")
    );
    assert!(
        read(r#"{"url":"s3://b","refs":["main"]}"#)
            .unwrap_err()
            .contains("full names")
    );
}
