//! What a configuration is read from.

use std::path::PathBuf;

use super::Config;
use super::assembly::Assembly;
use super::layers::Layers;
use crate::Problem;

#[cfg(test)]
mod tests;

/// What a configuration is read from. Later layers win: the files in their order, then the environment, then the overrides.
#[derive(Clone, Default)]
pub struct Loader {
    /// TOML files, and folders whose `*.toml` are read in the order of their names.
    pub files: Vec<PathBuf>,
    /// The environment's variables; `GITBARGE_PIPELINE__SITE__REF` sets `pipeline.site.ref`.
    pub environment: Vec<(String, String)>,
    /// Overrides such as `pipeline.site.ref=main`.
    pub overrides: Vec<String>,
    /// The folder of the state, unless `[state]` says otherwise.
    pub default_state: Option<PathBuf>,
}

impl Loader {
    /// Reads everything and makes the components; touches neither the network nor any target.
    ///
    /// # Errors
    /// Every problem that can be found, each with its key and the file, variable or option that it stands in. Where a file
    /// cannot be read at all, only problems of that sort: what else seemed to be missing might stand in it.
    pub fn load(&self) -> Result<Config, Vec<Problem>> {
        let layers = Layers::read(self)?;
        Assembly::new(&layers).config(self.default_state.as_deref())
    }
}
