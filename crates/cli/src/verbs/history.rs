//! `gitbarge history`: the last results of one pipeline.

use clap::Args;
use gitbarge_engine::history;

use crate::args::Common;
use crate::configuration;
use crate::exit::Exit;
use crate::process;
use crate::report;
use crate::terminal::{FAINT, Terminal};

/// The options of `history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// The pipeline
    #[arg(value_name = "PIPELINE")]
    pipeline: String,
    /// Print the results as a JSON array
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: HistoryArgs, common: &Common, terminal: &Terminal) -> Exit {
    process::run_droppable(terminal, || async {
        let config = match configuration::load(common, terminal) {
            Ok(config) => config,
            Err(exit) => return exit,
        };
        let names = [args.pipeline];
        if let Err(exit) = configuration::select(&config, &names, terminal) {
            return exit;
        }
        let [name] = &names;
        let mut records = match history::read(&config.state.instance, name).await {
            Ok(records) => records,
            Err(error) => return report::fatal(&error, terminal),
        };
        records.reverse();
        if args.json {
            terminal.print_json(&records);
        } else if records.is_empty() {
            terminal.print(format!("{name}: {FAINT}never run{FAINT:#}"));
        } else {
            terminal.print(
                records
                    .iter()
                    .map(report::dated)
                    .collect::<Vec<_>>()
                    .join("\n"),
            );
        }
        Exit::Good
    })
}
