//! Results in words: a line for each run, and what the reader must know below it.

use gitbarge_core::{Error, Failure};
use gitbarge_engine::{RunRecord, RunStatus, SinkRecord};
use serde_json::Value;

use crate::exit::Exit;
use crate::terminal::Terminal;
use crate::terminal::{BAD, FAINT, GOOD, NOTABLE};

/// The most that is listed of what was discarded; the rest is counted.
const MOST_LISTED: usize = 10;

/// A run's result, with what was discarded and what failed.
pub(crate) fn result(record: &RunRecord) -> String {
    let mut lines = vec![headline(record)];
    lines.extend(record.error.as_ref().and_then(hint));
    for sink in &record.sinks {
        lines.extend(sink_lines(sink, record.error.as_ref()));
    }
    lines.join("\n")
}

/// A run's result in one line.
pub(crate) fn headline(record: &RunRecord) -> String {
    let name = &record.pipeline;
    if record.is_failed() {
        return match &record.error {
            Some(error) => format!("{name}: {}", failed(error)),
            None => format!("{name}: {BAD}failed{BAD:#}"),
        };
    }
    let seconds = record.duration_ms as f64 / 1000.0;
    let parts = [
        Some(status(record.status)),
        commits(record.from.as_deref(), record.to.as_deref()),
        record.reference.clone(),
        record
            .subject
            .as_ref()
            .map(|subject| format!("\"{}\"", printable(subject))),
        Some(format!("{FAINT}in {seconds:.1} s{FAINT:#}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("{name}: {}", parts.join(" "))
}

/// A run's result in one line, with its time.
pub(crate) fn dated(record: &RunRecord) -> String {
    let time = record.started_at.strftime("%Y-%m-%d %H:%M:%SZ");
    format!("{FAINT}{time}{FAINT:#}  {}", headline(record))
}

/// Prints an error that leaves nothing to do.
pub(crate) fn fatal(error: &Error, terminal: &Terminal) -> Exit {
    let failure = error.failure();
    let hint = failure
        .hint
        .unwrap_or_else(|| "run again with `-v` to see more".to_owned());
    terminal.complain(failure.message, hint);
    Exit::Failed
}

/// What a component said when it failed, with a hint.
pub(crate) fn failure(name: &str, failure: &Failure) -> String {
    let lines = [Some(format!("{name}: {}", failed(failure))), hint(failure)];
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// A status in its colour.
fn status(status: RunStatus) -> String {
    match status {
        RunStatus::Synced => format!("{GOOD}synced{GOOD:#}"),
        RunStatus::Unchanged => "unchanged".to_owned(),
        RunStatus::Failed => format!("{BAD}failed{BAD:#}"),
    }
}

/// A hash as short as people write it.
fn short(hash: &str) -> &str {
    hash.get(..7).unwrap_or(hash)
}

/// A failure in one line.
fn failed(error: &Failure) -> String {
    format!("{BAD}failed{BAD:#} ({}): {}", error.kind, error.message)
}

/// What to do about a failure.
fn hint(error: &Failure) -> Option<String> {
    error.hint.as_ref().map(|hint| format!("  hint: {hint}"))
}

fn commits(from: Option<&str>, to: Option<&str>) -> Option<String> {
    match (from, to?) {
        (Some(from), to) if from != to => Some(format!("{} → {}", short(from), short(to))),
        (_, to) => Some(short(to).to_owned()),
    }
}

fn sink_lines(sink: &SinkRecord, run_error: Option<&Failure>) -> Vec<String> {
    let name = &sink.name;
    let mut lines = Vec::new();
    if let Some(error) = sink
        .error
        .as_ref()
        .filter(|error| Some(*error) != run_error)
    {
        lines.push(format!("  {name}: {}", failed(error)));
        lines.extend(hint(error).map(|hint| format!("  {hint}")));
    }
    if let Some(discarded) = sink.details.get("discarded") {
        lines.extend(discarded_lines(name, discarded));
    }
    lines
}

fn discarded_lines(name: &str, discarded: &Value) -> Vec<String> {
    let list = |key: &str| {
        discarded[key]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
    };
    let changes = list("working_tree").iter().map(|change| {
        let part = |key: &str| change[key].as_str().unwrap_or_default();
        format!("    {} {}", part("code"), part("path"))
    });
    let commits = list("commits").iter().map(|commit| {
        let part = |key: &str| commit[key].as_str().unwrap_or_default();
        format!(
            "    commit {} \"{}\"",
            short(part("id")),
            printable(part("subject"))
        )
    });
    let items: Vec<String> = commits.chain(changes).collect();
    if items.is_empty() {
        return Vec::new();
    }
    let kept = discarded["kept_at"].as_str();
    let kept = kept
        .map(|at| format!("; the commits are kept at {at}"))
        .unwrap_or_default();
    let mut lines = vec![format!(
        "  {name}: {NOTABLE}discarded{NOTABLE:#} local work{kept}"
    )];
    lines.extend(items.iter().take(MOST_LISTED).cloned());
    if items.len() > MOST_LISTED {
        lines.push(format!(
            "    and {} more, listed by `--json`",
            items.len() - MOST_LISTED
        ));
    }
    lines
}

/// A commit's subject may hold anything, terminal commands included.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
