//! Tests of the store, against an S3 server and a folder.

mod bucket;
mod faults;
mod folder;
mod stage;
mod upload;

use std::time::Duration;

use gitbarge_testkit::s3::{ACCESS_KEY, Asked, BUCKET, S3Server, SECRET_KEY};

use super::open::open_with;
use super::{Body, Bytes, Condition, Error, Figures, Result, Store};
use crate::config::S3Config;
use crate::credentials::Environment;

const KEYS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
    ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
];

fn config(server: &S3Server, prefix: &str) -> S3Config {
    let url = format!("s3://{BUCKET}/{prefix}");
    let endpoint = server.endpoint();
    let config = serde_json::json!({ "url": url, "endpoint": endpoint });
    serde_json::from_value(config).unwrap()
}

/// A store that takes silence for a fault sooner than in earnest.
async fn open(config: &S3Config) -> Result<Store> {
    open_with(config, &Environment::made(KEYS), Duration::from_millis(500)).await
}

pub(crate) async fn store(server: &S3Server) -> Store {
    open(&config(server, "a b/ü")).await.unwrap()
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Whatever goes wrong, the secret stays one.
fn checked(error: Error) -> Error {
    let shown = format!("{error:?} {:?}", error.failure());
    assert!(!shown.contains(SECRET_KEY), "{shown}");
    error
}
