//! The keys of a trigger with `type = "webhook"`.

use std::sync::Arc;

use gitbarge_core::{PluginConfig, Problem, Result, Trigger, size};
use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::keys::Key;
use crate::networks::Networks;
use crate::provider::Provider;
use crate::secrets::Secrets;
use crate::trigger::{LARGEST_BODY, WebhookTrigger};

/// What the listener holds of all bodies together: a larger one could never come.
const MOST_IN_FLIGHT: u64 = 64 << 20;

/// Whose deliveries ask for a run.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Who sends, which says how a delivery is proved and read.
    pub provider: Provider,
    /// What the sender knows; several during a rotation, of which any fits. For `standard`, `whsec_` and base64.
    pub secret: Secrets,
    /// Where it listens; the query string of a request does not matter. The default is `/hooks/<pipeline>`.
    #[serde(default)]
    pub path: Option<String>,
    /// The addresses and networks of those who may send. The default is everybody.
    #[serde(default)]
    pub allow: Option<Vec<String>>,
    /// The addresses and networks of proxies whose `X-Forwarded-For` is believed.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    /// For `token` and `signature`: the header with the proof. The default is `Authorization` or `X-Hub-Signature-256`.
    #[serde(default)]
    pub header: Option<String>,
    /// For `token` and `signature`: what stands before the proof. The default is `Bearer ` or `sha256=`; nothing with a `header` of one's own.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The largest body that is taken, `"64MiB"` at most.
    #[serde(default = "default_max_body", deserialize_with = "size::deserialize")]
    #[schemars(schema_with = "size::schema", default = "default_max_body_text")]
    pub max_body: u64,
}

fn default_max_body() -> u64 {
    LARGEST_BODY
}

fn default_max_body_text() -> &'static str {
    "25MiB"
}

impl WebhookConfig {
    fn faults(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut complain = |key: &str, message: String| problems.push(Problem::new(key, message));
        if let Some(fault) = self.secret.fault() {
            complain("secret", fault);
        }
        if self.allow.as_ref().is_some_and(Vec::is_empty) {
            complain("allow", "the list is empty: nobody could send".to_owned());
        }
        let lists = [
            ("allow", self.allow.as_ref()),
            ("trusted_proxies", Some(&self.trusted_proxies)),
        ];
        for (key, list) in lists {
            let errors = list.and_then(|list| Networks::parse(list).err());
            errors
                .into_iter()
                .flatten()
                .for_each(|error| complain(key, error.to_string()));
        }
        if let Some(header) = &self.header
            && header.parse::<HeaderName>().is_err()
        {
            complain(
                "header",
                format!("`{}` cannot be the name of a header", header.escape_debug()),
            );
        }
        for (key, is_set) in [
            ("header", self.header.is_some()),
            ("prefix", self.prefix.is_some()),
        ] {
            if is_set && !self.provider.has_own_header() {
                let provider = self.provider.as_str();
                complain(
                    key,
                    format!(
                        "`{key}` is for the providers `token` and `signature`: that of `{provider}` is fixed"
                    ),
                );
            }
        }
        if self.max_body > MOST_IN_FLIGHT {
            complain("max_body", "a body can have 64MiB at most".to_owned());
        }
        problems
    }
}

impl PluginConfig<dyn Trigger> for WebhookConfig {
    const TYPE: &'static str = "webhook";
    const SUMMARY: &'static str = "asks for a run when a forge delivers a push";
    const EXAMPLE: &'static str = "provider = \"github\"\nsecret = { env = \"SITE_HOOK_SECRET\" }\npath = \"/hooks/site\"\n\
        allow = [\"192.30.252.0/22\", \"2a0a:a440::/29\"]\ntrusted_proxies = [\"10.0.0.0/8\"]\nmax_body = \"25MiB\"";

    fn build(&self) -> Result<Arc<dyn Trigger>, Vec<Problem>> {
        let problems = self.faults();
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut trigger = WebhookTrigger::new(self.provider, &self.secret)
            .proved_by(self.header.as_deref(), self.prefix.as_deref())
            .with_largest_body(self.max_body);
        if let Ok(proxies) = Networks::parse(&self.trusted_proxies) {
            trigger = trigger.trusting(proxies);
        }
        if let Some(allowed) = &self.allow {
            // It was looked at above; what cannot be read would let nobody in.
            trigger = trigger.allowing(Networks::parse(allowed).unwrap_or_default());
        }
        if let Some(path) = &self.path {
            trigger = trigger.at(path);
        }
        Ok(Arc::new(trigger))
    }

    fn inspect(&self) -> Vec<Problem> {
        let secrets = self.secret.as_slice().iter();
        secrets
            .filter_map(|secret| Key::read(secret, self.provider).err())
            .map(|fault| Problem::new("secret", fault))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<WebhookConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    fn keys(json: &str) -> Vec<String> {
        let problems = read(json).unwrap().build().err().unwrap_or_default();
        problems.into_iter().map(|problem| problem.key).collect()
    }

    #[test]
    fn all_that_is_wrong_is_reported() {
        let json = r#"{"provider":"github","secret":[],"allow":["x","1.2.3.4"],"trusted_proxies":["10.0.0.0/33"],
            "header":"a b","prefix":"","max_body":"65MiB"}"#;
        let expected = [
            "secret",
            "allow",
            "trusted_proxies",
            "header",
            "header",
            "prefix",
            "max_body",
        ];
        assert_eq!(keys(json), expected);
        assert_eq!(
            keys(r#"{"provider":"gitea","secret":"x","allow":[]}"#),
            ["allow"]
        );
        assert!(
            keys(r#"{"provider":"token","secret":"x","header":"X-Token","prefix":""}"#).is_empty()
        );
    }

    #[test]
    fn a_provider_and_a_secret_are_needed() {
        assert!(
            read(r#"{"provider":"github"}"#)
                .unwrap_err()
                .contains("`secret`")
        );
        assert!(
            read(r#"{"secret":"x"}"#)
                .unwrap_err()
                .contains("`provider`")
        );
        let unknown = read(r#"{"provider":"svn","secret":"x"}"#).unwrap_err();
        assert!(
            unknown.contains("`svn`") && unknown.contains("`bitbucket`"),
            "{unknown}"
        );
    }

    #[test]
    fn a_secret_that_lets_nobody_in_is_built_but_told() {
        let json = r#"{"provider":"standard","secret":["whsec_aHVzaA==","hush",{"env":"GITBARGE_TEST_UNSET"},""]}"#;
        assert!(keys(json).is_empty());
        let problems = read(json).unwrap().inspect();
        let messages: Vec<&str> = problems
            .iter()
            .map(|problem| problem.message.as_str())
            .collect();
        assert_eq!(
            messages,
            [
                "the literal in the configuration is not `whsec_` and base64",
                "environment variable `GITBARGE_TEST_UNSET` is not set",
                "the literal in the configuration is empty",
            ]
        );
    }

    #[test]
    fn the_path_has_the_pipelines_name_unless_it_is_set() {
        let path = |json| read(json).unwrap().build().ok().unwrap().path("site");
        let usual = path(r#"{"provider":"github","secret":"x"}"#);
        assert_eq!(usual.as_deref(), Some("/hooks/site"));
        let own = path(r#"{"provider":"github","secret":"x","path":"/in"}"#);
        assert_eq!(own.as_deref(), Some("/in"));
    }
}
