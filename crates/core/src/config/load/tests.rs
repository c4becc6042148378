//! Files, good and bad, with plugins that do nothing.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use insta::assert_snapshot;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Loader;
use crate::config::{Config, Paused, catalogue, schema};
use crate::{
    Address, Alert, Alerter, AlerterPlugin, Connection, Delivery, Entry, Error, ErrorKind, Expect,
    Held, Key, Lease, PluginConfig, Problem, Receipt, Requests, Result, Run, Secret, Service, Sink,
    SinkPlugin, Source, SourcePlugin, StatePlugin, StateStore, Trigger, TriggerPlugin, Version,
    duration,
};

const GOOD: &str = r#"
[alert.ops]
type = "bell"

[pipeline.site.source]
type = "well"
url = "deep"

[pipeline.site.sink.runner]
type = "bucket"
path = "/srv/site"
"#;

#[test]
fn a_small_file_gets_its_defaults() {
    let config = file(GOOD).load().unwrap();
    assert_eq!(config.shutdown_grace, Duration::from_secs(10));
    assert_eq!(config.state.type_name, "file");
    assert_eq!(config.alerters[0].suppress, Duration::from_secs(3600));
    assert_eq!(config.alerters[0].paused, Paused::No);
    let site = &config.pipelines[0];
    assert_eq!(site.name, "site");
    assert_eq!(site.reference, None);
    assert_eq!(site.run_timeout, Duration::from_secs(600));
    assert_eq!(site.source.instance.address().as_str(), "deep");
    assert_eq!(site.sinks[0].name, "runner");
    assert_eq!(site.alerters[0].name, "ops");
    assert!(site.triggers.is_empty());
}

