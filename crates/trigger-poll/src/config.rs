//! The keys of a trigger with `type = "poll"`.

use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::{PluginConfig, Problem, Result, Trigger, duration};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::PollTrigger;

/// More often would be an attack on the remote.
const SHORTEST: Duration = Duration::from_millis(100);

/// How often to look at the remote.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PollConfig {
    /// The period between two requests; at least `"100ms"`.
    #[serde(deserialize_with = "duration::deserialize")]
    #[schemars(schema_with = "duration::schema")]
    pub every: Duration,
    /// By how much each period is at random shorter or longer, so that many pipelines do not run at the same moment; `"0s"`
    /// for not at all, at most half of `every`. Default: a tenth of `every`.
    #[serde(default, deserialize_with = "duration::option::deserialize_or_zero")]
    #[schemars(schema_with = "duration::schema")]
    pub jitter: Option<Duration>,
}

impl PollConfig {
    fn jitter_or_default(&self) -> Duration {
        self.jitter.unwrap_or(self.every / 10)
    }
}

impl PluginConfig<dyn Trigger> for PollConfig {
    const TYPE: &'static str = "poll";
    const SUMMARY: &'static str = "asks for a run in regular intervals";
    const EXAMPLE: &'static str = "every = \"30s\"\njitter = \"3s\"";

    fn build(&self) -> Result<Arc<dyn Trigger>, Vec<Problem>> {
        let mut problems = Vec::new();
        if self.every < SHORTEST {
            problems.push(Problem::new("every", "the period is shorter than 100ms"));
        }
        if self.jitter_or_default() > self.every / 2 {
            problems.push(Problem::new(
                "jitter",
                "the jitter is longer than half the period",
            ));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Arc::new(PollTrigger::new(
            self.every,
            self.jitter_or_default(),
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<PollConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn jitter_is_a_tenth_unless_it_is_set() {
        let jitter = |json| read(json).unwrap().jitter_or_default();
        assert_eq!(jitter(r#"{"every":"30s"}"#), Duration::from_secs(3));
        assert_eq!(jitter(r#"{"every":"30s","jitter":"0s"}"#), Duration::ZERO);
    }

    #[test]
    fn a_hectic_period_and_a_wild_jitter_are_both_reported() {
        let config = read(r#"{"every":"99ms","jitter":"1s"}"#).unwrap();
        let problems = config.build().err().unwrap();
        let keys: Vec<&str> = problems.iter().map(|p| p.key.as_str()).collect();
        assert_eq!(keys, ["every", "jitter"]);
    }

    #[test]
    fn no_period_and_unknown_keys_are_refused() {
        assert!(read("{}").unwrap_err().contains("`every`"));
        let typo = read(r#"{"every":"1s","jiter":"1s"}"#).unwrap_err();
        assert!(typo.contains("`jiter`"), "{typo}");
    }
}
