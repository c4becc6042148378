//! `gitbarge sync`: one run of each pipeline.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use gitbarge_core::config::{Config, Pipeline};
use gitbarge_engine::{Engine, RunRecord};
use tokio_util::sync::CancellationToken;

use crate::args::Common;
use crate::configuration;
use crate::exit::Exit;
use crate::process;
use crate::progress::Display;
use crate::terminal::Terminal;

/// How long cancelled runs may take to say what they have done: a signal ends the process within 100 ms.
const LAST_WORDS: Duration = Duration::from_millis(60);

/// The options of `sync`.
#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    /// The pipelines to run; all of them if none is named
    #[arg(value_name = "PIPELINE")]
    pub(crate) pipelines: Vec<String>,
    /// Print the results as a JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: SyncArgs, common: &Common, terminal: &Terminal) -> Exit {
    process::run(terminal, |interrupted| async move {
        let config = match configuration::load(common, terminal) {
            Ok(config) => config,
            Err(exit) => return exit,
        };
        match configuration::select(&config, &args.pipelines, terminal) {
            Ok(chosen) => sync(&config, &chosen, args.json, terminal, interrupted).await,
            Err(exit) => exit,
        }
    })
}

/// Runs these pipelines once, and shows what came of it.
pub(crate) async fn sync(
    config: &Config,
    chosen: &[&Pipeline],
    json: bool,
    terminal: &Terminal,
    interrupted: CancellationToken,
) -> Exit {
    let names: Vec<String> = chosen
        .iter()
        .map(|pipeline| pipeline.name.clone())
        .collect();
    let display = Arc::new(Display::new(terminal, !json));
    let engine = Engine::new(config);
    let records = tokio::select! {
        records = engine.sync(&names, display.clone(), interrupted.clone()) => records,
        () = last_words(&interrupted) => said_so_far(&display, chosen),
    };
    display.close();
    if json {
        terminal.print_json(&records);
    }
    // Results are out by now: an alerter that does not answer delays none of them.
    tokio::select! {
        biased;
        () = interrupted.cancelled() => return Exit::Interrupted,
        () = engine.tell() => {}
    }
    Exit::failed_if(records.iter().any(RunRecord::is_failed))
}

async fn last_words(interrupted: &CancellationToken) {
    interrupted.cancelled().await;
    tokio::time::sleep(LAST_WORDS).await;
}

/// The records of the runs that have ended; the others were cancelled.
fn said_so_far(display: &Display, chosen: &[&Pipeline]) -> Vec<RunRecord> {
    let ended = display.ended();
    let record = |pipeline: &&Pipeline| {
        let own = ended.iter().find(|record| record.pipeline == pipeline.name);
        own.cloned()
            .unwrap_or_else(|| RunRecord::cancelled(pipeline))
    };
    chosen.iter().map(record).collect()
}
