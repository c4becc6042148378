//! Results in words: a line for each run, and what the reader must know below it.

use gitbarge_core::{Error, Failure};
use gitbarge_engine::{RunRecord, RunStatus};
use serde_json::Value;

use crate::exit::Exit;
use crate::terminal::{BAD, FAINT, GOOD, NOTABLE, Terminal};

/// The most that is listed of what was discarded; the rest is counted.
const MOST_LISTED: usize = 10;

/// A run's result, with what was discarded and what failed.
pub(crate) fn result(record: &RunRecord) -> String {
    let failures: Vec<_> = record.failures().collect();
    let mut lines = vec![headline(record)];
    match &failures[..] {
        [(_, only)] => lines.extend(hint(only)),
        several => {
            for (sink, error) in several {
                lines.push(format!("  {}: {}", sink.unwrap_or("source"), failed(error)));
                lines.extend(hint(error).map(|hint| format!("  {hint}")));
            }
        }
    }
    for sink in &record.sinks {
        let discarded = sink.details.get("discarded");
        lines.extend(
            discarded
                .map(|what| discarded_lines(&sink.name, what))
                .unwrap_or_default(),
        );
    }
    lines.join("\n")
}

/// A run's result in one line; of several failures, the first with the number of the others.
pub(crate) fn headline(record: &RunRecord) -> String {
    let name = &record.pipeline;
    if record.is_failed() {
        let failures: Vec<_> = record.failures().collect();
        return match &failures[..] {
            [] => format!("{name}: {BAD}failed{BAD:#}"),
            [(_, only)] => format!("{name}: {}", failed(only)),
            [(_, first), others @ ..] => {
                format!("{name}: {} (and {} more)", failed(first), others.len())
            }
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

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use serde_json::json;

    use super::*;

    fn record(changes: Value) -> RunRecord {
        let mut record = json!({
            "pipeline": "site", "status": "synced", "ref": "refs/heads/main",
            "from": "a".repeat(40), "to": "b".repeat(40), "subject": "Fix\u{1b}[31m the gate",
            "started_at": "2026-01-01T00:00:00Z", "duration_ms": 412, "bytes_received": 2411, "error": null, "sinks": [],
        });
        for (key, value) in changes.as_object().unwrap() {
            record[key] = value.clone();
        }
        serde_json::from_value(record).unwrap()
    }

    fn sink(name: &str, changes: Value) -> Value {
        let mut sink = json!({ "name": name, "type": "checkout", "status": "synced", "from": null, "to": null, "error": null });
        for (key, value) in changes.as_object().unwrap() {
            sink[key] = value.clone();
        }
        sink
    }

    fn shown(changes: Value) -> String {
        anstream::adapter::strip_str(&result(&record(changes))).to_string()
    }

    #[test]
    fn a_result_is_a_line_with_its_commits() {
        assert_snapshot!(shown(json!({})), @r#"
        site: synced aaaaaaa → bbbbbbb refs/heads/main "Fix[31m the gate" in 0.4 s
        "#);
        assert_snapshot!(shown(json!({ "from": null })), @r#"
        site: synced bbbbbbb refs/heads/main "Fix[31m the gate" in 0.4 s
        "#);
        assert_snapshot!(shown(json!({ "status": "unchanged", "from": "b".repeat(40) })), @r#"
        site: unchanged bbbbbbb refs/heads/main "Fix[31m the gate" in 0.4 s
        "#);
        assert_snapshot!(anstream::adapter::strip_str(&dated(&record(json!({})))), @r#"
        2026-01-01 00:00:00Z  site: synced aaaaaaa → bbbbbbb refs/heads/main "Fix[31m the gate" in 0.4 s
        "#);
    }

    #[test]
    fn what_was_discarded_is_listed_and_the_rest_counted() {
        let changes: Vec<Value> = (0..12)
            .map(|n| json!({ "code": "??", "path": format!("stray{n}") }))
            .collect();
        let discarded = json!({
            "working_tree": changes,
            "commits": [{ "id": "c".repeat(40), "subject": "local-only commit" }],
            "kept_at": "refs/gitbarge/discarded/2026-01-01T00-00-00Z",
        });
        assert_snapshot!(shown(json!({ "sinks": [sink("runner", json!({ "discarded": discarded }))] })), @r#"
        site: synced aaaaaaa → bbbbbbb refs/heads/main "Fix[31m the gate" in 0.4 s
          runner: discarded local work; the commits are kept at refs/gitbarge/discarded/2026-01-01T00-00-00Z
            commit ccccccc "local-only commit"
            ?? stray0
            ?? stray1
            ?? stray2
            ?? stray3
            ?? stray4
            ?? stray5
            ?? stray6
            ?? stray7
            ?? stray8
            and 3 more, listed by `--json`
        "#);
        let nothing = json!({ "working_tree": [], "commits": [], "kept_at": null });
        assert!(
            !shown(json!({ "sinks": [sink("runner", json!({ "discarded": nothing }))] }))
                .contains("discarded")
        );
    }

    #[test]
    fn failures_come_with_their_kinds_and_hints() {
        let error = |kind: &str, message: &str| json!({ "kind": kind, "message": message, "hint": "do something" });
        let of_run =
            json!({ "status": "failed", "error": error("auth_failed", "the key was refused") });
        assert_snapshot!(shown(of_run), @r#"
        site: failed (auth_failed): the key was refused
          hint: do something
        "#);
        let failed = |name: &str| {
            sink(
                name,
                json!({ "status": "failed", "error": error("disk_full", name) }),
            )
        };
        assert_snapshot!(shown(json!({ "status": "failed", "sinks": [failed("a"), sink("b", json!({}))] })), @r#"
        site: failed (disk_full): a
          hint: do something
        "#);
        assert_snapshot!(shown(json!({ "status": "failed", "sinks": [failed("a"), failed("b")] })), @r#"
        site: failed (disk_full): a (and 1 more)
          a: failed (disk_full): a
            hint: do something
          b: failed (disk_full): b
            hint: do something
        "#);
    }
}
