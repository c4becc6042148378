//! `gitbarge init`: a commented configuration to start from.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use gitbarge_core::config::Loader;

use crate::args::Common;
use crate::configuration;
use crate::exit::Exit;
use crate::terminal::{GOOD, Terminal};

mod starter;

use starter::{SourceKind, Starter};

const DEFAULT_KEY: &str = "GITBARGE_SSHKEY";

/// The options of `init`. What is needed and left out is asked for on a terminal.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The repository: git@host:owner/name.git, ssh://…, or a path on this machine
    #[arg(long)]
    url: Option<String>,
    /// The folder to keep equal to it
    #[arg(long)]
    path: Option<String>,
    /// The environment variable that holds the SSH deploy key [default: GITBARGE_SSHKEY]
    #[arg(long, value_name = "VARIABLE")]
    key_env: Option<String>,
    /// The branch, tag or full hash to follow [default: the remote's HEAD]
    #[arg(long = "ref")]
    reference: Option<String>,
    /// The environment variable that holds the URL of a Slack webhook, to be told about failures
    #[arg(long, value_name = "VARIABLE")]
    slack_env: Option<String>,
    /// The file to write
    #[arg(long, short, default_value = "gitbarge.toml")]
    output: PathBuf,
    /// Overwrite the file if it exists
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: InitArgs, _: &Common, terminal: &Terminal) -> Exit {
    if !args.force && args.output.symlink_metadata().is_ok() {
        terminal.complain(
            format!("`{}` exists already", args.output.display()),
            "choose another file with `--output FILE`, or overwrite it with `--force`",
        );
        return Exit::Usage;
    }
    let Some(starter) = starter(&args, terminal) else {
        return Exit::Usage;
    };
    match write(&starter, &args.output, terminal) {
        Ok(()) => {
            let file = args.output.display();
            terminal.print(format!(
                "{GOOD}wrote{GOOD:#} `{file}`: read it, then try `gitbarge check --connect -c {file}` and `gitbarge sync -c {file}`"
            ));
            Exit::Good
        }
        Err(exit) => exit,
    }
}

fn starter(args: &InitArgs, terminal: &Terminal) -> Option<Starter> {
    let asks = (args.url.is_none() || args.path.is_none()) && Terminal::can_ask();
    let answer = |given: &Option<String>, question: &str, default: Option<&str>| {
        let ask = || {
            if asks {
                terminal.ask(question, default)
            } else {
                default.map(str::to_owned)
            }
        };
        given
            .clone()
            .or_else(ask)
            .filter(|answer| !answer.is_empty())
    };
    let url = answer(
        &args.url,
        "Repository (git@host:owner/name.git, or a path)",
        None,
    );
    let Some(url) = url else {
        terminal.complain(
            "the repository is missing",
            "name it with `--url`, or run this on a terminal to be asked",
        );
        return None;
    };
    let kind = SourceKind::of(&url);
    let path = answer(&args.path, "Folder to keep equal to it", None);
    let Some(path) = path else {
        terminal.complain(
            "the folder is missing",
            "name it with `--path`, or run this on a terminal to be asked",
        );
        return None;
    };
    let reference = answer(
        &args.reference,
        "Branch, tag or hash (empty: the remote's HEAD)",
        Some(""),
    );
    let key_env = match kind {
        SourceKind::Ssh => answer(
            &args.key_env,
            "Environment variable with the SSH deploy key",
            Some(DEFAULT_KEY),
        ),
        SourceKind::Local | SourceKind::Http => None,
    };
    let slack_env = answer(
        &args.slack_env,
        "Environment variable with a Slack webhook URL (empty: no alerts)",
        Some(""),
    );
    Some(Starter {
        url,
        kind,
        path,
        reference,
        key_env,
        slack_env,
    })
}

/// Writes beside the file first: it appears under its name only if it is complete and right.
fn write(starter: &Starter, output: &Path, terminal: &Terminal) -> Result<(), Exit> {
    let mut draft = output.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    let failed = |error: std::io::Error| {
        terminal.complain(
            format!("failed to write `{}`: {error}", output.display()),
            "choose another file with `--output FILE`",
        );
        Exit::Usage
    };
    fs::write(&draft, starter.text()).map_err(failed)?;
    // The file alone is judged, whatever this shell's variables override.
    let loader = Loader {
        files: vec![draft.clone()],
        default_state: Some(PathBuf::from("state")),
        ..Loader::default()
    };
    let result = match loader.load() {
        Ok(_) => fs::rename(&draft, output).map_err(failed),
        Err(mut problems) => {
            for problem in &mut problems {
                problem.origin = Some("the answers".to_owned());
            }
            configuration::report(&problems, terminal);
            Err(Exit::Usage)
        }
    };
    if result.is_err() {
        // The draft is of no use to anybody; the failure itself is reported already.
        fs::remove_file(&draft).ok();
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn init(output: &Path, url: &str, force: bool) -> Exit {
        let args = InitArgs {
            url: Some(url.to_owned()),
            path: Some("/home/src/site".to_owned()),
            key_env: None,
            reference: Some("main".to_owned()),
            slack_env: Some("HOOK".to_owned()),
            output: output.to_owned(),
            force,
        };
        run(args, &Common::default(), &Terminal::default())
    }

    #[test]
    fn a_file_is_overwritten_by_force_only() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("gitbarge.toml");
        assert_eq!(init(&output, "git@host:a/first.git", false), Exit::Good);
        assert_eq!(init(&output, "git@host:a/second.git", false), Exit::Usage);
        assert!(fs::read_to_string(&output).unwrap().contains("first"));
        assert_eq!(init(&output, "git@host:a/second.git", true), Exit::Good);
        assert!(fs::read_to_string(&output).unwrap().contains("second"));
    }

    #[test]
    fn answers_that_make_no_valid_file_leave_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("gitbarge.toml");
        assert_eq!(
            init(&output, "ssh://-oProxyCommand=x/y", false),
            Exit::Usage
        );
        assert_eq!(dir.path().read_dir().unwrap().count(), 0);
    }
}
