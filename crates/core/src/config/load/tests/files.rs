//! What stands in files, and what is wrong with it.

use std::time::Duration;

use insta::assert_snapshot;

use super::{GOOD, Loader, file, problems};
use crate::config::Paused;

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
    unknown field: found `colour`, expected one of `shutdown_grace`, `http`, `state`, `alert`, `defaults`, `pipeline` for key "colour" in gitbarge.toml
    a duration of more than 0 is needed for key "shutdown_grace" in gitbarge.toml
    invalid value string "soon", expected true, false or a time such as 2026-01-31T12:00:00Z for key "alert.ops.paused" in gitbarge.toml
    `2years` is longer than a year for key "alert.ops.suppress" in gitbarge.toml
    unknown field: found `supress`, expected one of `tone`, `on`, `suppress`, `paused` for key "alert.ops.supress" in gitbarge.toml
    the name `a.b` may have letters, digits, `_` and `-` only for key "pipeline.a.b" in gitbarge.toml
    unknown field: found `branchh`, expected one of `ref`, `run_timeout`, `stale_after`, `source`, `sink`, `trigger`, `alert` for key "pipeline.a.b.branchh" in gitbarge.toml
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
