//! The keys of an `s3` sink.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::{PluginConfig, Problem, RefPatterns, Secret, Sink, duration, size};
use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::sink::S3Sink;
use crate::url::{Cloud, StoreUrl};

/// The least that `memory` may be: a few parts of an upload, and a small pack.
const LEAST_MEMORY: u64 = 16 << 20;

/// Which store to mirror into, and how.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// Where the mirror stands: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` or `file:///folder`.
    pub url: String,
    /// The URL of the server, if it is not the cloud's own. The default is what `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` says.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The bucket's region. The default is what `AWS_REGION` or the profile says, else `us-east-1`.
    #[serde(default)]
    pub region: Option<String>,
    /// The access key's id; for `az://` the storage account's name. The default is the standard chain: variables, profiles, roles.
    #[serde(default)]
    pub access_key_id: Option<Secret>,
    /// The secret access key; for `az://` the storage account's key.
    #[serde(default)]
    pub secret_access_key: Option<Secret>,
    /// Whether an endpoint of another machine may be talked to without encryption.
    #[serde(default)]
    pub allow_http: bool,
    /// The storage class of packs and LFS objects, such as `STANDARD_IA`. The small files that change often have the bucket's own.
    #[serde(default)]
    pub storage_class: Option<String>,
    /// Which refs are mirrored, such as `["refs/heads/*", "refs/tags/*"]`. The default is all.
    #[serde(default)]
    pub refs: RefPatterns,
    /// How much of a pack is kept in memory; a larger one waits in `spool`, or else in the store itself.
    #[serde(default = "default_memory", deserialize_with = "size::deserialize")]
    #[schemars(schema_with = "size::schema", default = "default_memory_text")]
    pub memory: u64,
    /// A folder for packs that are larger than `memory`, while they are on their way.
    #[serde(default)]
    pub spool: Option<PathBuf>,
    /// How long packs that are no longer needed are kept for readers that began before.
    #[serde(
        default = "default_grace",
        deserialize_with = "duration::deserialize_or_zero"
    )]
    #[schemars(schema_with = "duration::schema", default = "default_grace_text")]
    pub grace: Duration,
    /// What happens to the LFS objects that the refs lead to.
    #[serde(default)]
    pub lfs: LfsPolicy,
    /// Whether a bundle and `bundle.list` are published too, for `git clone --bundle-uri`.
    #[serde(default)]
    pub bundle: bool,
}

/// What happens to LFS objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LfsPolicy {
    /// Refs are published only when all LFS objects are there.
    #[default]
    Required,
    /// Those that can be had are mirrored; the others are named in a warning.
    BestEffort,
    /// They are left alone.
    Off,
}

fn default_memory() -> u64 {
    256 << 20
}

fn default_memory_text() -> &'static str {
    "256MiB"
}

fn default_grace() -> Duration {
    Duration::from_secs(24 * 60 * 60)
}

fn default_grace_text() -> &'static str {
    "24h"
}

impl PluginConfig<dyn Sink> for S3Config {
    const TYPE: &'static str = "s3";
    const SUMMARY: &'static str =
        "keeps a mirror in an object store that every git client can clone over plain https";
    const EXAMPLE: &'static str = "url = \"s3://my-bucket/site\"\nregion = \"eu-central-1\"\nrefs = [\"refs/heads/*\", \"refs/tags/*\"]";

    fn build(&self) -> Result<Arc<dyn Sink>, Vec<Problem>> {
        let sink = S3Sink::new(self.clone())?;
        Ok(Arc::new(sink))
    }

    fn inspect(&self) -> Vec<Problem> {
        let keys = [
            ("access_key_id", &self.access_key_id),
            ("secret_access_key", &self.secret_access_key),
        ];
        let unreadable = |(key, secret): (&str, &Option<Secret>)| {
            let error = secret.as_ref()?.read().err()?;
            Some(Problem::new(key, error.failure().message))
        };
        keys.into_iter().filter_map(unreadable).collect()
    }

    fn claims(&self) -> Vec<PathBuf> {
        match StoreUrl::parse(&self.url) {
            Ok(StoreUrl::Folder(path)) => vec![path],
            _ => Vec::new(),
        }
    }
}

