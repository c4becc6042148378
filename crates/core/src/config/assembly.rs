//! Makes a [`Config`] from the merged layers, and collects everything that is wrong with them.

use std::path::Path;

use figment::value::{Dict, Value};
use serde::de::DeserializeOwned;

use super::claims::{Claim, overlaps};
use super::component::{self, Role};
use super::keys::{AlertKeys, PipelineKeys, RootKeys};
use super::layers::Layers;
use super::listener::{self, Hook};
use super::names;
use super::place::{Place, outline};
use super::table::{Issue, read_table};
use super::{AlertRoute, Config, Named, Pipeline, distinct};
use crate::{Alerter, Component, Plugin, Problem, StateStore, Trigger};

const NO_PIPELINES: &str = "there are no pipelines: add a table `[pipeline.NAME]`";

/// Makes a configuration from the merged layers.
pub(crate) struct Assembly<'l> {
    layers: &'l Layers,
    claims: Vec<Claim>,
    hooks: Vec<Hook>,
    problems: Vec<Problem>,
}

impl<'l> Assembly<'l> {
    pub(crate) fn new(layers: &'l Layers) -> Self {
        Self {
            layers,
            claims: Vec::new(),
            hooks: Vec::new(),
            problems: Vec::new(),
        }
    }

    pub(crate) fn config(mut self, default_state: Option<&Path>) -> Result<Config, Vec<Problem>> {
        let root = Place::root(self.layers);
        let keys: RootKeys = self.read(&root, &[], root.table()).unwrap_or_default();
        let state = self.state(&root, default_state);
        let alerters = self.alerters(&root, "");
        let pipelines = self.pipelines(&root, &alerters);
        self.problems.extend(overlaps(self.claims));
        let is_listening = root.table().find_ref("http").is_some();
        self.problems
            .extend(listener::faults(self.hooks, is_listening));
        match state {
            Some(state) if self.problems.is_empty() => Ok(Config {
                shutdown_grace: keys.shutdown_grace,
                http: keys.http,
                state,
                alerters,
                pipelines,
            }),
            _ => Err(distinct(self.problems)),
        }
    }

    fn state(&mut self, root: &Place, folder: Option<&Path>) -> Option<Component<dyn StateStore>> {
        let own = root.table().find_ref("state").cloned();
        let own = own.unwrap_or_else(|| Value::from(Dict::new()));
        let mut default = Dict::from([("type".to_owned(), Value::from("file"))]);
        if let Some(folder) = folder.and_then(Path::to_str) {
            default.insert("path".to_owned(), Value::from(folder));
        }
        let place = Place::filled(self.layers, &["state"], own, &Value::from(default));
        self.component(&place, &[], place.table())
    }

    fn alerters(&mut self, place: &Place, prefix: &str) -> Vec<AlertRoute> {
        let mut routes = Vec::new();
        for (name, table) in self.tables(place, "alert") {
            let path = ["alert", &name];
            let keys = component::engine_part::<dyn Alerter>(&table);
            let keys: Option<AlertKeys> = self.read(place, &path, &keys);
            let component = self.component(place, &path, &table);
            if let (Some(keys), Some(component)) = (keys, component) {
                routes.push(AlertRoute {
                    name: format!("{prefix}{name}"),
                    component,
                    on: keys.on,
                    suppress: keys.suppress,
                    paused: keys.paused,
                });
            }
        }
        routes
    }

    fn pipelines(&mut self, root: &Place, shared: &[AlertRoute]) -> Vec<Pipeline> {
        let defaults = root.table().find_ref("defaults");
        if let Some(defaults) = defaults {
            self.read::<PipelineKeys>(root, &["defaults"], defaults);
        }
        let tables = self.tables(root, "pipeline");
        if tables.is_empty() && root.table().find_ref("pipeline").is_none_or(is_empty_table) {
            self.report(root, &[], Issue::new(&[], NO_PIPELINES, None));
        }
        let mut pipelines = Vec::new();
        for (name, own) in tables {
            let place = Place::with_defaults(self.layers, &["pipeline", &name], own, defaults);
            pipelines.extend(self.pipeline(name, &place, shared));
        }
        pipelines
    }

