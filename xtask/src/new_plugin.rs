//! `cargo xtask new-plugin KIND NAME`: a crate that compiles, keeps the promises of every plugin, and is linked.

use std::fs;
use std::path::Path;
use std::process::Command;

use clap::{Args, ValueEnum};

use crate::{Outcome, read, root, succeed, write};

/// What to make.
#[derive(Args)]
pub(crate) struct Options {
    /// Which of the five traits it implements
    kind: Kind,
    /// What stands in `type`, such as `mattermost`
    name: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Source,
    Sink,
    Trigger,
    #[value(alias = "alerter")]
    Alert,
    State,
}

/// What a kind is called in its many places.
struct Words {
    prefix: &'static str,
    kind: &'static str,
    role: &'static str,
    suffix: &'static str,
    trait_name: &'static str,
    plugin: &'static str,
    suite: &'static str,
    table: &'static str,
    dependencies: &'static str,
    template: &'static str,
}

macro_rules! template {
    ($name:literal) => {
        include_str!(concat!("../templates/", $name, ".txt"))
    };
}

impl Kind {
    fn words(self) -> Words {
        match self {
            Self::Source => Words {
                prefix: "transport",
                kind: "source",
                role: "source",
                suffix: "Source",
                trait_name: "Source",
                plugin: "SourcePlugin",
                suite: "source",
                table: "pipeline.site.source",
                dependencies: "",
                template: template!("source.rs"),
            },
            Self::Sink => Words {
                prefix: "sink",
                kind: "sink",
                role: "sink",
                suffix: "Sink",
                trait_name: "Sink",
                plugin: "SinkPlugin",
                suite: "sink",
                table: "pipeline.site.sink.mine",
                dependencies: "",
                template: template!("sink.rs"),
            },
            Self::Trigger => Words {
                prefix: "trigger",
                kind: "trigger",
                role: "trigger",
                suffix: "Trigger",
                trait_name: "Trigger",
                plugin: "TriggerPlugin",
                suite: "trigger",
                table: "pipeline.site.trigger.mine",
                dependencies: "tracing.workspace = true\n",
                template: template!("trigger.rs"),
            },
            Self::Alert => Words {
                prefix: "alert",
                kind: "alerter",
                role: "alerter",
                suffix: "Alerter",
                trait_name: "Alerter",
                plugin: "AlerterPlugin",
                suite: "alerter",
                table: "alert.mine",
                dependencies: "tracing.workspace = true\n",
                template: template!("alert.rs"),
            },
            Self::State => Words {
                prefix: "state",
                kind: "state store",
                role: "store",
                suffix: "Store",
                trait_name: "StateStore",
                plugin: "StatePlugin",
                suite: "state",
                table: "state",
                dependencies: "bytes.workspace = true\n",
                template: template!("state.rs"),
            },
        }
    }
}

pub(crate) fn run(options: &Options) -> Outcome {
    let name = &options.name;
    let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(is_fine) {
        return Err(format!(
            "`{name}` is no name: lower case letters, digits and `-`"
        ));
    }
    let words = options.kind.words();
    let folder = format!("{}-{name}", words.prefix);
    let path = root().join("crates").join(&folder);
    if path.exists() {
        return Err(format!("{} is there already", path.display()));
    }
    scaffold(&path, &folder, name, &words)?;
    link(&root(), &folder)?;
    // Where names stand in alphabetical order, and where lines break, depends on the names.
    succeed(
        Command::new("cargo")
            .current_dir(root())
            .args(["fmt", "--package", "gitbarge", "--package"])
            .arg(format!("gitbarge-{folder}")),
    )?;
    println!(
        "made crates/{folder}, and linked it: `cargo test -p gitbarge-{folder}` passes; now make it do something"
    );
    Ok(())
}

