//! Finds and loads the configuration: what the library must not read by itself is read here.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use gitbarge_core::Problem;
use gitbarge_core::config::{Config, Loader, Pipeline};

use crate::args::Common;
use crate::exit::Exit;
use crate::terminal::{BAD, Terminal};

/// Where the configuration is looked for, in this order.
const PLACES: [&str; 2] = ["gitbarge.toml", "/etc/gitbarge/gitbarge.toml"];

/// Loads the configuration or prints every problem of it.
pub(crate) fn load(common: &Common, terminal: &Terminal) -> Result<Config, Exit> {
    try_load(common).map_err(|problems| {
        report(&problems, terminal);
        Exit::Usage
    })
}

/// Loads the configuration.
pub(crate) fn try_load(common: &Common) -> Result<Config, Vec<Problem>> {
    let files = match &common.config[..] {
        [] => vec![found().ok_or_else(|| vec![not_found()])?],
        named => named.to_vec(),
    };
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let loader = Loader {
        files,
        environment: env::vars_os().filter_map(text).collect(),
        overrides: common.set.clone(),
        default_state: default_state(),
    };
    loader.load()
}

/// Prints problems on stderr.
pub(crate) fn report(problems: &[Problem], terminal: &Terminal) {
    for problem in problems {
        terminal.remark(format!("{BAD}problem:{BAD:#} {problem}"));
    }
}

/// Checks names of pipelines before anything is done; an unknown one is answered with the known.
pub(crate) fn select<'c>(
    config: &'c Config,
    names: &[String],
    terminal: &Terminal,
) -> Result<Vec<&'c Pipeline>, Exit> {
    for name in names {
        if !config
            .pipelines
            .iter()
            .any(|pipeline| pipeline.name == *name)
        {
            let known: Vec<&str> = config.pipelines.iter().map(|p| p.name.as_str()).collect();
            terminal.complain(
                format!("there is no pipeline `{}`", name.escape_debug()),
                format!("the configuration has {}", known.join(", ")),
            );
            return Err(Exit::Usage);
        }
    }
    let is_meant = |pipeline: &&Pipeline| names.is_empty() || names.contains(&pipeline.name);
    Ok(config.pipelines.iter().filter(is_meant).collect())
}

/// The folder of the state, where nothing else is said.
pub(crate) fn default_state() -> Option<PathBuf> {
    state_home().map(|home| home.join("gitbarge"))
}

fn found() -> Option<PathBuf> {
    PLACES
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists())
}

fn not_found() -> Problem {
    let [here, system] = PLACES;
    Problem::new(
        "",
        format!(
            "there is no configuration: neither `./{here}` nor `{system}` exists; write one with `gitbarge init`, or name one with `-c FILE`"
        ),
    )
}

/// Where programs keep their state, as the XDG base directory specification says: a relative path does not count.
fn state_home() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let home = || Some(absolute("HOME")?.join(Path::new(".local/state")));
    absolute("XDG_STATE_HOME").or_else(home)
}
