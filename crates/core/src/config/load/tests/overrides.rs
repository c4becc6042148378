//! Variables and options, which win over files.

use insta::assert_snapshot;

use super::{GOOD, Loader, file, problems};

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
    unknown field: found `pipline`, expected one of `shutdown_grace`, `http`, `state`, `alert`, `defaults`, `pipeline` for key "pipline" in `--set pipline.site.ref=…`
    `hush` is not a duration with a unit, such as "30s" or "1h 30m" for key "shutdown_grace" in environment variable `GITBARGE_SHUTDOWN_GRACE`
    this pipeline has no source: add a table `[pipeline.new.source]` for key "pipeline.new" in `--set pipeline.new.ref=…`
    this pipeline has no sinks: add a table `[pipeline.new.sink.NAME]` for key "pipeline.new" in `--set pipeline.new.ref=…`
    unknown field: found `reff`, expected one of `ref`, `run_timeout`, `stale_after`, `source`, `sink`, `trigger`, `alert` for key "pipeline.site.reff" in environment variable `GITBARGE_PIPELINE__SITE__REFF`
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
