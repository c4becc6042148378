//! Files, good and bad, with plugins that do nothing.

mod defaults;
mod fakes;
mod files;
mod overrides;

use std::ops::{Deref, DerefMut};

use super::Loader;
use crate::Problem;

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
