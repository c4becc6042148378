//! Whether the program is there, and may be run.

use std::fs;
use std::path::{Path, PathBuf};

use gitbarge_core::{Error, ErrorKind, search_path};
use rustix::fs::{Access, access};

use crate::ExecConfig;
use crate::environment;

/// Looks for the program and the folder, as starting it would.
///
/// # Errors
/// `config`, naming what is missing, with its key.
pub(crate) fn check(config: &ExecConfig) -> Result<(), (&'static str, Error)> {
    let folder = config.directory.as_deref();
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let message = format!("`{}` is no folder", folder.display());
        return Err(("directory", Error::new(ErrorKind::Config, message)));
    }
    let name = config.command.first().map_or("", String::as_str);
    let found = if name.contains('/') {
        runnable(&folder.unwrap_or(Path::new("")).join(name))
    } else {
        in_path(name, config)
    };
    found.map_err(|what| {
        let message = format!("the program `{name}` {what}");
        let error = Error::new(ErrorKind::Config, message);
        (
            "command",
            error.with_hint("correct `command`, or install the program and make it executable"),
        )
    })
}

fn in_path(name: &str, config: &ExecConfig) -> Result<(), &'static str> {
    let own = config
        .env
        .get("PATH")
        .map(|path| environment::value("PATH", path));
    let folders: Vec<PathBuf> = match own {
        Some(Ok(path)) => std::env::split_paths(path.as_str()).collect(),
        _ => search_path(),
    };
    let mut found = folders.iter().map(|folder| folder.join(name));
    match found.any(|path| runnable(&path).is_ok()) {
        true => Ok(()),
        false => Err("is not in `PATH`"),
    }
}

fn runnable(path: &Path) -> Result<(), &'static str> {
    match fs::metadata(path) {
        Err(_) => Err("is not there"),
        Ok(about) if !about.is_file() => Err("is no file"),
        Ok(_) => access(path, Access::EXEC_OK).map_err(|_| "may not be run by this user"),
    }
}
