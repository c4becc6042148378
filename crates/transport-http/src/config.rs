//! The keys of a source with `type = "http"`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::{Address, PluginConfig, Problem, Secret, Source, duration, timeouts};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::HttpSource;
use crate::credentials::Credentials;
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
    /// Further headers of each request, by name.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
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

impl HttpConfig {
    /// A repository that everybody may read, and defaults for everything else.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            username: None,
            password: None,
            token: None,
            headers: BTreeMap::new(),
            connect_timeout: timeouts::connect(),
            idle_timeout: timeouts::idle(),
        }
    }

    /// The repository and what opens its door.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration.
    pub(crate) fn checked(&self) -> Result<(HttpUrl, Credentials), Vec<Problem>> {
        let mut problems = Vec::new();
        let mut url = match HttpUrl::parse(&self.url) {
            Ok(url) => Some(url),
            Err(message) => {
                problems.push(Problem::new("url", message));
                None
            }
        };
        let login = url.as_mut().and_then(|url| url.login.take());
        let credentials = match Credentials::new(self, login) {
            Ok(credentials) => Some(credentials),
            Err(found) => {
                problems.extend(found);
                None
            }
        };
        problems.extend(timeouts::problems(self.connect_timeout, self.idle_timeout));
        match (url, credentials) {
            (Some(url), Some(credentials)) if problems.is_empty() => Ok((url, credentials)),
            _ => Err(problems),
        }
    }
}

impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConfig")
            .field("url", &Address::new(&self.url))
            .field("username", &self.username)
            .field("password", &self.password)
            .field("token", &self.token)
            .field("headers", &self.headers)
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
            Ok((_, credentials)) => credentials.inspect(),
            // `build` has told them.
            Err(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
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
}
