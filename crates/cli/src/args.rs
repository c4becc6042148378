//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::verbs::alert::TestArgs;
use crate::verbs::check::CheckArgs;
use crate::verbs::history::HistoryArgs;
use crate::verbs::init::InitArgs;
use crate::verbs::lfs_agent::LfsAgentArgs;
use crate::verbs::mirror_git_to_s3::MirrorArgs;
use crate::verbs::plugins::PluginsArgs;
use crate::verbs::run::RunArgs;
use crate::verbs::schema::SchemaArgs;
use crate::verbs::status::StatusArgs;
use crate::verbs::sync::SyncArgs;
use crate::verbs::verify::VerifyArgs;

/// Carries git repositories from where they are pushed to where they are used.
#[derive(Debug, Parser)]
#[command(
    name = "gitbarge",
    version,
    subcommand_required = true,
    arg_required_else_help = true
)]
#[command(
    after_help = "Exit codes: 0 all synced or unchanged, 1 at least one run failed, 2 wrong usage or configuration, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run each pipeline once
    Sync(Verb<SyncArgs>),
    /// Run pipelines whenever their triggers ask, until SIGTERM; SIGHUP reads the configuration again
    Run(Verb<RunArgs>),
    /// Report every problem of the configuration, and what it names but cannot be read
    Check(Verb<CheckArgs>),
    /// Write a commented configuration to start from, asking for what the options leave open
    Init(Verb<InitArgs>),
    /// Show the last result of each pipeline
    Status(Verb<StatusArgs>),
    /// Show the last results of one pipeline, the newest first
    History(Verb<HistoryArgs>),
    /// Work with alerters
    #[command(subcommand)]
    Alert(AlertCommand),
    /// List the component types that this binary knows, or explain one
    Plugins(Verb<PluginsArgs>),
    /// Print the JSON Schema of the configuration, for editors
    Schema(Verb<SchemaArgs>),
    /// Read a target back, and see to it that it is whole
    Verify(Verb<VerifyArgs>),
    /// Mirror repositories to buckets, with the arguments of mirror-git-to-s3
    #[command(name = "mirror-git-to-s3")]
    MirrorGitToS3(Verb<MirrorArgs>),
    /// Give git-lfs the files of a mirror: a custom transfer agent
    LfsAgent(Verb<LfsAgentArgs>),
}

/// The verbs about alerters.
#[derive(Debug, Subcommand)]
pub(crate) enum AlertCommand {
    /// Send a test message through the alerters
    Test(Verb<TestArgs>),
}

/// A verb's own options, and the common ones once more: they may stand on either side of the verb.
#[derive(Debug, Args)]
pub(crate) struct Verb<A: Args> {
    #[command(flatten)]
    pub(crate) own: A,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// The options of every verb.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct Common {
    /// A configuration file, or a folder of them; may be repeated, later ones win [default: ./gitbarge.toml, then /etc/gitbarge/gitbarge.toml]
    #[arg(short, long = "config", value_name = "FILE")]
    pub(crate) config: Vec<PathBuf>,
    /// Override one key of the configuration, such as `pipeline.site.ref=main`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// How log lines on stderr are written [default: text]
    #[arg(long = "log", value_name = "FORMAT")]
    pub(crate) log: Option<LogFormat>,
    /// Log more; may be repeated. GITBARGE_LOG takes filters such as `info,gitbarge_engine=debug`
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Common {
    /// Adds the options that stood behind the verb.
    pub(crate) fn and(mut self, later: Self) -> Self {
        self.config.extend(later.config);
        self.set.extend(later.set);
        self.log = later.log.or(self.log);
        self.verbose = self.verbose.saturating_add(later.verbose);
        self
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn common_options_stand_on_either_side_of_the_verb() {
        let line = "gitbarge -c a --log json -v --set x.y=1 sync -c b -vv --set x.y=2 site";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let Command::Sync(verb) = cli.command else {
            panic!("not a sync")
        };
        let common = cli.common.and(verb.common);
        assert_eq!(common.config, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(common.set, ["x.y=1", "x.y=2"]);
        assert_eq!(common.log, Some(LogFormat::Json));
        assert_eq!(common.verbose, 3);
        assert_eq!(verb.own.pipelines, ["site"]);
    }
}
