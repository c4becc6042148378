//! What a run's result says about a checkout.

use gitbarge_core::Receipt;
use gitbarge_git::worktree::{Change, printable};
use gix::bstr::ByteSlice as _;
use serde_json::{Map, Value, json};

use crate::apply::Outcome;

/// The keys of a checkout at which nothing was to be done.
pub(crate) fn unchanged(kept: &[Change]) -> Map<String, Value> {
    let mut details = Map::new();
    details.insert("files_written".to_owned(), json!(0));
    if !kept.is_empty() {
        details.insert("kept".to_owned(), changes(kept));
    }
    details
}

/// What a delivery did, with what was `repaired` of the repository itself.
pub(crate) fn receipt(outcome: Outcome) -> Receipt {
    let mut details = unchanged(&outcome.kept_nested);
    details.insert(
        "files_written".to_owned(),
        json!(outcome.reset.files_written),
    );
    details.insert("discarded".to_owned(), discarded(&outcome));
    if outcome.forced {
        details.insert("forced".to_owned(), json!(true));
    }
    if !outcome.repaired.is_empty() {
        details.insert("repaired".to_owned(), json!(outcome.repaired));
    }
    if let Some(branch) = &outcome.followed {
        details.insert("followed".to_owned(), json!(branch));
    }
    if !outcome.reset.submodules.is_empty() {
        let paths: Vec<_> = outcome
            .reset
            .submodules
            .iter()
            .map(|path| printable(path.as_bstr()))
            .collect();
        details.insert(
            "submodules".to_owned(),
            json!({ "mode": "off", "paths": paths }),
        );
    }
    Receipt {
        changed: outcome.changed,
        from: outcome.from,
        subject: outcome.subject,
        details,
    }
}

fn discarded(outcome: &Outcome) -> Value {
    let lost = &outcome.lost;
    if outcome.reset.discarded.is_empty()
        && lost.commits.is_empty()
        && outcome.operations.is_empty()
    {
        return Value::Null;
    }
    let commits: Vec<_> = lost
        .commits
        .iter()
        .map(|c| json!({ "id": c.id.to_string(), "subject": c.subject }))
        .collect();
    let mut discarded = json!({
        "working_tree": changes(&outcome.reset.discarded),
        "commits": commits,
        "kept_at": lost.kept_at,
    });
    if !outcome.operations.is_empty() {
        discarded["operations"] = json!(outcome.operations);
    }
    discarded
}

fn changes(changes: &[Change]) -> Value {
    changes
        .iter()
        .map(|c| json!({ "code": c.code, "path": printable(c.path.as_bstr()) }))
        .collect()
}
