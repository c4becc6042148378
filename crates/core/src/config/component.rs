//! Makes one component from its table.

use figment::value::{Dict, Value};

use super::keys::ALERT_KEYS;
use super::table::Issue;
use crate::{Alerter, Component, Kind, Plugin, Sink, Source, StateStore, Trigger, registered};

/// What a component of this trait is called in the file.
pub(crate) trait Role: 'static {
    const KIND: Kind;
    /// The engine's keys in the component's table.
    const ENGINE_KEYS: &'static [&'static str] = &[];
}

impl Role for dyn Source {
    const KIND: Kind = Kind::Source;
}

impl Role for dyn Sink {
    const KIND: Kind = Kind::Sink;
}

impl Role for dyn Trigger {
    const KIND: Kind = Kind::Trigger;
}

impl Role for dyn Alerter {
    const KIND: Kind = Kind::Alert;
    const ENGINE_KEYS: &'static [&'static str] = &ALERT_KEYS;
}

impl Role for dyn StateStore {
    const KIND: Kind = Kind::State;
}

/// Makes the component that a table describes.
pub(crate) fn build<P: Role + ?Sized>(table: &Value) -> Result<Component<P>, Vec<Issue>>
where
    Plugin<P>: inventory::Collect,
{
    let plugin = plugin_of::<P>(table).map_err(|issue| vec![issue])?;
    let own = without(table, |key| key == "type" || P::ENGINE_KEYS.contains(&key));
    plugin.parse(own).map_err(|issues| {
        let known_here = |issue: Issue| match issue.known {
            Some(mut known) if issue.path.len() == 1 => {
                known.extend(P::ENGINE_KEYS.iter().map(|&key| key.to_owned()));
                Issue {
                    known: Some(known),
                    ..issue
                }
            }
            _ => issue,
        };
        issues.into_iter().map(known_here).collect()
    })
}

/// The table with the engine's keys only.
pub(crate) fn engine_part<P: Role + ?Sized>(table: &Value) -> Value {
    without(table, |key| !P::ENGINE_KEYS.contains(&key))
}

fn plugin_of<P: Role + ?Sized>(table: &Value) -> Result<&'static Plugin<P>, Issue>
where
    Plugin<P>: inventory::Collect,
{
    let plugins = registered::<P>();
    let known = plugins.keys().copied();
    let Some(value) = table.find_ref("type") else {
        let message = format!("this {} has no `type`", P::KIND);
        return Err(Issue::new(&[], message, Some(table.tag())).expecting(known));
    };
    let Some(name) = value.as_str() else {
        return Err(
            Issue::new(&["type"], "`type` must be a string", Some(value.tag())).expecting(known),
        );
    };
    plugins.get(name).copied().ok_or_else(|| {
        let message = format!("unknown type `{}`", name.escape_debug());
        Issue::new(&["type"], message, Some(value.tag())).expecting(known)
    })
}

fn without(table: &Value, leave_out: impl Fn(&str) -> bool) -> Value {
    let Value::Dict(tag, dict) = table else {
        return table.clone();
    };
    let kept: Dict = dict
        .iter()
        .filter(|(key, _)| !leave_out(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    Value::Dict(*tag, kept)
}
