//! The keys of `[state]` with `type = "file"`.

use std::path::PathBuf;
use std::sync::Arc;

use gitbarge_core::{PluginConfig, Problem, Result, StateStore};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::FileState;

/// Where gitbarge keeps its memory.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// The directory, made on the first write. Several processes may share it.
    pub path: PathBuf,
}

impl PluginConfig<dyn StateStore> for FileConfig {
    const TYPE: &'static str = "file";
    const SUMMARY: &'static str = "remembers in one directory of crash-safe files";
    const EXAMPLE: &'static str = "path = \"/var/lib/gitbarge\"";

    fn build(&self) -> Result<Arc<dyn StateStore>, Vec<Problem>> {
        if self.path.as_os_str().is_empty() {
            return Err(vec![Problem::new("path", "the path is empty")]);
        }
        Ok(Arc::new(FileState::new(self.path.clone())))
    }

    fn claims(&self) -> Vec<PathBuf> {
        vec![self.path.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_path_is_a_problem_of_its_key() {
        let config = FileConfig {
            path: PathBuf::new(),
        };
        let problems = config.build().err().unwrap();
        assert_eq!(problems, [Problem::new("path", "the path is empty")]);
    }

    #[test]
    fn building_makes_no_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        FileConfig { path: path.clone() }.build().unwrap();
        assert!(!path.exists());
    }
}
