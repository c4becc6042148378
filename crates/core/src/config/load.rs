//! Reads files, folders, variables and options into a [`Config`].
use super::Config;
use crate::Problem;
/// TODO
#[derive(Debug, Default)]
pub struct Loader {}
impl Loader {
    /// TODO
    pub fn load(&self) -> Result<Config, Vec<Problem>> {
        todo!()
    }
}
