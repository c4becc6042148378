//! `gitbarge lfs-agent`: gives git-lfs the files that a mirror has.

use std::env;
use std::path::PathBuf;

use clap::Args;
use gitbarge_core::Run;
use gitbarge_lfs::agent;

use crate::args::Common;
use crate::exit::Exit;
use crate::terminal::Terminal;
use crate::{process, report};

/// The options of `lfs-agent`.
#[derive(Debug, Args)]
pub(crate) struct LfsAgentArgs {
    /// The mirror that was cloned: `https://host/prefix`, or `file:///folder`
    #[arg(value_name = "URL")]
    mirror: String,
}

pub(crate) fn run(args: LfsAgentArgs, _common: &Common, terminal: &Terminal) -> Exit {
    process::run_droppable(terminal, || async {
        let git_dir = env::var_os("GIT_DIR").map(PathBuf::from);
        let served = async {
            let here = env::current_dir()
                .map_err(|e| gitbarge_core::Error::io("cannot tell which folder this is", e))?;
            let folder = agent::folder(&here, git_dir.as_deref())?;
            let run = Run::standalone("lfs-agent");
            agent::serve(
                &args.mirror,
                &folder,
                tokio::io::BufReader::new(tokio::io::stdin()),
                tokio::io::stdout(),
                &run,
            )
            .await
        };
        match served.await {
            Ok(()) => Exit::Good,
            Err(error) => report::fatal(&error, terminal),
        }
    })
}
