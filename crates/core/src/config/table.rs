//! Reads one table into a type, and finds every problem in it rather than the first.

use figment::error::Kind;
use figment::value::{Dict, Tag, Value};
use serde::de::DeserializeOwned;

use crate::Problem;

/// A problem with a place in a figment: a path, and the tag that leads to the file.
#[derive(Debug)]
pub(crate) struct Issue {
    pub(crate) path: Vec<String>,
    pub(crate) message: String,
    /// What is known, where the problem is that something is not.
    pub(crate) known: Option<Vec<String>>,
    pub(crate) tag: Option<Tag>,
}

impl Issue {
    pub(crate) fn new(path: &[&str], message: impl Into<String>, tag: Option<Tag>) -> Self {
        Self {
            path: path.iter().map(|&s| s.to_owned()).collect(),
            message: message.into(),
            known: None,
            tag,
        }
    }

    /// Adds what would have been right.
    pub(crate) fn expecting(mut self, known: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.known = Some(known.into_iter().map(Into::into).collect());
        self
    }

    /// Locates what a plugin said about one of its keys.
    pub(crate) fn of_problem(problem: Problem, table: &Value) -> Self {
        let path: Vec<String> = problem
            .key
            .split('.')
            .filter(|s| !s.is_empty())
            .map(str::to_owned)
            .collect();
        let tag = find(table, &path).unwrap_or(table).tag();
        Self {
            path,
            message: problem.message,
            known: None,
            tag: Some(tag),
        }
    }

    /// Puts the table's own path before the issue's.
    pub(crate) fn below(mut self, prefix: &[&str]) -> Self {
        self.path.splice(0..0, prefix.iter().map(|&s| s.to_owned()));
        self
    }
}

/// Deserialises a table. On failure the faulty key is set aside and the rest is tried again, so that all problems are found.
pub(crate) fn read_table<T: DeserializeOwned>(table: &Value) -> Result<T, Vec<Issue>> {
    let mut issues = Vec::new();
    let mut set_aside: Vec<String> = Vec::new();
    let mut rest = table.clone();
    loop {
        let error = match rest.deserialize::<T>() {
            Ok(value) if issues.is_empty() => return Ok(value),
            Ok(_) => return Err(issues),
            Err(error) => error,
        };
        for error in error {
            if let Kind::MissingField(field) = &error.kind
                && set_aside.iter().any(|key| key == field.as_ref())
            {
                return Err(issues);
            }
            let issue = issue_of(error, &rest);
            let removed = issue.path.first().cloned();
            issues.push(issue);
            match removed.filter(|key| remove(&mut rest, key)) {
                Some(key) => set_aside.push(key),
                None => return Err(issues),
            }
        }
    }
}

fn issue_of(error: figment::Error, table: &Value) -> Issue {
    let mut path = error.path.clone();
    if let Kind::UnknownField(field, _) = &error.kind
        && path.last() != Some(field)
    {
        path.push(field.clone());
    }
    let tag = find(table, &path).unwrap_or(table).tag();
    let known = match &error.kind {
        Kind::UnknownField(_, known) | Kind::UnknownVariant(_, known) => {
            Some(known.iter().map(|&name| name.to_owned()).collect())
        }
        _ => None,
    };
    let message = match &error.kind {
        Kind::UnknownField(field, _) => format!("unknown field: found `{field}`"),
        Kind::UnknownVariant(value, _) => format!("unknown value: found `{value}`"),
        kind => kind.to_string(),
    };
    Issue {
        path,
        message,
        known,
        tag: Some(tag),
    }
}

/// The required keys that a table lacks, beyond the first one, which is all that serde reports.
pub(crate) fn missing_keys(schema: &schemars::Schema, table: &Value) -> Vec<Issue> {
    let required = schema.get("required").and_then(|keys| keys.as_array());
    let names = required
        .into_iter()
        .flatten()
        .filter_map(|key| key.as_str());
    names
        .filter(|name| {
            table
                .as_dict()
                .is_some_and(|dict| !dict.contains_key(*name))
        })
        .map(|name| {
            Issue::new(
                &[],
                Kind::MissingField(name.to_owned().into()).to_string(),
                Some(table.tag()),
            )
        })
        .collect()
}

/// Names in backquotes, for messages that list what is known.
pub(crate) fn listed(names: &[impl AsRef<str>]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let quoted: Vec<String> = names
        .iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect();
    quoted.join(", ")
}

/// The value at a path.
pub(crate) fn find<'v>(table: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter()
        .try_fold(table, |value, key| value.as_dict()?.get(key))
}

fn remove(table: &mut Value, key: &str) -> bool {
    match table {
        Value::Dict(_, dict) => Dict::remove(dict, key).is_some(),
        _ => false,
    }
}
