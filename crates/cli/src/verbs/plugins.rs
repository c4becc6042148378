//! `gitbarge plugins`: what this binary knows.

use clap::Args;
use gitbarge_core::config::{TableDoc, catalogue, engine_tables};
use serde_json::json;

use crate::args::Common;
use crate::exit::Exit;
use crate::manual::{KeyDoc, keys};
use crate::reference::example;
use crate::terminal::{FAINT, GOOD, Terminal};

/// The options of `plugins`.
#[derive(Debug, Args)]
pub(crate) struct PluginsArgs {
    /// What to explain, such as `sink.checkout`
    #[arg(value_name = "KIND.TYPE")]
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: PluginsArgs, _: &Common, terminal: &Terminal) -> Exit {
    let all = catalogue();
    let Some(name) = &args.name else {
        if args.json {
            terminal.print_json(&all.iter().map(as_json).collect::<Vec<_>>());
        } else {
            terminal.print(list(&all));
        }
        return Exit::Good;
    };
    let Some(table) = all.iter().find(|table| table.name == *name) else {
        let known: Vec<&str> = all.iter().map(|table| table.name.as_str()).collect();
        let name = name.escape_debug();
        terminal.complain(
            format!("there is no plugin `{name}`"),
            format!("this binary knows {}", known.join(", ")),
        );
        return Exit::Usage;
    };
    if args.json {
        terminal.print_json(&as_json(table));
    } else {
        terminal.print(explain(table));
    }
    Exit::Good
}

fn as_json(table: &TableDoc) -> serde_json::Value {
    json!({ "name": table.name, "summary": table.summary, "example": example(table), "keys": table.schema })
}

fn list(tables: &[TableDoc]) -> String {
    let width = tables
        .iter()
        .map(|table| table.name.len())
        .max()
        .unwrap_or_default();
    let line = |table: &TableDoc| {
        let (name, summary) = (&table.name, &table.summary);
        format!("{GOOD}{name:width$}{GOOD:#}  {summary}")
    };
    let mut lines: Vec<String> = tables.iter().map(line).collect();
    lines.push(format!(
        "{FAINT}`gitbarge plugins KIND.TYPE` explains the keys of one.{FAINT:#}"
    ));
    lines.join("\n")
}

fn explain(table: &TableDoc) -> String {
    let keys = all_keys(table);
    let width = keys
        .iter()
        .map(|key| key.name.len())
        .max()
        .unwrap_or_default();
    let line = |key: &KeyDoc| {
        let (name, kind) = (&key.name, &key.kind);
        let presence = key.presence();
        format!(
            "  {GOOD}{name:width$}{GOOD:#}  {kind}, {presence}\n  {:width$}  {}\n",
            "", key.meaning
        )
    };
    let keys: String = keys.iter().map(line).collect();
    let example: String = example(table)
        .lines()
        .map(|line| format!("  {line}\n"))
        .collect();
    format!(
        "{}: {}\n\nkeys:\n{keys}\nexample:\n{example}",
        table.name, table.summary
    )
}

/// A component's own keys and, in an alerter's table, the engine's.
fn all_keys(table: &TableDoc) -> Vec<KeyDoc> {
    let kind = table.name.split('.').next();
    let engine = engine_tables()
        .into_iter()
        .filter(|engine| Some(engine.name.as_str()) == kind);
    let engine = engine.flat_map(|engine| keys(&engine.schema));
    keys(&table.schema).into_iter().chain(engine).collect()
}
