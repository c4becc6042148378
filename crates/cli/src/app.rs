//! From the command line to the exit code.

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{AlertCommand, Cli, Command};
use crate::exit::Exit;
use crate::logging;
use crate::terminal::Terminal;
use crate::verbs;

/// Does what the command line says. A binary with plugins of its own links them and calls this.
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => dispatch(cli).into(),
        Err(error) => {
            // Nobody is left to tell if neither stdout nor stderr can be written.
            error.print().ok();
            u8::try_from(error.exit_code()).map_or(Exit::Usage.into(), ExitCode::from)
        }
    }
}

fn dispatch(cli: Cli) -> Exit {
    let level = match cli.command {
        Command::Run(_) => tracing::Level::INFO,
        _ => tracing::Level::WARN,
    };
    let terminal = Terminal::default();
    let before = cli.common;
    macro_rules! run {
        ($module:ident, $verb:expr) => {{
            let common = before.and($verb.common);
            logging::start(&common, level, &terminal);
            verbs::$module::run($verb.own, &common, &terminal)
        }};
    }
    match cli.command {
        Command::Sync(verb) => run!(sync, verb),
        Command::Run(verb) => run!(run, verb),
        Command::Check(verb) => run!(check, verb),
        Command::Init(verb) => run!(init, verb),
        Command::Status(verb) => run!(status, verb),
        Command::History(verb) => run!(history, verb),
        Command::Alert(AlertCommand::Test(verb)) => run!(alert, verb),
        Command::Plugins(verb) => run!(plugins, verb),
        Command::Schema(verb) => run!(schema, verb),
        Command::Verify(verb) => run!(verify, verb),
        Command::MirrorGitToS3(verb) => run!(mirror_git_to_s3, verb),
        Command::LfsAgent(verb) => run!(lfs_agent, verb),
    }
}
