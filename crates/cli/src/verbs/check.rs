//! `gitbarge check`: every problem of the configuration at once.

use clap::Args;
use gitbarge_core::config::Config;
use gitbarge_core::{Failure, Problem};
use gitbarge_engine::Engine;
use serde_json::{Value, json};

use crate::args::Common;
use crate::configuration;
use crate::exit::Exit;
use crate::terminal::{GOOD, NOTABLE, Terminal};
use crate::{process, report};

/// The options of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Also connect to every source, sink and alerter, changing nothing
    #[arg(long)]
    connect: bool,
    /// Print the problems as a JSON array on stdout; warnings among them have `"warning":true`
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: CheckArgs, common: &Common, terminal: &Terminal) -> Exit {
    let config = match checked(common) {
        Ok(config) => config,
        Err(problems) => {
            if args.json {
                terminal.print_json(&problems.iter().map(problem_json).collect::<Vec<_>>());
            } else {
                configuration::report(&problems, terminal);
            }
            return Exit::Usage;
        }
    };
    let warnings = config.warnings();
    if !args.json {
        for warning in &warnings {
            terminal.remark(format!("{NOTABLE}warning:{NOTABLE:#} {warning}"));
        }
    }
    let warnings: Vec<Value> = warnings.iter().map(warning_json).collect();
    if args.connect {
        return connect(&config, args.json.then_some(warnings), terminal);
    }
    if args.json {
        terminal.print_json(&warnings);
    } else {
        terminal.print(ok(&config));
    }
    Exit::Good
}

/// Loads the configuration and reads what it names.
fn checked(common: &Common) -> Result<Config, Vec<Problem>> {
    let config = configuration::try_load(common)?;
    let mut problems = config.inspect();
    let listener = config.http.iter().flat_map(gitbarge_http::inspect);
    problems.extend(listener.map(|problem| Problem {
        key: format!("http.{}", problem.key),
        ..problem
    }));
    match problems {
        problems if problems.is_empty() => Ok(config),
        problems => Err(problems),
    }
}

/// Tries everything; with `json` the failures are printed after what it holds.
fn connect(config: &Config, json: Option<Vec<Value>>, terminal: &Terminal) -> Exit {
    process::run_droppable(terminal, || async {
        let probes = Engine::new(config).probe().await;
        let failures: Vec<(String, Failure)> = probes
            .into_iter()
            .filter_map(|(name, result)| Some((name, result.err()?.failure())))
            .collect();
        if let Some(mut all) = json {
            all.extend(failures.iter().map(failure_json));
            terminal.print_json(&all);
        } else if failures.is_empty() {
            terminal.print(format!("{}, everything answers", ok(config)));
        } else {
            for (name, failure) in &failures {
                terminal.remark(report::failure(name, failure));
            }
        }
        Exit::failed_if(!failures.is_empty())
    })
}

fn failure_json((key, failure): &(String, Failure)) -> Value {
    json!({ "key": key, "kind": failure.kind, "message": failure.message, "hint": failure.hint })
}

fn ok(config: &Config) -> String {
    let count = config.pipelines.len();
    let noun = if count == 1 { "pipeline" } else { "pipelines" };
    format!("{GOOD}ok:{GOOD:#} {count} {noun}")
}

fn problem_json(problem: &Problem) -> Value {
    json!({ "key": problem.key, "message": problem.message, "origin": problem.origin })
}

fn warning_json(problem: &Problem) -> Value {
    let mut warning = problem_json(problem);
    warning["warning"] = true.into();
    warning
}
