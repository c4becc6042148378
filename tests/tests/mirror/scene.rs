//! A pipeline whose only sink is a mirror in a bucket, and the places where its doings show.

use std::path::PathBuf;

use gitbarge_testkit::lfs::{CREDENTIALS, TICKET};
use gitbarge_testkit::repository::Repository;
use gitbarge_testkit::s3::{ACCESS_KEY, Asked, BUCKET, Rule, S3Server, SECRET_KEY};
use gitbarge_tests::{Outcome, World, until};
use serde_json::Value;

use crate::judge;

/// Where the mirror stands in the bucket, unless a test says otherwise.
pub(crate) const PREFIX: &str = "site";

/// A source, a store, and the configuration that joins them. What is changed in it counts from the next run on.
pub(crate) struct Scene {
    pub(crate) s3: S3Server,
    pub(crate) repository: Repository,
    pub(crate) world: World,
    /// More keys of the pipeline.
    pub(crate) pipeline: String,
    /// All keys of the source.
    pub(crate) source: String,
    /// The mirror's prefix in the bucket.
    pub(crate) prefix: String,
    /// More keys of the sink.
    pub(crate) sink: String,
}

impl Scene {
    /// A repository with a bit of everything, and an empty bucket.
    pub(crate) async fn new() -> Self {
        let repository = Repository::with_one_commit();
        let first = repository.commit("dev").write("dev/a", "1\n").push();
        repository.commit("main").write("b/c", "2\n").push();
        repository.annotate("v1", first);
        Self::of(repository).await
    }

    /// The same with another repository.
    pub(crate) async fn of(repository: Repository) -> Self {
        Self {
            s3: S3Server::start().await,
            source: format!(
                "type = \"local\"\nurl = \"{}\"",
                repository.path().display()
            ),
            repository,
            world: let_in(World::new()),
            pipeline: String::new(),
            prefix: PREFIX.to_owned(),
            sink: String::new(),
        }
    }

    /// Another machine with the same pipeline.
    pub(crate) fn twin(&self) -> World {
        let_in(World::new())
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, world: &World) {
        world.configure(&format!(
            r#"
            [pipeline.site]
            {pipeline}
            [pipeline.site.source]
            {source}
            [pipeline.site.sink.mirror]
            type = "s3"
            url = "s3://{BUCKET}/{prefix}"
            endpoint = "{endpoint}"
            {sink}
            "#,
            pipeline = self.pipeline,
            source = self.source,
            prefix = self.prefix,
            endpoint = self.s3.endpoint(),
            sink = self.sink,
        ));
    }

    /// Runs the binary; no secret may be in what it says.
    pub(crate) fn run_in(&self, world: &World, arguments: &[&str]) -> Outcome {
        self.configure(world);
        let outcome = world.run(arguments);
        for secret in [SECRET_KEY, CREDENTIALS, TICKET] {
            let said = format!("{}{}", outcome.stdout, outcome.stderr);
            assert!(!said.contains(secret), "leaked `{secret}`: {said}");
        }
        assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
        outcome
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_in(&self.world, arguments)
    }

    pub(crate) fn sync(&self) -> Outcome {
        self.run(&["sync", "--json"])
    }

    /// A sync that must end so; returns the sink's part of the result.
    pub(crate) fn ended(&self, status: &str) -> Value {
        let outcome = self.sync();
        assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
        let result = outcome.result();
        assert_eq!(result["status"], status, "{result}");
        result["sinks"][0].clone()
    }

    pub(crate) fn synced(&self) -> Value {
        self.ended("synced")
    }

    pub(crate) fn unchanged(&self) -> Value {
        self.ended("unchanged")
    }

    /// A sync that must fail so; returns what it said of it.
    pub(crate) fn failed(&self, kind: &str) -> String {
        let outcome = self.sync();
        let result = outcome.result();
        let kinds = (outcome.code, outcome.kind());
        assert_eq!(kinds, (1, kind.to_owned()), "{result}{}", outcome.stderr);
        assert_eq!(result["status"], "failed");
        format!("{} {}", result["error"], result["sinks"][0]["error"])
    }

    /// `gitbarge verify`, which must find the mirror whole.
    pub(crate) fn assert_verified(&self) {
        let outcome = self.run(&["verify", "site/mirror"]);
        assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
        assert!(outcome.stdout.contains("whole"), "{}", outcome.stdout);
    }

    /// The URL that readers clone.
    pub(crate) fn web_url(&self) -> String {
        match self.prefix.trim_matches('/') {
            "" => self.s3.web_url(),
            prefix => format!("{}/{}", self.s3.web_url(), encoded(prefix)),
        }
    }

    /// What the source shows.
    pub(crate) fn refs(&self) -> Vec<String> {
        judge::shown(&self.repository.path().display().to_string())
    }

    /// The mirror is what the source is.
    pub(crate) fn assert_equal(&self) {
        judge::assert_shows(&self.web_url(), &self.refs());
        self.packs();
    }

    /// The packs that readers are told of; each is sound.
    pub(crate) fn packs(&self) -> Vec<PathBuf> {
        judge::listed_packs(&self.file(""))
    }

    /// A change of a branch, and of HEAD, so that a run writes everything there is to write.
    pub(crate) fn change(&self, round: usize) {
        let content = format!("round {round}\n");
        let commit = self.repository.commit("main").write("round", &content);
        commit.message(&content).push();
        let head = ["refs/heads/main", "refs/heads/dev"][round % 2];
        self.repository.git(&["symbolic-ref", "HEAD", head]);
    }

    /// The keys of the mirror, without its prefix.
    pub(crate) fn keys(&self) -> Vec<String> {
        let keys = self.s3.keys(BUCKET).into_iter();
        let below = |key: String| match self.prefix.trim_matches('/') {
            "" => Some(key),
            prefix => Some(key.strip_prefix(prefix)?.strip_prefix('/')?.to_owned()),
        };
        keys.filter_map(below).collect()
    }

    /// Those that end so.
    pub(crate) fn keys_with(&self, end: &str) -> Vec<String> {
        let keys = self.keys().into_iter();
        keys.filter(|key| key.ends_with(end)).collect()
    }

    /// The file that holds an object of the mirror.
    pub(crate) fn file(&self, key: &str) -> PathBuf {
        let prefix = self.prefix.trim_matches('/');
        self.s3.bucket(BUCKET).join(prefix).join(key)
    }

    /// From now on such a request meets a fault, and nothing else does.
    pub(crate) fn fault(&self, rule: Rule) {
        self.s3.heal();
        self.s3.fault(rule);
    }

    /// Waits for a request without an answer after the first `mark` requests.
    pub(crate) fn until_stuck(&self, mark: usize) {
        let stuck = |asked: &Asked| asked.status.is_none();
        until("a request gets no answer", || {
            self.s3.asked()[mark..].iter().any(stuck)
        });
    }

    /// How many requests the store has got.
    pub(crate) fn mark(&self) -> usize {
        self.s3.asked().len()
    }
}

fn let_in(mut world: World) -> World {
    world.set("AWS_ACCESS_KEY_ID", ACCESS_KEY);
    world.set("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    world
}

/// A path as it is written in a URL.
fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let bytes = path.bytes();
    bytes
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}
