//! Where programs are looked for.

use std::path::PathBuf;

/// The folders that `PATH` names.
pub fn search_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).collect()
}
