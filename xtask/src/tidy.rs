//! `cargo xtask tidy`: what the compiler does not check.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use crate::{Outcome, read, root};

/// A file longer than this holds two things.
const LONGEST: usize = 600;
/// A file longer than this is worth a second look.
const LONG: usize = 400;
/// Names that say nothing.
const EMPTY_NAMES: [&str; 5] = ["utils", "common", "helpers", "imp", "manager"];
/// How the crates of plugins begin, and which kind they are.
pub(crate) const PLUGIN_PREFIXES: [(&str, &str); 5] = [
    ("transport-", "source"),
    ("sink-", "sink"),
    ("trigger-", "trigger"),
    ("alert-", "alert"),
    ("state-", "state"),
];

pub(crate) fn run() -> Outcome {
    let metadata = MetadataCommand::new().current_dir(root()).no_deps().exec();
    let metadata = metadata.map_err(|e| format!("cargo metadata failed: {e}"))?;
    let mut problems = Vec::new();
    for package in metadata.workspace_packages() {
        problems.extend(directions(package));
    }
    for path in sources(&root())? {
        let text = read(&path)?;
        let name = path
            .strip_prefix(root())
            .unwrap_or(&path)
            .display()
            .to_string();
        problems.extend(source(&name, &text));
    }
    for folder in plugin_folders()? {
        problems.extend(plugin(&folder)?);
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} problems\n  {}",
        problems.len(),
        problems.join("\n  ")
    ))
}

/// Dependencies point one way: core ← git, http-client, lfs ← plugins and engine ← http; everything ← cli.
fn directions(package: &Package) -> Vec<String> {
    let own = short(&package.name);
    let mut problems = Vec::new();
    for dependency in &package.dependencies {
        let Some(other) = dependency
            .name
            .strip_prefix("gitbarge-")
            .or((dependency.name == "gitbarge").then_some("cli"))
        else {
            continue;
        };
        let is_dev = dependency.kind == DependencyKind::Development;
        if !may_depend(own, other, is_dev) {
            problems.push(format!("{own} must not depend on {other}"));
        }
    }
    problems
}

fn may_depend(own: &str, other: &str, is_dev: bool) -> bool {
    if other == "testkit" {
        return is_dev || matches!(own, "xtask" | "tests");
    }
    match own {
        "xtask" | "tests" => true,
        "cli" => true,
        "core" => false,
        "git" | "http-client" => other == "core",
        "lfs" => matches!(other, "core" | "http-client"),
        // Lists refs and fetches once for several sinks.
        "engine" | "testkit" => matches!(other, "core" | "git"),
        // Shows the engine's board.
        "http" => matches!(other, "core" | "engine"),
        // The example of a sink shows it with a source.
        _ if own.starts_with("sink-") && other.starts_with("transport-") => is_dev,
        _ => matches!(other, "core" | "git" | "http-client" | "lfs"),
    }
}

fn short(name: &str) -> &str {
    if name == "gitbarge" {
        "cli"
    } else {
        name.strip_prefix("gitbarge-").unwrap_or(name)
    }
}

fn source(name: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let lines = text.lines().count();
    let is_test =
        name.contains("/tests/") || name.starts_with("tests/") || name.ends_with("/tests.rs");
    if lines > LONGEST && !is_test {
        problems.push(format!("{name} has {lines} lines, more than {LONGEST}"));
    } else if lines > LONG && !is_test {
        println!("{name} has {lines} lines: does it hold two things?");
    }
    let first = text.lines().next().unwrap_or_default();
    if !first.starts_with("//!") && !first.starts_with("#![doc") {
        problems.push(format!("{name} does not open with a `//!` line"));
    }
    let stem = Path::new(name)
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    if EMPTY_NAMES.contains(&stem) {
        problems.push(format!("{name} has a name that says nothing"));
    }
    problems.extend(outside_world(name, text));
    problems
}

