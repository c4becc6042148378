//! The keys of an alerter with `type = "webhook"`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::{Alerter, Error, PluginConfig, Problem, Result, Secret, duration};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::WebhookAlerter;
use crate::alerter::target;
use crate::headers::{Headers, key_of};
use crate::signature::SigningKey;

/// Whom to tell, and how.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// The `http` or `https` URL that is called. It may be a password; of it, only the host is ever shown.
    pub url: Secret,
    /// The request's method.
    #[serde(default)]
    #[schemars(default = "default_method_text")]
    pub method: Method,
    /// Further headers of each request, by name.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// The only status that says the message was taken. The default is any from 200 to 299.
    #[serde(default)]
    #[schemars(range(min = 200, max = 599))]
    pub success_status: Option<u16>,
    /// Signs each message as Standard Webhooks says, with this key: `whsec_` and Base64.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// How long one message may take, from the connection to the answer.
    #[serde(
        default = "default_timeout",
        deserialize_with = "duration::deserialize"
    )]
    #[schemars(schema_with = "duration::schema", default = "default_timeout_text")]
    pub timeout: Duration,
}

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// `GET`; the message is its body all the same.
    Get,
    /// `POST`
    #[default]
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

fn default_method_text() -> &'static str {
    "POST"
}

fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

fn default_timeout_text() -> &'static str {
    "10s"
}

impl WebhookConfig {
    /// Posts to this URL, with defaults for everything else.
    pub fn new(url: Secret) -> Self {
        Self {
            url,
            method: Method::default(),
            headers: BTreeMap::new(),
            success_status: None,
            secret: None,
            timeout: default_timeout(),
        }
    }
}

impl PluginConfig<dyn Alerter> for WebhookConfig {
    const TYPE: &'static str = "webhook";
    const SUMMARY: &'static str = "calls a URL with a JSON message, signed if wanted";
    const EXAMPLE: &'static str = "\
url = \"https://example.org/hook\"
method = \"POST\"
headers = { Authorization = { env = \"TELL_AUTH\" } }
secret = { env = \"TELL_SECRET\" }
timeout = \"10s\"";

    fn build(&self) -> Result<Arc<dyn Alerter>, Vec<Problem>> {
        Ok(Arc::new(WebhookAlerter::new(self.clone())?))
    }

    fn inspect(&self) -> Vec<Problem> {
        let problem = |key: &str, error: Error| Problem::new(key, error.failure().message);
        let url = target(&self.url).err().map(|error| problem("url", error));
        let key = self.secret.as_ref().map(SigningKey::read);
        let key = key.and_then(Result::err);
        let headers = Headers::new(&self.headers);
        let headers = headers.map(|headers| headers.inspect()).unwrap_or_default();
        let headers = headers
            .into_iter()
            .map(|(name, error)| problem(&key_of(&name), error));
        url.into_iter()
            .chain(headers)
            .chain(key.map(|error| problem("secret", error)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<WebhookConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_stand_where_nothing_is_said() {
        let config = read(r#"{"url":"https://h/x"}"#).unwrap();
        assert_eq!(config.timeout, Duration::from_secs(10));
        assert_eq!(config.method, Method::Post);
        assert_eq!(config.inspect(), []);
        let schema = schemars::schema_for!(WebhookConfig);
        let properties = &schema.as_value()["properties"];
        assert_eq!(properties["timeout"]["default"], "10s");
        assert_eq!(properties["method"]["default"], "POST");
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let config = read(
            r#"{"url":"https://h/x","success_status":100,"headers":{"a b":"1","Host":"h","Webhook-Id":"1","x":"1","X":"2"}}"#,
        );
        let problems = config.unwrap().build().err().unwrap();
        let keys: Vec<_> = problems.iter().map(|p| p.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "headers.Host",
                "headers.Webhook-Id",
                "headers.X",
                "headers.a b",
                "headers.x",
                "success_status"
            ]
        );
    }

    #[test]
    fn what_cannot_be_used_is_a_problem_that_does_not_quote_it() {
        let config = read(
            r#"{"url":"ftp://hush/x","secret":"hush","headers":{"x":"hush\n\nhush","y":{"env":"GITBARGE_TEST_UNSET"}}}"#,
        );
        let problems = config.unwrap().inspect();
        let keys: Vec<_> = problems.iter().map(|p| p.key.as_str()).collect();
        assert_eq!(keys, ["url", "headers.x", "headers.y", "secret"]);
        assert!(!format!("{problems:?}").contains("hush"), "{problems:?}");
        assert!(problems[2].message.contains("`GITBARGE_TEST_UNSET`"));
    }

    #[test]
    fn unknown_methods_are_refused_with_the_known_ones() {
        let error = read(r#"{"url":"https://h","method":"TELL"}"#).unwrap_err();
        assert!(error.contains("`PATCH`"), "{error}");
    }
}
