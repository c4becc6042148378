//! Tests on where credentials are looked for.

use std::fs;
use std::path::Path;

use gitbarge_core::Secret;
use object_store::aws::AwsCredential;

use super::*;

fn config() -> S3Config {
    serde_json::from_str(r#"{"url":"s3://b"}"#).unwrap()
}

async fn keys(access: &Access) -> AwsCredential {
    let credential = access.provider.as_ref().unwrap().get_credential().await;
    let credential = credential.unwrap();
    AwsCredential {
        key_id: credential.key_id.clone(),
        secret_key: credential.secret_key.clone(),
        token: credential.token.clone(),
    }
}

fn home(config: &str, credentials: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".aws");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("config"), config).unwrap();
    fs::write(folder.join("credentials"), credentials).unwrap();
    home
}

fn at(home: &Path, more: &[(&'static str, &'static str)]) -> Environment {
    let home = home.to_str().unwrap();
    Environment::made(more.iter().copied().chain([("HOME", home)]))
}

const KEYS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "id"),
    ("AWS_SECRET_ACCESS_KEY", "key"),
    ("AWS_SESSION_TOKEN", "token"),
];

#[tokio::test]
async fn configured_keys_win_over_variables_and_these_over_files() {
    let home = home(
        "",
        "[default]\naws_access_key_id = file\naws_secret_access_key = x\n",
    );
    let environment = at(home.path(), &KEYS);
    let access = choose(&config(), &environment).unwrap();
    let found = keys(&access).await;
    assert_eq!(
        (found.key_id.as_str(), found.token.as_deref()),
        ("id", Some("token"))
    );
    assert_eq!(access.place, "environment variable `AWS_ACCESS_KEY_ID`");
    let configured = S3Config {
        access_key_id: Some(Secret::literal("mine\n")),
        secret_access_key: Some(Secret::literal("hush")),
        ..config()
    };
    let access = choose(&configured, &environment).unwrap();
    let found = keys(&access).await;
    assert_eq!((found.key_id.as_str(), found.token), ("mine", None));
    assert!(!format!("{access:?}").contains("hush"));
}

#[tokio::test]
async fn a_file_with_a_key_is_read_at_each_use() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, "one\n").unwrap();
    let configured = S3Config {
        access_key_id: Some(Secret::literal("id")),
        secret_access_key: Some(Secret::file(&file)),
        ..config()
    };
    let access = choose(&configured, &Environment::made([])).unwrap();
    assert_eq!(keys(&access).await.secret_key, "one");
    fs::write(&file, "two\n").unwrap();
    assert_eq!(keys(&access).await.secret_key, "two");
    fs::remove_file(&file).unwrap();
    let error = choose(&configured, &Environment::made([])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[test]
fn half_of_the_variables_is_an_error_that_names_the_other_half() {
    let error = choose(&config(), &Environment::made([KEYS[0]])).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`AWS_SECRET_ACCESS_KEY` is not set"),
        "{error}"
    );
}

#[tokio::test]
async fn a_chosen_profile_is_read_from_both_files() {
    let home = home(
        "[default]\nregion = us-west-1\n\n[profile work]\n# mine\nregion=eu-north-1\nendpoint_url = https://minio.example\ns3 =\n  addressing_style = path\n",
        "[default]\naws_access_key_id=wrong\naws_secret_access_key=wrong\n[work]\naws_access_key_id = id # mine\nAWS_SECRET_ACCESS_KEY = k=e/y+\naws_session_token = t\n",
    );
    let access = choose(&config(), &at(home.path(), &[("AWS_PROFILE", "work")])).unwrap();
    let found = keys(&access).await;
    assert_eq!(
        (found.key_id.as_str(), found.secret_key.as_str()),
        ("id", "k=e/y+")
    );
    assert_eq!(found.token.as_deref(), Some("t"));
    assert_eq!(access.region.as_deref(), Some("eu-north-1"));
    assert_eq!(access.endpoint.as_deref(), Some("https://minio.example"));
    assert_eq!(access.place, "profile `work`");
}

#[test]
fn a_profile_that_is_missing_or_needs_more_than_a_file_is_a_clear_error() {
    let home = home(
        "[profile sso]\nsso_session = x\n[profile tool]\ncredential_process = /bin/false\n[profile bare]\nregion = x\n",
        "",
    );
    for (name, words) in [
        ("none", "profile `none` is not in"),
        ("sso", "single sign-on"),
        ("tool", "runs a program"),
        ("bare", "has no keys"),
    ] {
        let environment = Environment::made([
            ("HOME", home.path().to_str().unwrap()),
            ("AWS_PROFILE", name),
        ]);
        let error = choose(&config(), &environment).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{name}");
        assert!(error.to_string().contains(words), "{name}: {error}");
    }
}

#[test]
fn roles_come_after_keys_and_nothing_at_all_is_said() {
    let home = home("[default]\nregion = eu-west-3\n", "");
    let role = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"),
        ("AWS_ROLE_ARN", "arn:x"),
    ];
    let access = choose(&config(), &at(home.path(), &role)).unwrap();
    assert!(access.provider.is_none() && access.place.contains("web identity"));
    let container = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x")];
    let access = choose(&config(), &at(home.path(), &container)).unwrap();
    assert_eq!(access.place, "the container's role");
    assert_eq!(access.region.as_deref(), Some("eu-west-3"));
    let access = choose(&config(), &at(home.path(), &[])).unwrap();
    assert_eq!(access.place, "the machine's role");
    let disabled = [("AWS_EC2_METADATA_DISABLED", "true")];
    let error = choose(&config(), &at(home.path(), &disabled)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains("no credentials for `s3://b`"),
        "{error}"
    );
}

#[test]
fn variables_win_over_a_profile_for_region_and_endpoint() {
    let home = home(
        "[default]\nregion = us-west-1\nendpoint_url = https://a\n",
        "",
    );
    let more = [
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL", "https://b"),
        ("AWS_ENDPOINT_URL_S3", "https://c"),
    ];
    let access = choose(&config(), &at(home.path(), &more)).unwrap();
    assert_eq!(access.region.as_deref(), Some("eu-west-1"));
    assert_eq!(access.endpoint.as_deref(), Some("https://c"));
}
