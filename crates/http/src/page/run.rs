//! One run on the page.

use std::fmt::{self, Display, Formatter};

use gitbarge_core::Address;
use gitbarge_engine::{RunRecord, SinkRecord};
use jiff::Timestamp;
use serde_json::Value;

use super::escape::Escaped;
use super::source::without_users;
use crate::metrics::status;

/// How many of the things that were discarded are listed.
const MOST_LISTED: usize = 20;

/// A run as a row of the table.
pub(super) struct Row<'a>(pub(super) &'a RunRecord);

/// What went wrong in a run, and what it has discarded.
pub(super) struct Troubles<'a> {
    pub(super) run: &'a RunRecord,
    pub(super) source: &'a Address,
}

impl Display for Row<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let run = self.0;
        let (began, status) = (time(run.started_at), status(run.status));
        write!(
            f,
            "<tr><td>{began}</td><td class=\"{status}\">{status}</td><td><code>"
        )?;
        match (run.from.as_deref(), run.to.as_deref()) {
            (Some(from), Some(to)) if from != to => {
                write!(f, "{} → {}", Escaped(short(from)), Escaped(short(to)))?;
            }
            (_, to) => write!(f, "{}", Escaped(short(to.unwrap_or("–"))))?,
        }
        let subject = Escaped(run.subject.as_deref().unwrap_or_default());
        let (took, received) = (run.duration_ms, run.bytes_received);
        writeln!(
            f,
            "</code></td><td>{subject}</td><td>{took} ms</td><td>{received} B</td></tr>"
        )
    }
}

impl Display for Troubles<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (sink, failure) in self.run.failures() {
            let (place, kind) = (Escaped(sink.unwrap_or("source")), failure.kind.as_str());
            write!(f, "<p><span class=\"failed\">{place}: {kind}</span></p>")?;
            let message = without_users(&failure.message, self.source);
            writeln!(f, "<pre>{}</pre>", Escaped(&message))?;
            if let Some(hint) = &failure.hint {
                writeln!(f, "<p class=\"faint\">{}</p>", Escaped(hint))?;
            }
        }
        self.run
            .sinks
            .iter()
            .try_for_each(|sink| discarded(sink, f))
    }
}

fn discarded(sink: &SinkRecord, f: &mut Formatter<'_>) -> fmt::Result {
    let Some(discarded) = sink.details.get("discarded") else {
        return Ok(());
    };
    let list = |key: &str| discarded[key].as_array().map_or(&[][..], Vec::as_slice);
    let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    let commits = list("commits").iter();
    let commits =
        commits.map(|item| format!("{} {}", short(&text(item, "id")), text(item, "subject")));
    let changes = list("working_tree").iter();
    let changes = changes.map(|item| format!("{} {}", text(item, "code"), text(item, "path")));
    let items: Vec<String> = commits.chain(changes).collect();
    if items.is_empty() {
        return Ok(());
    }
    write!(f, "<p>{} has discarded local work", Escaped(&sink.name))?;
    if let Some(kept) = discarded["kept_at"].as_str() {
        write!(
            f,
            "; the commits are kept at <code>{}</code>",
            Escaped(kept)
        )?;
    }
    f.write_str("</p><pre>")?;
    for item in items.iter().take(MOST_LISTED) {
        writeln!(f, "{}", Escaped(item))?;
    }
    if let Some(more @ 1..) = items.len().checked_sub(MOST_LISTED) {
        writeln!(f, "and {more} more")?;
    }
    f.write_str("</pre>\n")
}

/// A time as people read it.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A hash as short as people write it.
pub(super) fn short(hash: &str) -> &str {
    hash.get(..7).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(sinks: &Value) -> RunRecord {
        serde_json::from_value(json!({
            "pipeline": "site", "status": "failed", "ref": "refs/heads/main", "from": "a".repeat(40), "to": "b".repeat(40),
            "subject": "<b>bold</b>", "started_at": "2026-01-01T00:00:00Z", "duration_ms": 412, "bytes_received": 2411,
            "error": { "kind": "auth_failed", "message": "<i>no</i>", "hint": "ask" }, "sinks": sinks,
        }))
        .unwrap()
    }

    #[test]
    fn a_run_shows_its_commits_and_its_troubles() {
        let many: Vec<Value> = (0..25)
            .map(|number| json!({ "code": "??", "path": format!("<{number}>") }))
            .collect();
        let sinks = json!([{
            "name": "runner", "type": "checkout", "status": "synced", "from": null, "to": null, "error": null,
            "discarded": { "commits": [{ "id": "c".repeat(40), "subject": "<u>mine</u>" }], "working_tree": many, "kept_at": "refs/x" },
        }]);
        let run = record(&sinks);
        let row = Row(&run).to_string();
        assert!(row.contains("aaaaaaa → bbbbbbb") && row.contains("&lt;b&gt;bold&lt;/b&gt;"));
        let (run, source) = (&run, &Address::new("host:x"));
        let troubles = Troubles { run, source }.to_string();
        for part in [
            "source: auth_failed",
            "&lt;i&gt;no&lt;/i&gt;",
            "ask",
            "ccccccc &lt;u&gt;mine&lt;/u&gt;",
            "?? &lt;0&gt;",
            "refs/x",
            "and 6 more",
        ] {
            assert!(troubles.contains(part), "{part}: {troubles}");
        }
        assert!(!troubles.contains("&lt;24&gt;"));
    }
}
