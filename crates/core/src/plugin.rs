//! The registry: what this binary can read sources with, deliver to, be triggered by, tell and remember with.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use figment::value::Value;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use crate::config::table::{Issue, missing_keys, read_table};
use crate::{Alerter, Sink, Source, StateStore, Trigger};

/// A plugin that brings refs and packs.
pub type SourcePlugin = Plugin<dyn Source>;
/// A plugin that makes a target equal to a source.
pub type SinkPlugin = Plugin<dyn Sink>;
/// A plugin that says when to run.
pub type TriggerPlugin = Plugin<dyn Trigger>;
/// A plugin that tells people.
pub type AlerterPlugin = Plugin<dyn Alerter>;
/// A plugin that remembers.
pub type StatePlugin = Plugin<dyn StateStore>;

inventory::collect!(SourcePlugin);
inventory::collect!(SinkPlugin);
inventory::collect!(TriggerPlugin);
inventory::collect!(AlerterPlugin);
inventory::collect!(StatePlugin);

/// The keys of one component type, as they stand beside `type` in its table.
///
/// Register it once, in the crate's `lib.rs`:
/// `gitbarge_core::register! { gitbarge_core::SinkPlugin::new::<CheckoutConfig>() }`.
/// The type denies unknown fields, documents every field, and names its defaults by functions.
pub trait PluginConfig<P: ?Sized>: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// What stands in `type`, such as `checkout`.
    const TYPE: &'static str;
    /// What the plugin does, in one line.
    const SUMMARY: &'static str;
    /// A working example: the keys of the table in TOML, without its header.
    const EXAMPLE: &'static str;

    /// Checks purely, then makes the component: no network, clock, file or variable is touched.
    ///
    /// # Errors
    /// Every problem of the table, with keys relative to it.
    fn build(&self) -> Result<Arc<P>, Vec<Problem>>;

    /// Reads what the configuration names, such as variables and files, and returns what is wrong with it. `gitbarge check`
    /// asks for it; a run does not.
    fn inspect(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// The folders that this component alone may write to. Two components whose folders overlap are a problem.
    fn claims(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// Something wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The dotted key. In what a plugin returns it is relative to the plugin's table; empty for the table itself.
    pub key: String,
    /// What is wrong, in a lowercase fragment.
    pub message: String,
    /// The file, variable or option that it stands in. Filled in by the loader.
    pub origin: Option<String>,
}

impl Problem {
    /// A problem with a key.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            message: message.into(),
            origin: None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.key.is_empty() {
            write!(f, " for key \"{}\"", self.key)?;
        }
        match &self.origin {
            Some(origin) => write!(f, " in {origin}"),
            None => Ok(()),
        }
    }
}

/// Which of the five traits a plugin implements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// [`Source`]
    Source,
    /// [`Sink`]
    Sink,
    /// [`Trigger`]
    Trigger,
    /// [`Alerter`]
    Alert,
    /// [`StateStore`]
    State,
}

impl Kind {
    /// All kinds, in the order of the file.
    pub const ALL: [Self; 5] = [
        Self::Source,
        Self::Sink,
        Self::Trigger,
        Self::Alert,
        Self::State,
    ];

    /// The name that the configuration uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sink => "sink",
            Self::Trigger => "trigger",
            Self::Alert => "alert",
            Self::State => "state",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A registered plugin: how to read its table, and what to tell about it.
pub struct Plugin<P: ?Sized + 'static> {
    name: &'static str,
    summary: &'static str,
    example: &'static str,
    parse: fn(Value) -> Result<Component<P>, Vec<Issue>>,
    schema: fn(&mut SchemaGenerator) -> Schema,
}

impl<P: ?Sized + 'static> Plugin<P> {
    /// Registers the component type that `C` configures.
    pub const fn new<C: PluginConfig<P>>() -> Self {
        Self {
            name: C::TYPE,
            summary: C::SUMMARY,
            example: C::EXAMPLE,
            parse: parse::<P, C>,
            schema: C::json_schema,
        }
    }

    /// What stands in `type`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the plugin does, in one line.
    pub fn summary(&self) -> &'static str {
        self.summary
    }

    /// A working example of its keys.
    pub fn example(&self) -> &'static str {
        self.example
    }

    /// The JSON Schema of its keys.
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.schema)(generator)
    }

    /// Reads a table (without `type` and the engine's keys) and makes the component.
    pub(crate) fn parse(&self, table: Value) -> Result<Component<P>, Vec<Issue>> {
        (self.parse)(table)
    }
}

/// All plugins of one kind, by name: `inventory` has no order.
pub fn registered<P: ?Sized + 'static>() -> BTreeMap<&'static str, &'static Plugin<P>>
where
    Plugin<P>: inventory::Collect,
{
    inventory::iter::<Plugin<P>>
        .into_iter()
        .map(|plugin| (plugin.name, plugin))
        .collect()
}

/// A component that was read from the configuration and made.
pub struct Component<P: ?Sized> {
    /// What stood in `type`.
    pub type_name: &'static str,
    /// The component itself.
    pub instance: Arc<P>,
    /// See [`PluginConfig::claims`].
    pub claims: Vec<PathBuf>,
    inspect: Arc<dyn Fn() -> Vec<Problem> + Send + Sync>,
}

impl<P: ?Sized> Component<P> {
    /// A component that was made without a configuration, for tests and for programs of one's own.
    pub fn made(type_name: &'static str, instance: Arc<P>) -> Self {
        Self {
            type_name,
            instance,
            claims: Vec::new(),
            inspect: Arc::new(Vec::new),
        }
    }

    /// See [`PluginConfig::inspect`]. In a component that the loader made, the problems are located.
    pub fn inspect(&self) -> Vec<Problem> {
        (self.inspect)()
    }

    /// Locates every problem that an inspection finds.
    pub(crate) fn locating(
        mut self,
        locate: impl Fn(Problem) -> Problem + Send + Sync + 'static,
    ) -> Self {
        let inspect = self.inspect;
        self.inspect = Arc::new(move || inspect().into_iter().map(&locate).collect());
        self
    }
}

impl<P: ?Sized> Clone for Component<P> {
    fn clone(&self) -> Self {
        Self {
            type_name: self.type_name,
            instance: self.instance.clone(),
            claims: self.claims.clone(),
            inspect: self.inspect.clone(),
        }
    }
}

impl<P: ?Sized> fmt::Debug for Component<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Component({})", self.type_name)
    }
}

fn parse<P: ?Sized + 'static, C: PluginConfig<P>>(
    table: Value,
) -> Result<Component<P>, Vec<Issue>> {
    let config: C = read_table(&table).map_err(|issues| with_missing::<P, C>(issues, &table))?;
    let instance = config.build().map_err(|problems| {
        problems
            .into_iter()
            .map(|problem| Issue::of_problem(problem, &table))
            .collect::<Vec<_>>()
    })?;
    let claims = config.claims();
    Ok(Component {
        type_name: C::TYPE,
        instance,
        claims,
        inspect: Arc::new(move || config.inspect()),
    })
}

fn with_missing<P: ?Sized, C: PluginConfig<P>>(
    mut issues: Vec<Issue>,
    table: &Value,
) -> Vec<Issue> {
    for missing in missing_keys(&C::json_schema(&mut SchemaGenerator::default()), table) {
        if issues.iter().all(|issue| issue.message != missing.message) {
            issues.push(missing);
        }
    }
    issues
}