/// Only the cli, the chores and tests read the environment or exit; a secret is read where it lies.
fn outside_world(name: &str, text: &str) -> Vec<String> {
    let free = [
        "crates/cli/",
        "xtask/",
        "tests/",
        "crates/testkit/",
        "examples/",
    ];
    let is_free = free.iter().any(|start| name.starts_with(start))
        || name.contains("/tests/")
        || name.contains("/examples/")
        || name == "crates/core/src/secret.rs"
        || name == "crates/core/src/search_path.rs";
    if is_free {
        return Vec::new();
    }
    let words = [
        concat!("std::", "env::var"),
        concat!("env::", "vars"),
        concat!("process::", "exit("),
    ];
    // Tests at the end of a file may do what they like.
    let shipping = text.split("#[cfg(test)]").next().unwrap_or_default();
    let found = words.iter().filter(|word| shipping.contains(**word));
    found
        .map(|word| format!("{name} uses `{word}`: only the cli may"))
        .collect()
}

/// The files of a plugin crate, and its line in the binary.
fn plugin(folder: &Path) -> Outcome<Vec<String>> {
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let mut problems = Vec::new();
    for file in ["README.md", "src/config.rs", "tests/conformance.rs"] {
        let variant = folder.join(file.replace(".rs", "/main.rs"));
        if !folder.join(file).exists() && !variant.exists() {
            problems.push(format!("crates/{name} has no {file}"));
        }
    }
    let examples = std::fs::read_dir(folder.join("examples"))
        .into_iter()
        .flatten()
        .count();
    if examples == 0 {
        problems.push(format!("crates/{name} has no example"));
    }
    let line = format!("use gitbarge_{} as _;", name.replace('-', "_"));
    if !read(&root().join("crates/cli/src/plugins.rs"))?.contains(&line) {
        problems.push(format!("crates/cli/src/plugins.rs does not say `{line}`"));
    }
    Ok(problems)
}

fn plugin_folders() -> Outcome<Vec<PathBuf>> {
    let crates = root().join("crates");
    let entries =
        std::fs::read_dir(&crates).map_err(|e| format!("cannot list {}: {e}", crates.display()))?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.retain(|folder| {
        let name = folder
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        PLUGIN_PREFIXES
            .iter()
            .any(|(prefix, _)| name.starts_with(prefix))
    });
    folders.sort();
    Ok(folders)
}

/// All Rust sources of the project, by path.
fn sources(root: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = BTreeMap::new();
    let mut todo: Vec<PathBuf> = ["crates", "xtask", "tests", "examples"]
        .iter()
        .map(|name| root.join(name))
        .collect();
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && entry.file_name() != "target" && entry.file_name() != "templates" {
                todo.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.insert(path, ());
            }
        }
    }
    Ok(found.into_keys().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_point_one_way() {
        assert!(may_depend("git", "core", false));
        assert!(!may_depend("core", "git", false));
        assert!(may_depend("sink-s3", "lfs", false));
        assert!(!may_depend("lfs", "git", false));
        assert!(may_depend("lfs", "http-client", false));
        assert!(!may_depend("http-client", "lfs", false));
        assert!(!may_depend("sink-checkout", "transport-local", false));
        assert!(may_depend("sink-s3", "transport-local", true));
        assert!(!may_depend("sink-s3", "sink-checkout", true));
        assert!(!may_depend("sink-checkout", "engine", false));
        assert!(may_depend("http", "engine", false));
        assert!(!may_depend("engine", "http", false));
        assert!(!may_depend("trigger-poll", "http", false));
        assert!(!may_depend("sink-checkout", "testkit", false));
        assert!(may_depend("sink-checkout", "testkit", true));
        assert!(may_depend("cli", "sink-checkout", false));
    }

    #[test]
    fn a_source_without_its_first_line_or_with_an_empty_name_is_found() {
        assert!(source("crates/x/src/a.rs", "//! Good.\n").is_empty());
        assert_eq!(source("crates/x/src/a.rs", "use x;\n").len(), 1);
        assert_eq!(source("crates/x/src/utils.rs", "//! Bad.\n").len(), 1);
        assert_eq!(
            source(
                "crates/x/src/a.rs",
                &format!("//! Long.\n{}", "\n".repeat(700))
            )
            .len(),
            1
        );
    }

    #[test]
    fn a_plugin_that_reads_the_environment_is_found() {
        let text = format!(
            "//! x\nfn f() {{ {}(\"X\") }}\n",
            concat!("std::", "env::var")
        );
        assert_eq!(source("crates/sink-x/src/a.rs", &text).len(), 1);
        assert!(source("crates/cli/src/a.rs", &text).is_empty());
    }
}
