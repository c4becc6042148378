//! What stands where nothing is said, and what is found out about a whole file.

use std::path::PathBuf;
use std::time::Duration;

use insta::assert_snapshot;

use super::{GOOD, file, problems, shown};
use crate::config::{Config, catalogue, schema};

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
    unknown field: found `reff`, expected one of `ref`, `run_timeout`, `stale_after`, `source`, `sink`, `trigger`, `alert` for key "defaults.reff" in gitbarge.toml
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
