//! A table with the place that it stands at, so that everything said about it can be located.

use figment::value::{Dict, Value};

use super::layers::{Layers, Origins};
use super::table::{Issue, find, listed};
use crate::Problem;
use crate::redact::redact;

/// A table with the place that it stands at.
#[derive(Debug)]
pub(crate) struct Place {
    path: Vec<String>,
    table: Value,
    /// What the table itself says, where `table` also holds what `[defaults]` says.
    own: Option<Value>,
    origins: Origins,
}

impl Place {
    /// The whole file.
    pub(crate) fn root(layers: &Layers) -> Self {
        Self::new(layers, &[], Value::from(layers.root.clone()), None)
    }

    /// A table that something outside the file fills in.
    pub(crate) fn filled(layers: &Layers, path: &[&str], own: Value, defaults: &Value) -> Self {
        Self::new(layers, path, filled(&own, Some(defaults)), None)
    }

    /// A table that `[defaults]` fills in.
    pub(crate) fn with_defaults(
        layers: &Layers,
        path: &[&str],
        own: Value,
        defaults: Option<&Value>,
    ) -> Self {
        Self::new(layers, path, filled(&own, defaults), Some(own))
    }

    fn new(layers: &Layers, path: &[&str], table: Value, own: Option<Value>) -> Self {
        Self {
            path: path.iter().map(|&s| s.to_owned()).collect(),
            table,
            own,
            origins: layers.origins.clone(),
        }
    }

    /// The table, with what fills it in.
    pub(crate) fn table(&self) -> &Value {
        &self.table
    }

    /// The place with its keys and origins, without its values.
    pub(crate) fn outline(&self) -> Self {
        Self {
            path: self.path.clone(),
            table: outline(&self.table),
            own: self.own.as_ref().map(outline),
            origins: self.origins.clone(),
        }
    }

    /// Locates what was found wrong with the table.
    pub(crate) fn problem(&self, issue: Issue) -> Problem {
        let prefix = if self.is_of_defaults(&issue.path) {
            &["defaults".to_owned()][..]
        } else {
            &self.path[..]
        };
        let key: Vec<String> = prefix
            .iter()
            .chain(&issue.path)
            .map(|s| s.escape_debug().to_string())
            .collect();
        let message = match issue.known {
            Some(known) => format!("{}, expected one of {}", issue.message, listed(&known)),
            None => issue.message,
        };
        Problem {
            key: key.join("."),
            message: redact(&message),
            origin: self.origins.of(issue.tag),
        }
    }

    /// Whether a path, or what is there of it, stands in `[defaults]` only.
    fn is_of_defaults(&self, path: &[String]) -> bool {
        let Some(own) = &self.own else { return false };
        let there = (0..=path.len())
            .rev()
            .find(|&n| find(&self.table, &path[..n]).is_some());
        there.is_some_and(|n| find(own, &path[..n]).is_none())
    }
}

/// The keys and origins of a table, without its values.
pub(crate) fn outline(value: &Value) -> Value {
    match value {
        Value::Dict(tag, dict) => {
            let keys = dict.iter();
            Value::Dict(
                *tag,
                keys.map(|(key, value)| (key.clone(), outline(value)))
                    .collect(),
            )
        }
        other => Value::Bool(other.tag(), true),
    }
}

fn filled(own: &Value, defaults: Option<&Value>) -> Value {
    let mut table = own.clone();
    if let (Value::Dict(_, table), Some(Value::Dict(_, defaults))) = (&mut table, defaults) {
        fill_in(table, defaults);
    }
    table
}

/// Adds what the defaults say and the table does not; to a component, only if it is of the same type.
fn fill_in(table: &mut Dict, defaults: &Dict) {
    if differ_in_type(table, defaults) {
        return;
    }
    for (key, default) in defaults {
        match (table.get_mut(key), default) {
            (None, default) => {
                table.insert(key.clone(), default.clone());
            }
            (Some(Value::Dict(_, own)), Value::Dict(_, default)) => fill_in(own, default),
            (Some(_), _) => {}
        }
    }
}

fn differ_in_type(own: &Dict, default: &Dict) -> bool {
    match (own.get("type"), default.get("type")) {
        (Some(own), Some(default)) => own.as_str() != default.as_str(),
        _ => false,
    }
}