impl S3Config {
    /// A mirror at this place, the standard chain of credentials, and defaults for everything else.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            endpoint: None,
            region: None,
            access_key_id: None,
            secret_access_key: None,
            allow_http: false,
            storage_class: None,
            refs: RefPatterns::default(),
            memory: default_memory(),
            spool: None,
            grace: default_grace(),
            lfs: LfsPolicy::default(),
            bundle: false,
        }
    }

    /// The place, if all keys fit together.
    ///
    /// # Errors
    /// Every problem at once.
    pub(crate) fn check(&self) -> Result<StoreUrl, Vec<Problem>> {
        let url = StoreUrl::parse(&self.url);
        let mut problems = Vec::new();
        match &url {
            Ok(StoreUrl::Bucket(bucket)) => problems.extend(self.unfit_for(bucket.cloud)),
            Ok(StoreUrl::Folder(_)) => problems.extend(self.unfit_for_folder()),
            Err(problem) => problems.push(Problem::new("url", problem.clone())),
        }
        let endpoint = self
            .endpoint
            .as_deref()
            .map(|url| check_endpoint(url, self.allow_http));
        if let Some(Err(problem)) = endpoint {
            problems.push(Problem::new("endpoint", problem));
        }
        problems.extend(self.one_key_alone());
        for (key, value) in [
            ("region", &self.region),
            ("storage_class", &self.storage_class),
        ] {
            if value.as_deref().is_some_and(|value| !is_word(value)) {
                problems.push(Problem::new(key, "letters, digits, `-` and `_` are needed"));
            }
        }
        if self.memory < LEAST_MEMORY {
            problems.push(Problem::new("memory", "at least 16MiB are needed"));
        }
        if self
            .spool
            .as_ref()
            .is_some_and(|path| path.as_os_str().is_empty())
        {
            problems.push(Problem::new("spool", "the path is empty"));
        }
        match url {
            Ok(url) if problems.is_empty() => Ok(url),
            _ => Err(problems),
        }
    }

    fn one_key_alone(&self) -> Option<Problem> {
        let (absent, present) = match (&self.access_key_id, &self.secret_access_key) {
            (Some(_), None) => ("secret_access_key", "access_key_id"),
            (None, Some(_)) => ("access_key_id", "secret_access_key"),
            _ => return None,
        };
        let message = format!("is needed, because `{present}` is given");
        Some(Problem::new(absent, message))
    }

    fn unfit_for(&self, cloud: Cloud) -> Vec<Problem> {
        let is_given = match cloud {
            Cloud::S3 => Vec::new(),
            Cloud::Azure => vec![("region", self.region.is_some())],
            Cloud::Google => vec![
                ("region", self.region.is_some()),
                ("access_key_id", self.access_key_id.is_some()),
                ("secret_access_key", self.secret_access_key.is_some()),
            ],
        };
        unfit(is_given, cloud.scheme())
    }

    fn unfit_for_folder(&self) -> Vec<Problem> {
        let is_given = vec![
            ("endpoint", self.endpoint.is_some()),
            ("region", self.region.is_some()),
            ("access_key_id", self.access_key_id.is_some()),
            ("secret_access_key", self.secret_access_key.is_some()),
            ("storage_class", self.storage_class.is_some()),
        ];
        unfit(is_given, "file")
    }
}

fn unfit(is_given: Vec<(&str, bool)>, scheme: &str) -> Vec<Problem> {
    let message = format!("means nothing for a `{scheme}://` url");
    let given = is_given.into_iter().filter(|(_, is_given)| *is_given);
    given
        .map(|(key, _)| Problem::new(key, message.clone()))
        .collect()
}

/// Whether the endpoint can be talked to, and how its URL is to be written.
///
/// # Errors
/// What is wrong with it, without quoting it.
pub(crate) fn check_endpoint(text: &str, allow_http: bool) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(Url::has_host);
    let Some(url) = url.filter(|url| matches!(url.scheme(), "http" | "https")) else {
        return Err("an `https://` or `http://` url is needed".to_owned());
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "credentials belong into `access_key_id` and `secret_access_key`, not into the url"
                .to_owned(),
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the url must not have a query".to_owned());
    }
    if url.scheme() == "http" && !allow_http && !is_loopback(&url) {
        return Err(
            "`http://` would send everything unencrypted; set `allow_http = true` if that is meant"
                .to_owned(),
        );
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

fn is_word(text: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !text.is_empty() && text.chars().all(is_fine)
}

#[cfg(test)]
mod tests;
