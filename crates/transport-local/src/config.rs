//! The keys of a source with `type = "local"`.

use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::{PluginConfig, Problem, Result, Source, duration, timeouts};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::LocalSource;

/// Which repository of this machine to read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalConfig {
    /// A path, or a `file://` URL. A relative path begins at the working directory.
    pub url: String,
    /// How long git may say nothing before the operation fails with `timeout`.
    #[serde(default = "timeouts::idle", deserialize_with = "duration::deserialize")]
    #[schemars(schema_with = "duration::schema", default = "timeouts::idle_text")]
    pub idle_timeout: Duration,
}

impl PluginConfig<dyn Source> for LocalConfig {
    const TYPE: &'static str = "local";
    const SUMMARY: &'static str = "reads a repository of this machine";
    const EXAMPLE: &'static str = "url = \"/srv/git/site.git\"\nidle_timeout = \"60s\"";

    fn build(&self) -> Result<Arc<dyn Source>, Vec<Problem>> {
        let source = LocalSource::new(&self.url, self.idle_timeout)
            .map_err(|error| vec![Problem::new("url", error.failure().message)])?;
        Ok(Arc::new(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> LocalConfig {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_idle_timeout_has_a_default() {
        let config = read(r#"{"url":"/srv/x.git"}"#);
        assert_eq!(config.idle_timeout, Duration::from_secs(60));
        assert_eq!(config.build().unwrap().address().as_str(), "/srv/x.git");
    }

    #[test]
    fn an_address_of_another_machine_is_a_problem_of_its_key() {
        let config = read(r#"{"url":"https://git.example/x.git"}"#);
        let problems = config.build().err().unwrap();
        assert_eq!(problems[0].key, "url");
        assert!(problems[0].message.contains("`https`"), "{problems:?}");
    }
}
