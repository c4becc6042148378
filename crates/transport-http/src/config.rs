//! The keys of a source with `type = "http"`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::{Address, PluginConfig, Problem, Secret, Source, duration, timeouts};
use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::HttpSource;
use crate::credentials::Credentials;
use crate::github_app::GithubAppConfig;
use crate::network::Ways;
use crate::url::HttpUrl;

/// A repository behind an HTTP server.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// The repository: `https://host/path` or `http://host/path`. A user and password in it are used, and never shown.
    pub url: String,
    /// The user, for servers that want a user and a password.
    #[serde(default)]
    pub username: Option<String>,
    /// The password of `username`, or an access token in its place.
    #[serde(default)]
    pub password: Option<Secret>,
    /// A bearer token, for servers that want one instead of a user and a password.
    #[serde(default)]
    pub token: Option<Secret>,
    /// A server that says the user and the password before each operation, in lines `username=` and `password=`.
    #[serde(default)]
    pub askpass_url: Option<String>,
    /// A GitHub App, as which the repository is read.
    #[serde(default)]
    pub github_app: Option<GithubAppConfig>,
    /// Further headers of each request, by name.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// A file of cookies, in Netscape's format.
    #[serde(default)]
    pub cookie_file: Option<PathBuf>,
    /// What opens the doors of other servers, by host: those that redirects and LFS lead to. The repository's own credentials
    /// never go there.
    #[serde(default)]
    pub hosts: BTreeMap<String, HostConfig>,
    /// A PEM file of certificates that are trusted besides the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// A PEM file with the certificate that is shown to servers that ask for one; its key may stand in it too.
    #[serde(default)]
    pub client_cert: Option<PathBuf>,
    /// The private key of `client_cert`, in PEM.
    #[serde(default)]
    pub client_key: Option<Secret>,
    /// The proxy, such as `http://proxy.example.org:3128`. The default is what the environment says.
    #[serde(default)]
    pub proxy: Option<String>,
    /// The user, for a proxy that wants one.
    #[serde(default)]
    pub proxy_username: Option<String>,
    /// The password of `proxy_username`.
    #[serde(default)]
    pub proxy_password: Option<Secret>,
    /// How long it may take to connect.
    #[serde(
        default = "timeouts::connect",
        deserialize_with = "duration::deserialize"
    )]
    #[schemars(schema_with = "duration::schema", default = "timeouts::connect_text")]
    pub connect_timeout: Duration,
    /// How long the server may say nothing while it is waited for.
    #[serde(default = "timeouts::idle", deserialize_with = "duration::deserialize")]
    #[schemars(schema_with = "duration::schema", default = "timeouts::idle_text")]
    pub idle_timeout: Duration,
}

/// What opens the door of one more server. Without any key, it is only trusted as a place to be redirected to.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "host")]
pub struct HostConfig {
    /// The user.
    #[serde(default)]
    pub username: Option<String>,
    /// The password of `username`, or an access token in its place.
    #[serde(default)]
    pub password: Option<Secret>,
    /// A bearer token instead of both.
    #[serde(default)]
    pub token: Option<Secret>,
}

/// What a configuration comes to.
pub(crate) struct Checked {
    pub(crate) url: HttpUrl,
    pub(crate) credentials: Credentials,
    pub(crate) ways: Ways,
}

impl HttpConfig {
    /// A repository that everybody may read, and defaults for everything else.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            username: None,
            password: None,
            token: None,
            askpass_url: None,
            github_app: None,
            headers: BTreeMap::new(),
            cookie_file: None,
            hosts: BTreeMap::new(),
            ca: None,
            client_cert: None,
            client_key: None,
            proxy: None,
            proxy_username: None,
            proxy_password: None,
            connect_timeout: timeouts::connect(),
            idle_timeout: timeouts::idle(),
        }
    }

    /// Whether any key says who asks.
    pub(crate) fn logs_in(&self) -> bool {
        let words = self.username.is_some() || self.password.is_some() || self.token.is_some();
        words || self.askpass_url.is_some() || self.github_app.is_some()
    }

    /// The repository, what opens its door, and the ways to it.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration.
    pub(crate) fn checked(&self) -> Result<Checked, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut url = HttpUrl::parse(&self.url)
            .map_err(|message| problems.push(Problem::new("url", message)))
            .ok();
        let login = url.as_mut().and_then(|url| url.login.take());
        // Whatever the url is: what is wrong beside it is told at once.
        let home = url.as_ref().map_or_else(nowhere, |url| url.base.clone());
        let credentials = Credentials::new(self, &home, login)
            .map_err(|found| problems.extend(found))
            .ok();
        let ways = Ways::new(self).map_err(|found| problems.extend(found)).ok();
        problems.extend(timeouts::problems(self.connect_timeout, self.idle_timeout));
        match (url, credentials, ways) {
            (Some(url), Some(credentials), Some(ways)) if problems.is_empty() => Ok(Checked {
                url,
                credentials,
                ways,
            }),
            _ => Err(problems),
        }
    }
}

fn nowhere() -> Url {
    Url::parse("https://nowhere.invalid").expect("it is a URL")
}

impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConfig")
            .field("url", &Address::new(&self.url))
            .field("username", &self.username)
            .field("password", &self.password)
            .field("token", &self.token)
            .field(
                "askpass_url",
                &self.askpass_url.as_deref().map(Address::new),
            )
            .field("github_app", &self.github_app)
            .field("headers", &self.headers)
            .field("cookie_file", &self.cookie_file)
            .field("hosts", &self.hosts)
            .field("ca", &self.ca)
            .field("client_cert", &self.client_cert)
            .field("client_key", &self.client_key)
            .field("proxy", &self.proxy.as_deref().map(Address::new))
            .field("proxy_username", &self.proxy_username)
            .field("proxy_password", &self.proxy_password)
            .field("connect_timeout", &self.connect_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .finish()
    }
}

impl PluginConfig<dyn Source> for HttpConfig {
    const TYPE: &'static str = "http";
    const SUMMARY: &'static str = "reads a git repository over HTTP or HTTPS";
    const EXAMPLE: &'static str = "\
url = \"https://github.com/my-org/site.git\"
username = \"x-access-token\"
password = { env = \"SITE_TOKEN\" }
connect_timeout = \"15s\"
idle_timeout = \"60s\"";

    fn build(&self) -> Result<Arc<dyn Source>, Vec<Problem>> {
        Ok(Arc::new(HttpSource::new(self.clone())?))
    }

    fn inspect(&self) -> Vec<Problem> {
        match self.checked() {
            Ok(checked) => {
                let mut problems = checked.credentials.inspect();
                problems.extend(checked.ways.inspect());
                problems
            }
            // `build` has told them.
            Err(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
