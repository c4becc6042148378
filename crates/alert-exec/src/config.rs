//! The keys of an alerter with `type = "exec"`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::{Alerter, PluginConfig, Problem, Result, Secret, duration};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::ExecAlerter;
use crate::environment;
use crate::program;

/// What to run.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecConfig {
    /// The program and its arguments. No shell reads them. A program without a slash is looked for in `PATH`.
    pub command: Vec<String>,
    /// Variables for the command, besides those that it inherits and gitbarge's own.
    #[serde(default)]
    pub env: BTreeMap<String, Secret>,
    /// The folder that it begins in. The default is gitbarge's own.
    #[serde(default)]
    pub directory: Option<PathBuf>,
    /// How long it may run; longer, and it is ended with everything that it has started.
    #[serde(
        default = "default_timeout",
        deserialize_with = "duration::deserialize"
    )]
    #[schemars(schema_with = "duration::schema", default = "default_timeout_text")]
    pub timeout: Duration,
}

fn default_timeout() -> Duration {
    Duration::from_secs(30)
}

fn default_timeout_text() -> &'static str {
    "30s"
}

impl ExecConfig {
    /// Runs this program with these arguments, with defaults for everything else.
    pub fn new(command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            env: BTreeMap::new(),
            directory: None,
            timeout: default_timeout(),
        }
    }

    /// Everything that is wrong, as far as it can be told without looking at the system.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut complain = |key: &str, message: &str| problems.push(Problem::new(key, message));
        if self.command.first().is_none_or(String::is_empty) {
            complain("command", "the command names no program");
        }
        if self.command.iter().any(|part| part.contains('\0')) {
            complain("command", "the command contains a NUL character");
        }
        for name in self.env.keys() {
            if let Some(fault) = environment::fault(name) {
                complain(&format!("env.{name}"), fault);
            }
        }
        if self
            .directory
            .as_ref()
            .is_some_and(|path| path.as_os_str().is_empty())
        {
            complain("directory", "the folder's name is empty");
        }
        problems
    }
}

impl PluginConfig<dyn Alerter> for ExecConfig {
    const TYPE: &'static str = "exec";
    const SUMMARY: &'static str = "runs a command, which sees in its environment what happened";
    const EXAMPLE: &'static str = "\
command = [\"/usr/local/bin/reload\", \"--quick\"]
env = { RELOAD_TOKEN = { env = \"RELOAD_TOKEN\" } }
directory = \"/srv/site\"
timeout = \"30s\"";

    fn build(&self) -> Result<Arc<dyn Alerter>, Vec<Problem>> {
        Ok(Arc::new(ExecAlerter::new(self.clone())?))
    }

    fn inspect(&self) -> Vec<Problem> {
        let found = program::check(self).err();
        let found = found.map(|(key, error)| Problem::new(key, error.failure().message));
        let unread = self.env.iter().filter_map(|(name, secret)| {
            let error = environment::value(name, secret).err()?;
            Some(Problem::new(format!("env.{name}"), error.failure().message))
        });
        found.into_iter().chain(unread).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> ExecConfig {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_timeout_has_a_default() {
        let config = read(r#"{"command":["true"]}"#);
        assert_eq!(config.timeout, Duration::from_secs(30));
        let schema = schemars::schema_for!(ExecConfig);
        assert_eq!(schema.as_value()["properties"]["timeout"]["default"], "30s");
    }

    #[test]
    fn all_problems_are_told_at_once() {
        for (json, keys) in [
            (
                r#"{"command":[],"env":{"":"1","A=B":"1","GITBARGE_HASH":"1","GOOD":"1"},"directory":""}"#,
                &[
                    "command",
                    "env.",
                    "env.A=B",
                    "env.GITBARGE_HASH",
                    "directory",
                ][..],
            ),
            (r#"{"command":["","x"]}"#, &["command"]),
            (r#"{"command":["x","a\u0000b"]}"#, &["command"]),
        ] {
            let problems = read(json).build().err().unwrap();
            let found: Vec<_> = problems.iter().map(|p| p.key.as_str()).collect();
            assert_eq!(found, keys, "{json}");
        }
    }

    #[test]
    fn what_is_not_there_is_a_problem_of_its_key() {
        for (json, key, words) in [
            (
                r#"{"command":["/nowhere/tell"]}"#,
                "command",
                "`/nowhere/tell`",
            ),
            (
                r#"{"command":["gitbarge-no-such-program"]}"#,
                "command",
                "`PATH`",
            ),
            (
                r#"{"command":["/etc/passwd"]}"#,
                "command",
                "may not be run",
            ),
            (r#"{"command":["/etc"]}"#, "command", "no file"),
            (
                r#"{"command":["true"],"directory":"/nowhere"}"#,
                "directory",
                "`/nowhere`",
            ),
            (
                r#"{"command":["true"],"env":{"X":{"env":"GITBARGE_TEST_UNSET"}}}"#,
                "env.X",
                "`GITBARGE_TEST_UNSET`",
            ),
        ] {
            let problems = read(json).inspect();
            assert_eq!(problems.len(), 1, "{json}: {problems:?}");
            assert_eq!(problems[0].key, key);
            assert!(problems[0].message.contains(words), "{problems:?}");
        }
        assert_eq!(
            read(r#"{"command":["true"],"directory":"/"}"#).inspect(),
            []
        );
    }
}
