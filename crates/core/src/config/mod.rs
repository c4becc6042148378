//! The pipeline file: what may stand in it, and how it becomes components.

mod load;
mod reference;
mod schema;

mod assembly;
mod claims;
mod component;
mod keys;
mod layers;
mod listener;
mod names;
mod overrides;
mod place;
pub(crate) mod table;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Alerter, Component, Problem, Sink, Source, StateStore, Trigger};

pub use listener::{HttpConfig, TlsFiles};
pub use load::Loader;
pub use reference::RefName;
pub use schema::{TableDoc, catalogue, engine_tables, schema};

/// A whole configuration, checked and made into components.
#[derive(Debug, Clone)]
pub struct Config {
    /// How long running syncs may take to end after SIGTERM before they are cancelled.
    pub shutdown_grace: Duration,
    /// The daemon's listener.
    pub http: Option<HttpConfig>,
    /// Where everything is remembered.
    pub state: Component<dyn StateStore>,
    /// The alerters for every pipeline; they stand in each pipeline's own list too.
    pub alerters: Vec<AlertRoute>,
    /// The pipelines, by name.
    pub pipelines: Vec<Pipeline>,
}

impl Config {
    /// Reads what the file names, such as variables and files, and returns what is wrong with it, located.
    pub fn inspect(&self) -> Vec<Problem> {
        let mut problems = self.state.inspect();
        problems.extend(
            self.all_alerters()
                .flat_map(|route| route.component.inspect()),
        );
        for pipeline in &self.pipelines {
            problems.extend(pipeline.source.inspect());
            problems.extend(
                pipeline
                    .sinks
                    .iter()
                    .flat_map(|sink| sink.component.inspect()),
            );
            let triggers = pipeline.triggers.iter();
            problems.extend(triggers.flat_map(|trigger| trigger.component.inspect()));
        }
        distinct(problems)
    }

    /// What is allowed and not wise.
    pub fn warnings(&self) -> Vec<Problem> {
        let is_deaf = |pipeline: &&Pipeline| {
            let mut paths = pipeline
                .triggers
                .iter()
                .map(|trigger| trigger.component.instance.path(&pipeline.name));
            !pipeline.triggers.is_empty() && paths.all(|path| path.is_some())
        };
        let deaf = self.pipelines.iter().filter(is_deaf);
        deaf.map(|pipeline| {
            let key = format!("pipeline.{}.trigger", pipeline.name);
            let message = "a delivery that is lost is never made up for: add a slow trigger of type `poll`, such as `every = \"10m\"`";
            Problem::new(key, message)
        })
        .collect()
    }

    /// All alerters, each once: those for every pipeline, then those of single ones.
    pub fn all_alerters(&self) -> impl Iterator<Item = &AlertRoute> {
        let pipelines = self.pipelines.iter();
        let own = pipelines.flat_map(|pipeline| pipeline.alerters.iter().skip(self.alerters.len()));
        self.alerters.iter().chain(own)
    }
}

/// What `[defaults]` does wrong is found once for each pipeline.
fn distinct(problems: Vec<Problem>) -> Vec<Problem> {
    let mut seen = BTreeSet::new();
    let is_new = |problem: &Problem| seen.insert(problem.clone());
    problems.into_iter().filter(is_new).collect()
}

/// One pipeline.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// The branch, tag or full hash to follow; `None` for the remote's HEAD.
    pub reference: Option<RefName>,
    /// How long one run may take, retries included.
    pub run_timeout: Duration,
    /// How long after its last success it counts as not ready.
    pub stale_after: Option<Duration>,
    /// Where it comes from.
    pub source: Component<dyn Source>,
    /// What must equal it.
    pub sinks: Vec<Named<dyn Sink>>,
    /// When it runs, besides at the start.
    pub triggers: Vec<Named<dyn Trigger>>,
    /// Who is told: the alerters for every pipeline, then its own.
    pub alerters: Vec<AlertRoute>,
}

/// A component with the name of its table.
pub struct Named<P: ?Sized> {
    /// The last part of the table's name.
    pub name: String,
    /// What was made from it.
    pub component: Component<P>,
}

impl<P: ?Sized> Clone for Named<P> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            component: self.component.clone(),
        }
    }
}

impl<P: ?Sized> fmt::Debug for Named<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.name, self.component)
    }
}

/// An alerter with the engine's own keys.
#[derive(Debug, Clone)]
pub struct AlertRoute {
    /// `ops` for `[alert.ops]`, `site/ops` for `[pipeline.site.alert.ops]`: unique in the file.
    pub name: String,
    /// The alerter.
    pub component: Component<dyn Alerter>,
    /// How long the same fault is not told again.
    pub suppress: Duration,
    /// What it is told.
    pub on: Vec<Occasion>,
    /// Whether nothing is sent for now.
    pub paused: Paused,
}

/// What an alerter may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Occasion {
    /// A run has changed a target.
    Synced,
    /// A pipeline fails.
    Failed,
    /// It works again.
    Recovered,
}

/// Whether an alerter is to be silent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Paused {
    /// It speaks.
    #[default]
    No,
    /// It is silent until the file says otherwise.
    Yes,
    /// It is silent until then.
    Until(Timestamp),
}

impl Paused {
    /// Whether it is silent at a time.
    pub fn at(self, now: Timestamp) -> bool {
        match self {
            Self::No => false,
            Self::Yes => true,
            Self::Until(end) => now < end,
        }
    }
}
