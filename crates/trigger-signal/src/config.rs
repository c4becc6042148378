//! The keys of a trigger with `type = "signal"`.

use std::sync::Arc;

use gitbarge_core::{PluginConfig, Problem, Result, Trigger};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::signal::UserSignal;
use crate::trigger::SignalTrigger;

/// Which signal asks for a run.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignalConfig {
    /// `SIGUSR1`, `SIGUSR2`, or a real-time signal such as `SIGRTMIN+3`. Pipelines with the same one run together.
    #[serde(default = "default_signal")]
    pub signal: String,
}

fn default_signal() -> String {
    "SIGUSR1".to_owned()
}

impl PluginConfig<dyn Trigger> for SignalConfig {
    const TYPE: &'static str = "signal";
    const SUMMARY: &'static str = "asks for a run when the process gets a signal";
    const EXAMPLE: &'static str = "signal = \"SIGUSR1\"";

    fn build(&self) -> Result<Arc<dyn Trigger>, Vec<Problem>> {
        match self.signal.parse::<UserSignal>() {
            Ok(signal) => Ok(Arc::new(SignalTrigger::new(signal))),
            Err(error) => Err(vec![Problem::new("signal", error.to_string())]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(json: &str) -> Result<(), Vec<Problem>> {
        let config: SignalConfig = serde_json::from_str(json).unwrap();
        config.build().map(drop)
    }

    #[test]
    fn a_signal_of_the_systems_own_is_a_problem_of_its_key() {
        assert_eq!(build("{}"), Ok(()));
        assert_eq!(build(r#"{"signal":"SIGUSR2"}"#), Ok(()));
        let problems = build(r#"{"signal":"SIGHUP"}"#).unwrap_err();
        assert_eq!((problems.len(), problems[0].key.as_str()), (1, "signal"));
        assert!(problems[0].message.contains("`SIGHUP` is taken"));
    }
}
