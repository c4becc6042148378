//! The keys of an alerter with `type = "slack"`.

use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::{Alerter, PluginConfig, Problem, Result, Secret, duration};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::SlackAlerter;
use crate::alerter::webhook;

/// Where to post messages.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlackConfig {
    /// The URL of the incoming webhook. It is a password: whoever knows it can post.
    pub webhook_url: Secret,
    /// How long one message may take, from the connection to the answer.
    #[serde(
        default = "default_timeout",
        deserialize_with = "duration::deserialize"
    )]
    #[schemars(schema_with = "duration::schema", default = "default_timeout_text")]
    pub timeout: Duration,
}

fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

fn default_timeout_text() -> &'static str {
    "10s"
}

impl PluginConfig<dyn Alerter> for SlackConfig {
    const TYPE: &'static str = "slack";
    const SUMMARY: &'static str = "posts to a Slack incoming webhook";
    const EXAMPLE: &'static str =
        "webhook_url = { env = \"SLACK_WEBHOOK_URL\" }\ntimeout = \"10s\"";

    fn build(&self) -> Result<Arc<dyn Alerter>, Vec<Problem>> {
        Ok(Arc::new(SlackAlerter::new(
            self.webhook_url.clone(),
            self.timeout,
        )))
    }

    fn inspect(&self) -> Vec<Problem> {
        let problem =
            |error: gitbarge_core::Error| Problem::new("webhook_url", error.failure().message);
        webhook(&self.webhook_url)
            .err()
            .map(problem)
            .into_iter()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<SlackConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn the_timeout_has_a_default() {
        let config = read(r#"{"webhook_url":{"env":"X"}}"#).unwrap();
        assert_eq!(config.timeout, Duration::from_secs(10));
        let schema = schemars::schema_for!(SlackConfig);
        let timeout = &schema.as_value()["properties"]["timeout"];
        assert_eq!(timeout["default"], "10s");
    }

    #[test]
    fn what_is_no_url_is_a_problem_that_does_not_quote_it() {
        for url in ["hush", "ftp://hush/x", "http://", "https:hush"] {
            let config = read(&format!(r#"{{"webhook_url":"{url}"}}"#)).unwrap();
            let problems = config.inspect();
            assert_eq!(problems.len(), 1, "{url}");
            assert_eq!(problems[0].key, "webhook_url");
            assert!(!problems[0].message.contains("hush"), "{problems:?}");
        }
        let good = read(r#"{"webhook_url":"https://hooks.slack.com/services/x\n"}"#).unwrap();
        assert_eq!(good.inspect(), []);
    }

    #[test]
    fn an_unset_variable_is_a_problem_that_names_it() {
        let config = read(r#"{"webhook_url":{"env":"GITBARGE_TEST_UNSET"}}"#).unwrap();
        let problems = config.inspect();
        assert!(problems[0].message.contains("`GITBARGE_TEST_UNSET`"));
    }
}
