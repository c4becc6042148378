//! `gitbarge status`: the last result of each pipeline.

use clap::Args;
use gitbarge_core::Result;
use gitbarge_core::config::{Config, Pipeline};
use gitbarge_engine::{RunRecord, history};

use crate::args::Common;
use crate::configuration;
use crate::exit::Exit;
use crate::process;
use crate::report;
use crate::terminal::{FAINT, Terminal};

/// The options of `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The pipeline; all of them if none is named
    #[arg(value_name = "PIPELINE")]
    pipeline: Option<String>,
    /// Print a JSON array with the last result of each pipeline that has one
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: StatusArgs, common: &Common, terminal: &Terminal) -> Exit {
    process::run_droppable(terminal, || async {
        let config = match configuration::load(common, terminal) {
            Ok(config) => config,
            Err(exit) => return exit,
        };
        let names: Vec<String> = args.pipeline.into_iter().collect();
        let chosen = match configuration::select(&config, &names, terminal) {
            Ok(chosen) => chosen,
            Err(exit) => return exit,
        };
        match last_results(&config, &chosen).await {
            Ok(results) if args.json => {
                terminal.print_json(
                    &results
                        .iter()
                        .filter_map(|(_, last)| last.as_ref())
                        .collect::<Vec<_>>(),
                );
                Exit::Good
            }
            Ok(results) => {
                let lines: Vec<String> = results
                    .iter()
                    .map(|(name, last)| line(name, last.as_ref()))
                    .collect();
                terminal.print(lines.join("\n"));
                Exit::Good
            }
            Err(error) => report::fatal(&error, terminal),
        }
    })
}

async fn last_results(
    config: &Config,
    chosen: &[&Pipeline],
) -> Result<Vec<(String, Option<RunRecord>)>> {
    let mut results = Vec::new();
    for pipeline in chosen {
        let records = history::read(&config.state.instance, &pipeline.name).await?;
        results.push((pipeline.name.clone(), records.into_iter().next_back()));
    }
    Ok(results)
}

fn line(name: &str, last: Option<&RunRecord>) -> String {
    match last {
        Some(record) => report::dated(record),
        None => format!("{name}: {FAINT}never run{FAINT:#}"),
    }
}
