//! `gitbarge verify`: reads targets back.

use clap::Args;
use gitbarge_core::Result;
use gitbarge_engine::Engine;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::args::Common;
use crate::configuration;
use crate::exit::Exit;
use crate::terminal::{GOOD, Terminal};
use crate::{process, report};

/// The options of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The sink, or the pipeline all of whose sinks are meant
    #[arg(value_name = "PIPELINE[/SINK]")]
    target: String,
    /// Print what was found as a JSON array
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: VerifyArgs, common: &Common, terminal: &Terminal) -> Exit {
    process::run_droppable(terminal, || async {
        match verified(&args, common, terminal).await {
            Ok((pipeline, results)) => show(&pipeline, &results, args.json, terminal),
            Err(exit) => exit,
        }
    })
}

type Verified = (String, Result<Map<String, Value>>);

async fn verified(
    args: &VerifyArgs,
    common: &Common,
    terminal: &Terminal,
) -> Result<(String, Vec<Verified>), Exit> {
    let config = configuration::load(common, terminal)?;
    let (name, sink) = match args.target.split_once('/') {
        Some((name, sink)) => (name.to_owned(), Some(sink)),
        None => (args.target.clone(), None),
    };
    let chosen = configuration::select(&config, std::slice::from_ref(&name), terminal)?;
    let cancel = CancellationToken::new();
    let results = Engine::new(&config).verify(chosen[0], sink, cancel).await;
    if results.is_empty() {
        let known: Vec<&str> = chosen[0]
            .sinks
            .iter()
            .map(|sink| sink.name.as_str())
            .collect();
        terminal.complain(
            format!(
                "the pipeline `{name}` has no sink `{}`",
                sink.unwrap_or_default()
            ),
            format!("it has {}", known.join(", ")),
        );
        return Err(Exit::Usage);
    }
    Ok((name, results))
}

fn show(pipeline: &str, results: &[Verified], json: bool, terminal: &Terminal) -> Exit {
    if json {
        let found: Vec<Value> = results
            .iter()
            .map(|result| as_json(pipeline, result))
            .collect();
        terminal.print_json(&found);
    } else {
        for (sink, result) in results {
            let name = format!("{pipeline}/{sink}");
            match result {
                Ok(found) => terminal.print(format!("{name}: {GOOD}whole{GOOD:#}{}", words(found))),
                Err(error) => terminal.remark(report::failure(&name, &error.failure())),
            }
        }
    }
    Exit::failed_if(results.iter().any(|(_, result)| result.is_err()))
}

fn as_json(pipeline: &str, (sink, result): &Verified) -> Value {
    let (found, error) = match result {
        Ok(found) => (json!(found), Value::Null),
        Err(error) => (Value::Null, json!(error.failure())),
    };
    let status = if error.is_null() { "whole" } else { "failed" };
    json!({ "pipeline": pipeline, "sink": sink, "status": status, "found": found, "error": error })
}

fn words(found: &Map<String, Value>) -> String {
    let word = |(what, count): (&String, &Value)| format!(", {count} {}", what.replace('_', " "));
    found.iter().map(word).collect()
}
