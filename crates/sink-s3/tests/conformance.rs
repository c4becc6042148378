//! The promises of every sink, judged by what stock git clones from the bucket.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::sync::Arc;

use gitbarge_core::{PluginConfig as _, Secret, Sink};
use gitbarge_sink_s3::S3Config;
use gitbarge_testkit::files::{self, Files};
use gitbarge_testkit::repository::{git, printed};
use gitbarge_testkit::s3::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use gitbarge_testkit::sink::{SinkUnderTest, conformance};

struct Mirror(S3Server);

impl SinkUnderTest for Mirror {
    fn make(&self) -> Arc<dyn Sink> {
        let mut config = S3Config::new(format!("s3://{BUCKET}/site"));
        config.endpoint = Some(self.0.endpoint());
        config.access_key_id = Some(Secret::literal(ACCESS_KEY));
        config.secret_access_key = Some(Secret::literal(SECRET_KEY));
        config.build().unwrap()
    }

    fn files(&self) -> Files {
        if !self.0.keys(BUCKET).contains(&"site/info/refs".to_owned()) {
            return Files::new();
        }
        let folder = tempfile::tempdir().unwrap();
        let url = format!("{}/site", self.0.web_url());
        printed(git(folder.path()).args(["clone", "-q", &url, "clone"]));
        files::of_folder(&folder.path().join("clone"))
    }

    /// Somebody else's refs, which lead nowhere.
    fn drift(&self) {
        let refs = self.0.bucket(BUCKET).join("site/info/refs");
        fs::write(refs, format!("{}\trefs/heads/main\n", "1".repeat(40))).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_keeps_the_promises_of_a_sink() {
    conformance(&Mirror(S3Server::start().await)).await;
}