#[test]
fn every_problem_of_a_file_is_reported_at_once() {
    let text = r#"
shutdown_grace = "0s"
colour = "red"

[alert.ops]
type = "bell"
supress = "1h"
suppress = "2years"
paused = "soon"

[pipeline."a.b"]
run_timeout = "soon"
branchh = "main"
ref = "--upload-pack=x"

[pipeline."a.b".source]
type = "well"
urll = "x"
bottom = "deep"

[pipeline."a.b".sink.runner]
type = "buckit"
path = "/x"

[pipeline."a.b".trigger.every]
every = "30s"

[pipeline.empty]
sink = "runner"
trigger.x = 5
alert.y = { type = 5 }

[pipeline.sinkless]
source = { type = "well", url = "" }
sink = {}
"#;
    assert_snapshot!(problems(&file(text)), @r#"
    unknown field: found `colour`, expected one of `shutdown_grace`, `state`, `alert`, `defaults`, `pipeline` for key "colour" in gitbarge.toml
    a duration of more than 0 is needed for key "shutdown_grace" in gitbarge.toml
    invalid value string "soon", expected true, false or a time such as 2026-01-31T12:00:00Z for key "alert.ops.paused" in gitbarge.toml
    `2years` is longer than a year for key "alert.ops.suppress" in gitbarge.toml
    unknown field: found `supress`, expected one of `tone`, `suppress`, `paused` for key "alert.ops.supress" in gitbarge.toml
    the name `a.b` may have letters, digits, `_` and `-` only for key "pipeline.a.b" in gitbarge.toml
    unknown field: found `branchh`, expected one of `ref`, `run_timeout`, `source`, `sink`, `trigger`, `alert` for key "pipeline.a.b.branchh" in gitbarge.toml
    `ref` must not begin with `-`: `--upload-pack=x` for key "pipeline.a.b.ref" in gitbarge.toml
    `soon` is not a duration with a unit, such as "30s" or "1h 30m" for key "pipeline.a.b.run_timeout" in gitbarge.toml
    unknown field: found `bottom`, expected one of `url`, `password` for key "pipeline.a.b.source.bottom" in gitbarge.toml
    unknown field: found `urll`, expected one of `url`, `password` for key "pipeline.a.b.source.urll" in gitbarge.toml
    missing field `url` for key "pipeline.a.b.source" in gitbarge.toml
    unknown type `buckit`, expected one of `bucket`, `pair` for key "pipeline.a.b.sink.runner.type" in gitbarge.toml
    this trigger has no `type`, expected one of `tick` for key "pipeline.a.b.trigger.every" in gitbarge.toml
    this pipeline has no source: add a table `[pipeline.empty.source]` for key "pipeline.empty" in gitbarge.toml
    `sink` must hold named tables, such as `[pipeline.empty.sink.NAME]` for key "pipeline.empty.sink" in gitbarge.toml
    `x` must be a table for key "pipeline.empty.trigger.x" in gitbarge.toml
    `type` must be a string, expected one of `bell` for key "pipeline.empty.alert.y.type" in gitbarge.toml
    the url is empty for key "pipeline.sinkless.source.url" in gitbarge.toml
    this pipeline has no sinks: add a table `[pipeline.sinkless.sink.NAME]` for key "pipeline.sinkless" in gitbarge.toml
    "#);
}

#[test]
fn several_missing_keys_of_one_table_are_all_named() {
    let text = format!("{GOOD}\n[pipeline.site.sink.two]\ntype = \"pair\"\n");
    assert_snapshot!(problems(&file(&text)), @r#"
    missing field `left` for key "pipeline.site.sink.two" in gitbarge.toml
    missing field `right` for key "pipeline.site.sink.two" in gitbarge.toml
    "#);
}

#[test]
fn nothing_at_all_is_a_problem() {
    assert_snapshot!(problems(&file("")), @"there are no pipelines: add a table `[pipeline.NAME]` in gitbarge.toml");
    assert_snapshot!(problems(&file("pipeline = {}")), @"there are no pipelines: add a table `[pipeline.NAME]` in gitbarge.toml");
    assert_snapshot!(problems(&file("pipeline = 5\nalert = 'https://me:hush@host/'\nstate = 'x'")), @r#"
    this must be a table for key "state" in gitbarge.toml
    `alert` must hold named tables, such as `[alert.NAME]` for key "alert" in gitbarge.toml
    `pipeline` must hold named tables, such as `[pipeline.NAME]` for key "pipeline" in gitbarge.toml
    "#);
}

#[test]
fn what_cannot_be_read_is_named_with_its_line_and_without_its_text() {
    let dir = tempfile::tempdir().unwrap();
    let paths = ["a.toml", "b.toml", "missing.toml"].map(|name| dir.path().join(name));
    std::fs::write(&paths[0], "a = 1\ntoken = hush\n").unwrap();
    std::fs::write(&paths[1], "[x\n").unwrap();
    let loader = Loader {
        files: paths.into(),
        overrides: vec![
            "nonsense".to_owned(),
            "a..b=1".to_owned(),
            "a.b=[hush".to_owned(),
        ],
        ..Loader::default()
    };
    let shown = problems(&loader).replace(&dir.path().display().to_string(), "DIR");
    assert_snapshot!(shown, @r#"
    not valid TOML at line 2, column 9: invalid string, expected `"`, `'` in DIR/a.toml
    not valid TOML at line 1, column 3: invalid table header, expected `.`, `]` in DIR/b.toml
    the configuration cannot be read: No such file or directory (os error 2) in DIR/missing.toml
    an override has the form `KEY=VALUE`, such as `pipeline.site.ref=main` in `--set`
    a part of the key is empty for key "a..b" in `--set a..b=…`
    the value begins like TOML and is not valid TOML; put a text that begins so in quotes for key "a.b" in `--set a.b=…`
    "#);
}

#[test]
fn later_files_and_folders_win_and_keep_what_they_do_not_name() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    write("first.toml", GOOD);
    write("conf.d/20.toml", "[pipeline.site]\nref = \"late\"\n");
    write(
        "conf.d/10.toml",
        "[pipeline.site]\nref = \"early\"\nrun_timeout = \"5s\"\n",
    );
    write("conf.d/.hidden.toml", "nonsense");
    write("conf.d/notes.txt", "nonsense");
    let loader = Loader {
        files: vec![dir.path().join("first.toml"), dir.path().join("conf.d")],
        default_state: Some("/default/state".into()),
        ..Loader::default()
    };
    let site = &loader.load().unwrap().pipelines[0];
    assert_eq!(site.reference.as_ref().unwrap().as_str(), "late");
    assert_eq!(site.run_timeout, Duration::from_secs(5));
    assert_eq!(site.source.instance.address().as_str(), "deep");
}

#[test]
fn options_win_over_variables_and_variables_over_files() {
    let reference = |loader: &Loader| {
        let config = loader.load().unwrap();
        config.pipelines[0]
            .reference
            .as_ref()
            .unwrap()
            .as_str()
            .to_owned()
    };
    let mut loader = file(GOOD);
    loader.environment = vec![
        ("GITBARGE_PIPELINE__SITE__REF".to_owned(), "2024".to_owned()),
        ("GITBARGE_LOG".to_owned(), "debug".to_owned()),
    ];
    assert_eq!(reference(&loader), "2024");
    loader.overrides = vec![
        "pipeline.site.ref=a=b".to_owned(),
        "pipeline.site.ref=main".to_owned(),
    ];
    assert_eq!(reference(&loader), "main");
}

#[test]
fn problems_of_overrides_name_the_variable_and_the_option_without_its_value() {
    let mut loader = file(GOOD);
    loader.environment = vec![
        (
            "GITBARGE_PIPELINE__SITE__REFF".to_owned(),
            "hush".to_owned(),
        ),
        ("GITBARGE_SHUTDOWN_GRACE".to_owned(), "hush".to_owned()),
        (
            "GITBARGE_PIPELINE__SITE__SINK__RUNNER__PATH".to_owned(),
            String::new(),
        ),
    ];
    loader.overrides = vec![
        "pipeline.site.source.password=[true]".to_owned(),
        "pipline.site.ref=hush".to_owned(),
        "pipeline.new.ref=main".to_owned(),
    ];
    assert_snapshot!(problems(&loader), @r#"
    unknown field: found `pipline`, expected one of `shutdown_grace`, `state`, `alert`, `defaults`, `pipeline` for key "pipline" in `--set pipline.site.ref=…`
    `hush` is not a duration with a unit, such as "30s" or "1h 30m" for key "shutdown_grace" in environment variable `GITBARGE_SHUTDOWN_GRACE`
    this pipeline has no source: add a table `[pipeline.new.source]` for key "pipeline.new" in `--set pipeline.new.ref=…`
    this pipeline has no sinks: add a table `[pipeline.new.sink.NAME]` for key "pipeline.new" in `--set pipeline.new.ref=…`
    unknown field: found `reff`, expected one of `ref`, `run_timeout`, `source`, `sink`, `trigger`, `alert` for key "pipeline.site.reff" in environment variable `GITBARGE_PIPELINE__SITE__REFF`
    invalid type: found sequence, expected a string, { env = "NAME" } or { file = "PATH" } for key "pipeline.site.source.password" in `--set pipeline.site.source.password=…`
    the path is empty for key "pipeline.site.sink.runner.path" in environment variable `GITBARGE_PIPELINE__SITE__SINK__RUNNER__PATH`
    "#);
}

#[test]
fn a_table_that_a_variable_only_adds_to_is_still_the_fault_of_its_file() {
    let mut loader = file(
        "[pipeline.site.source]\ntype = \"well\"\n[pipeline.site.sink.a]\ntype = \"bucket\"\npath = \"/a\"\n",
    );
    loader.overrides = vec!["pipeline.site.source.password=x".to_owned()];
    assert_snapshot!(problems(&loader), @r#"
    missing field `url` for key "pipeline.site.source" in gitbarge.toml
    "#);
}

#[test]
fn defaults_fill_in_what_a_pipeline_leaves_open() {
    let text = r#"
[defaults]
ref = "main"
run_timeout = "5s"
source = { type = "well", password = { env = "X" } }
sink.runner = { type = "bucket", size = 7 }
trigger.every = { type = "tick", every = "30s" }
alert.ops = { type = "bell", suppress = "2h" }

[pipeline.one]
source.url = "a"
sink.runner.path = "/a"

[pipeline.two]
ref = "dev"
source.url = "b"
sink.runner = { type = "pair", left = 1, right = 2 }
trigger.every.every = "1m"
"#;
    let config = file(text).load().unwrap();
    let [one, two] = &config.pipelines[..] else {
        panic!("{config:?}")
    };
    assert_eq!(one.reference.as_ref().unwrap().as_str(), "main");
    assert_eq!(one.source.instance.address().as_str(), "a");
    assert_eq!(one.sinks[0].component.type_name, "bucket");
    assert_eq!(one.alerters[0].name, "one/ops");
    assert_eq!(one.alerters[0].suppress, Duration::from_secs(7200));
    assert_eq!(two.reference.as_ref().unwrap().as_str(), "dev");
    assert_eq!(two.run_timeout, Duration::from_secs(5));
    assert_eq!(two.sinks[0].component.type_name, "pair");
    assert_eq!(two.triggers[0].component.type_name, "tick");
}

#[test]
fn a_problem_of_the_defaults_is_reported_once_and_there() {
    let text = r#"
[defaults]
reff = "main"
source = { type = "well", urll = "x", url = "a" }
trigger.every = { type = "tick" }

[pipeline.one.sink.runner]
type = "bucket"
path = "/a"

[pipeline.two.sink.runner]
type = "bucket"
pth = "/b"
"#;
    assert_snapshot!(problems(&file(text)), @r#"
    unknown field: found `reff`, expected one of `ref`, `run_timeout`, `source`, `sink`, `trigger`, `alert` for key "defaults.reff" in gitbarge.toml
    unknown field: found `urll`, expected one of `url`, `password` for key "defaults.source.urll" in gitbarge.toml
    missing field `every` for key "defaults.trigger.every" in gitbarge.toml
    unknown field: found `pth`, expected one of `path`, `size` for key "pipeline.two.sink.runner.pth" in gitbarge.toml
    missing field `path` for key "pipeline.two.sink.runner" in gitbarge.toml
    "#);
}

#[test]
fn two_sinks_on_one_folder_are_a_problem_that_names_both() {
    let text = format!(
        "{GOOD}\n[pipeline.b]\nsource = {{ type = \"well\", url = \"a\" }}\nsink.x = {{ type = \"bucket\", path = \"/srv/x/../site/sub\" }}\n"
    );
    assert_snapshot!(problems(&file(&text)), @r#"
    `/srv/site/sub` lies in `/srv/site`, the folder of `pipeline.site.sink.runner`: each needs a folder of its own for key "pipeline.b.sink.x" in gitbarge.toml
    "#);
}

#[test]
fn the_state_is_where_the_file_says_or_else_in_the_default_folder() {
    let mut loader = file(GOOD);
    loader.default_state = None;
    assert_snapshot!(problems(&loader), @r#"
    missing field `path` for key "state" in gitbarge.toml
    "#);
    let state = |table: &str| {
        let config = file(&format!("{GOOD}\n[state]\n{table}\n")).load().unwrap();
        (config.state.type_name, config.state.claims)
    };
    assert_eq!(state(""), ("file", vec![PathBuf::from("/default/state")]));
    assert_eq!(
        state("path = '/mine'"),
        ("file", vec![PathBuf::from("/mine")])
    );
    assert_eq!(state("type = 'sieve'"), ("sieve", vec![]));
}

#[test]
fn a_variable_that_is_not_set_is_found_by_the_inspection_only() {
    let text =
        format!("{GOOD}\n[defaults]\nsource.password = {{ env = \"GITBARGE_TEST_UNSET\" }}\n");
    let config: Config = file(&text).load().unwrap();
    let found: Vec<String> = config.inspect().iter().map(shown).collect();
    assert_snapshot!(found.join("\n"), @r#"
    environment variable `GITBARGE_TEST_UNSET` is not set for key "defaults.source.password" in gitbarge.toml
    "#);
}

#[test]
fn the_schema_describes_the_engines_and_the_plugins_keys() {
    let schema = schema();
    let root = &schema["properties"];
    assert_eq!(root["shutdown_grace"]["default"], "10s");
    assert_eq!(
        root["pipeline"]["additionalProperties"]["$ref"],
        "#/$defs/pipeline"
    );
    let bell = &schema["$defs"]["alert"]["oneOf"][0];
    assert_eq!(bell["properties"]["type"]["const"], "bell");
    assert_eq!(bell["properties"]["suppress"]["default"], "1h");
    assert_eq!(bell["required"], serde_json::json!(["type"]));
    assert_eq!(bell["additionalProperties"], false);
    let names: Vec<String> = catalogue().into_iter().map(|doc| doc.name).collect();
    assert_snapshot!(names.join(" "), @"source.well sink.bucket sink.pair trigger.tick alert.bell state.file state.sieve");
}

/// A loader of one file called `gitbarge.toml`, which is there as long as the loader is.
struct OneFile {
    loader: Loader,
    _dir: tempfile::TempDir,
}

fn file(text: &str) -> OneFile {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gitbarge.toml");
    std::fs::write(&path, text).unwrap();
    let loader = Loader {
        files: vec![path],
        default_state: Some("/default/state".into()),
        ..Loader::default()
    };
    OneFile { loader, _dir: dir }
}

impl Deref for OneFile {
    type Target = Loader;

    fn deref(&self) -> &Loader {
        &self.loader
    }
}

impl DerefMut for OneFile {
    fn deref_mut(&mut self) -> &mut Loader {
        &mut self.loader
    }
}

fn problems(loader: &Loader) -> String {
    let problems = loader.load().unwrap_err();
    let lines: Vec<String> = problems.iter().map(shown).collect();
    lines.join("\n")
}

fn shown(problem: &Problem) -> String {
    let origin = problem.origin.as_deref().unwrap_or_default();
    let name = origin
        .rsplit_once('/')
        .filter(|_| origin.ends_with("gitbarge.toml"));
    let short = name.map_or(origin, |(_, name)| name).to_owned();
    let problem = Problem {
        origin: Some(short),
        ..problem.clone()
    };
    problem.to_string()
}

struct Nothing;

fn unused<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Internal, "not used in these tests"))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WellConfig {
    /// Where the well is.
    url: String,
    #[serde(default)]
    password: Option<Secret>,
}

struct Well(String);

#[async_trait]
impl Source for Well {
    async fn connect(&self, _: Service, _: &Run) -> Result<Connection> {
        unused()
    }

    fn address(&self) -> Address {
        Address::new(&self.0)
    }
}

impl PluginConfig<dyn Source> for WellConfig {
    const TYPE: &'static str = "well";
    const SUMMARY: &'static str = "a source";
    const EXAMPLE: &'static str = "url = \"deep\"";

    fn build(&self) -> Result<Arc<dyn Source>, Vec<Problem>> {
        if self.url.is_empty() {
            return Err(vec![Problem::new("url", "the url is empty")]);
        }
        Ok(Arc::new(Well(self.url.clone())))
    }

    fn inspect(&self) -> Vec<Problem> {
        let read = self
            .password
            .iter()
            .filter_map(|secret| secret.read().err());
        read.map(|error| Problem::new("password", error.to_string()))
            .collect()
    }
}

crate::register! { SourcePlugin::new::<WellConfig>() }

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BucketConfig {
    path: PathBuf,
    #[serde(default)]
    #[expect(dead_code, reason = "a key that one can leave out")]
    size: Option<u8>,
}

#[async_trait]
impl Sink for Nothing {
    async fn held(&self, _: &Run) -> Result<Held> {
        unused()
    }

    async fn deliver(&self, _: &Delivery, _: &Run) -> Result<Receipt> {
        unused()
    }
}

impl PluginConfig<dyn Sink> for BucketConfig {
    const TYPE: &'static str = "bucket";
    const SUMMARY: &'static str = "a sink with a folder";
    const EXAMPLE: &'static str = "path = \"/srv\"";

    fn build(&self) -> Result<Arc<dyn Sink>, Vec<Problem>> {
        if self.path.as_os_str().is_empty() {
            return Err(vec![Problem::new("path", "the path is empty")]);
        }
        Ok(Arc::new(Nothing))
    }

    fn claims(&self) -> Vec<PathBuf> {
        vec![self.path.clone()]
    }
}

crate::register! { SinkPlugin::new::<BucketConfig>() }

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the keys matter")]
struct PairConfig {
    left: u8,
    right: u8,
}

impl PluginConfig<dyn Sink> for PairConfig {
    const TYPE: &'static str = "pair";
    const SUMMARY: &'static str = "a sink with two keys";
    const EXAMPLE: &'static str = "left = 1\nright = 2";

    fn build(&self) -> Result<Arc<dyn Sink>, Vec<Problem>> {
        Ok(Arc::new(Nothing))
    }
}

crate::register! { SinkPlugin::new::<PairConfig>() }

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TickConfig {
    #[serde(deserialize_with = "duration::deserialize")]
    #[schemars(schema_with = "duration::schema")]
    #[expect(dead_code, reason = "only the key matters")]
    every: Duration,
}

#[async_trait]
impl Trigger for Nothing {
    async fn watch(&self, _: Requests, _: &Run) -> Result<()> {
        unused()
    }
}

impl PluginConfig<dyn Trigger> for TickConfig {
    const TYPE: &'static str = "tick";
    const SUMMARY: &'static str = "a trigger";
    const EXAMPLE: &'static str = "every = \"1s\"";

    fn build(&self) -> Result<Arc<dyn Trigger>, Vec<Problem>> {
        Ok(Arc::new(Nothing))
    }
}

crate::register! { TriggerPlugin::new::<TickConfig>() }

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BellConfig {
    #[serde(default)]
    #[expect(dead_code, reason = "only the key matters")]
    tone: Option<String>,
}

#[async_trait]
impl Alerter for Nothing {
    async fn alert(&self, _: &Alert, _: &Run) -> Result<()> {
        unused()
    }
}

impl PluginConfig<dyn Alerter> for BellConfig {
    const TYPE: &'static str = "bell";
    const SUMMARY: &'static str = "an alerter";
    const EXAMPLE: &'static str = "tone = \"a\"";

    fn build(&self) -> Result<Arc<dyn Alerter>, Vec<Problem>> {
        Ok(Arc::new(Nothing))
    }
}

crate::register! { AlerterPlugin::new::<BellConfig>() }

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FolderConfig {
    path: PathBuf,
}

#[async_trait]
impl StateStore for Nothing {
    async fn get(&self, _: &Key) -> Result<Option<Entry>> {
        unused()
    }

    async fn put(&self, _: &Key, _: Bytes, _: Expect) -> Result<Version> {
        unused()
    }

    async fn delete(&self, _: &Key, _: Expect) -> Result<()> {
        unused()
    }

    async fn list(&self, _: &Key) -> Result<Vec<Key>> {
        unused()
    }

    async fn lease(&self, _: &Key) -> Result<Lease> {
        unused()
    }
}

impl PluginConfig<dyn StateStore> for FolderConfig {
    const TYPE: &'static str = "file";
    const SUMMARY: &'static str = "a state";
    const EXAMPLE: &'static str = "path = \"/var/lib/gitbarge\"";

    fn build(&self) -> Result<Arc<dyn StateStore>, Vec<Problem>> {
        Ok(Arc::new(Nothing))
    }

    fn claims(&self) -> Vec<PathBuf> {
        vec![self.path.clone()]
    }
}

crate::register! { StatePlugin::new::<FolderConfig>() }

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SieveConfig {}

impl PluginConfig<dyn StateStore> for SieveConfig {
    const TYPE: &'static str = "sieve";
    const SUMMARY: &'static str = "a state without keys";
    const EXAMPLE: &'static str = "";

    fn build(&self) -> Result<Arc<dyn StateStore>, Vec<Problem>> {
        Ok(Arc::new(Nothing))
    }
}

crate::register! { StatePlugin::new::<SieveConfig>() }