    fn pipeline(&mut self, name: String, place: &Place, shared: &[AlertRoute]) -> Option<Pipeline> {
        let table = place.table();
        let keys: Option<PipelineKeys> = self.read(place, &[], table);
        let source = match table.find_ref("source") {
            Some(source) => self.component(place, &["source"], source),
            None => {
                let advice = format!("add a table `[pipeline.{name}.source]`");
                self.complain(
                    place,
                    &[],
                    table,
                    format!("this pipeline has no source: {advice}"),
                );
                None
            }
        };
        let sinks = self.named(place, "sink");
        if table.find_ref("sink").is_none_or(is_empty_table) {
            let advice = format!("add a table `[pipeline.{name}.sink.NAME]`");
            self.complain(
                place,
                &[],
                table,
                format!("this pipeline has no sinks: {advice}"),
            );
        }
        let triggers: Vec<Named<dyn Trigger>> = self.named(place, "trigger");
        for trigger in &triggers {
            if let Some(path) = trigger.component.instance.path(&name) {
                let at = place.problem(Issue::new(&["trigger", &trigger.name], "", None));
                self.hooks.push(Hook { path, at });
            }
        }
        let own_alerters = self.alerters(place, &format!("{name}/"));
        let keys = keys?;
        Some(Pipeline {
            name,
            reference: keys.reference,
            run_timeout: keys.run_timeout,
            stale_after: keys.stale_after,
            source: source?,
            sinks,
            triggers,
            alerters: shared.iter().cloned().chain(own_alerters).collect(),
        })
    }

    fn named<P: Role + ?Sized>(&mut self, place: &Place, section: &str) -> Vec<Named<P>>
    where
        Plugin<P>: inventory::Collect,
    {
        let mut components = Vec::new();
        for (name, table) in self.tables(place, section) {
            let component = self.component(place, &[section, &name], &table);
            components.extend(component.map(|component| Named { name, component }));
        }
        components
    }

    /// The named tables of a section; those that are none, or whose names are not allowed, are reported.
    fn tables(&mut self, place: &Place, section: &str) -> Vec<(String, Value)> {
        let Some(value) = place.table().find_ref(section) else {
            return Vec::new();
        };
        let Some(dict) = value.as_dict() else {
            let at = place.problem(Issue::new(&[section], "", None)).key;
            let message = format!("`{section}` must hold named tables, such as `[{at}.NAME]`");
            self.complain(place, &[section], value, message);
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (name, value) in dict {
            if let Some(fault) = names::fault(name) {
                self.complain(place, &[section, name], value, fault);
            }
            if value.as_dict().is_some() {
                tables.push((name.clone(), value.clone()));
            } else {
                let message = format!("`{}` must be a table", name.escape_debug());
                self.complain(place, &[section, name], value, message);
            }
        }
        tables
    }

    fn component<P: Role + ?Sized>(
        &mut self,
        place: &Place,
        path: &[&str],
        table: &Value,
    ) -> Option<Component<P>>
    where
        Plugin<P>: inventory::Collect,
    {
        if table.as_dict().is_none() {
            self.complain(place, path, table, "this must be a table");
            return None;
        }
        match component::build::<P>(table) {
            Ok(component) => {
                let at = place.problem(Issue::new(path, "", Some(table.tag())));
                let folders = component.claims.iter();
                self.claims
                    .extend(folders.map(|folder| Claim::new(folder, &at)));
                Some(component.locating(locator(place, path, table)))
            }
            Err(issues) => {
                self.report_all(place, path, issues);
                None
            }
        }
    }

    fn read<T: DeserializeOwned>(
        &mut self,
        place: &Place,
        path: &[&str],
        table: &Value,
    ) -> Option<T> {
        match read_table(table) {
            Ok(value) => Some(value),
            Err(issues) => {
                self.report_all(place, path, issues);
                None
            }
        }
    }

    fn complain(
        &mut self,
        place: &Place,
        path: &[&str],
        value: &Value,
        message: impl Into<String>,
    ) {
        self.report(place, path, Issue::new(&[], message, Some(value.tag())));
    }

    fn report_all(&mut self, place: &Place, path: &[&str], issues: Vec<Issue>) {
        for issue in issues {
            self.report(place, path, issue);
        }
    }

    fn report(&mut self, place: &Place, path: &[&str], issue: Issue) {
        self.problems.push(place.problem(issue.below(path)));
    }
}

/// Locates problems that are found later; it keeps no values, for credentials may be among them.
fn locator(
    place: &Place,
    path: &[&str],
    table: &Value,
) -> impl Fn(Problem) -> Problem + Send + Sync + 'static {
    let place = place.outline();
    let path: Vec<String> = path.iter().map(|&s| s.to_owned()).collect();
    let table = outline(table);
    move |problem| {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        place.problem(Issue::of_problem(problem, &table).below(&path))
    }
}

fn is_empty_table(value: &Value) -> bool {
    value.as_dict().is_some_and(Dict::is_empty)
}