fn scaffold(path: &Path, folder: &str, name: &str, words: &Words) -> Outcome {
    let fill = |template: &str| fill(template, folder, name, words);
    write(&path.join("Cargo.toml"), &fill(template!("Cargo.toml")))?;
    write(&path.join("README.md"), &fill(template!("README.md")))?;
    write(&path.join("src/lib.rs"), &fill(template!("lib.rs")))?;
    write(&path.join("src/config.rs"), &fill(template!("config.rs")))?;
    write(
        &path.join(format!("src/{}.rs", words.role)),
        &fill(words.template),
    )?;
    write(
        &path.join("tests/conformance.rs"),
        &fill(template!("conformance.rs")),
    )?;
    let example = format!("examples/{}.rs", name.replace('-', "_"));
    write(&path.join(example), &fill(template!("example.rs")))
}

fn fill(template: &str, folder: &str, name: &str, words: &Words) -> String {
    let values = [
        ("@FOLDER@", folder.to_owned()),
        ("@SNAKE@", folder.replace('-', "_")),
        ("@EXAMPLE@", name.replace('-', "_")),
        ("@NAME@", name.to_owned()),
        ("@PRODUCT@", product(name)),
        ("@KIND@", words.kind.to_owned()),
        ("@ROLE@", words.role.to_owned()),
        ("@SUFFIX@", words.suffix.to_owned()),
        ("@TRAIT@", words.trait_name.to_owned()),
        ("@PLUGIN@", words.plugin.to_owned()),
        ("@SUITE@", words.suite.to_owned()),
        ("@TABLE@", words.table.to_owned()),
        ("@DEPENDENCIES@", words.dependencies.to_owned()),
    ];
    values
        .iter()
        .fold(template.to_owned(), |text, (mark, value)| {
            text.replace(mark, value)
        })
}

/// `MyQueue` for `my-queue`.
fn product(name: &str) -> String {
    let capital = |part: &str| {
        let mut letters = part.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
    };
    name.split('-').filter_map(capital).collect()
}

/// Adds the crate to the workspace's dependencies and to the binary.
fn link(root: &Path, folder: &str) -> Outcome {
    let package = format!("gitbarge-{folder}");
    let shared = format!("{package} = {{ path = \"crates/{folder}\", version = \"0.1.0\" }}\n");
    insert(&root.join("Cargo.toml"), "gitbarge-testkit = {", &shared)?;
    let own = format!("{package}.workspace = true\n");
    insert(
        &root.join("crates/cli/Cargo.toml"),
        "gitbarge-core.workspace",
        &own,
    )?;
    let line = format!("use {} as _;\n", package.replace('-', "_"));
    insert(
        &root.join("crates/cli/src/plugins.rs"),
        "use gitbarge_state_file",
        &line,
    )
}

/// Puts a line before the one that begins with `before`.
fn insert(path: &Path, before: &str, line: &str) -> Outcome {
    let text = read(path)?;
    let at = text.find(&format!("\n{before}"));
    let at = at.ok_or_else(|| format!("{} has no line `{before}…`", path.display()))? + 1;
    let text = format!("{}{line}{}", &text[..at], &text[at..]);
    fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_mark_is_left_in_what_is_made() {
        for kind in Kind::value_variants() {
            let folder = tempfile::tempdir().unwrap();
            let words = kind.words();
            scaffold(folder.path(), "x-my-queue", "my-queue", &words).unwrap();
            for file in [
                "Cargo.toml",
                "README.md",
                "src/lib.rs",
                "src/config.rs",
                "tests/conformance.rs",
            ] {
                let text = fs::read_to_string(folder.path().join(file)).unwrap();
                assert!(!text.contains('@'), "{file}: {text}");
            }
        }
        assert_eq!(product("my-queue"), "MyQueue");
    }

    #[test]
    fn a_new_plugin_is_linked() {
        let copy = tempfile::tempdir().unwrap();
        for file in [
            "Cargo.toml",
            "crates/cli/Cargo.toml",
            "crates/cli/src/plugins.rs",
        ] {
            write(&copy.path().join(file), &read(&root().join(file)).unwrap()).unwrap();
        }
        link(copy.path(), "sink-mine").unwrap();
        let plugins = read(&copy.path().join("crates/cli/src/plugins.rs")).unwrap();
        assert!(plugins.contains("use gitbarge_sink_mine as _;\n"));
        let manifest = read(&copy.path().join("crates/cli/Cargo.toml")).unwrap();
        assert!(manifest.contains("gitbarge-sink-mine.workspace = true\n"));
    }
}
