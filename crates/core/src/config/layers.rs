//! The layers of a configuration: every file, variable and option, merged, each value knowing where it came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::providers::{Format as _, Toml};
use figment::value::{Dict, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::Loader;
use super::overrides::{self, Override};
use crate::{Problem, bounded};

/// Larger ones are not configurations; in bytes.
const LARGEST_FILE: u64 = 16 << 20;

/// What all layers say together.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    pub(crate) root: Dict,
    pub(crate) origins: Origins,
}

/// Leads from the tag of a value to the layer that it came from.
#[derive(Debug, Default, Clone)]
pub(crate) struct Origins {
    by_tag: BTreeMap<Tag, String>,
    files: Vec<String>,
}

impl Origins {
    /// The layer of a value; all files where it is no layer's.
    pub(crate) fn of(&self, tag: Option<Tag>) -> Option<String> {
        match tag.and_then(|tag| self.by_tag.get(&tag)) {
            Some(origin) => Some(origin.clone()),
            None if self.files.is_empty() => None,
            None => Some(self.files.join(", ")),
        }
    }
}

impl Layers {
    pub(crate) fn read(loader: &Loader) -> Result<Self, Vec<Problem>> {
        let mut layers = Self::default();
        let mut problems = Vec::new();
        for path in &loader.files {
            match files_at(path) {
                Ok(files) => files.iter().for_each(|file| match read_file(file) {
                    Ok(dict) => layers.add_file(file, dict),
                    Err(problem) => problems.push(problem),
                }),
                Err(problem) => problems.push(problem),
            }
        }
        let (given, bad) = overrides::parse(&loader.environment, &loader.overrides);
        problems.extend(bad);
        if !problems.is_empty() {
            return Err(problems);
        }
        for one in given {
            layers.add_override(one);
        }
        Ok(layers)
    }

    fn add_file(&mut self, path: &Path, dict: Dict) {
        let origin = path.display().to_string();
        self.origins.files.push(origin.clone());
        self.add(origin, dict);
    }

    fn add_override(&mut self, one: Override) {
        let path = one.path_in(&self.root);
        let nest = |value, key: String| Value::from(Dict::from([(key, value)]));
        let value = path.into_iter().rev().fold(one.value, nest);
        self.add(one.origin, value.into_dict().unwrap_or_default());
    }

    /// Tags the values of a layer and lays it over what is there.
    pub(crate) fn add(&mut self, origin: String, dict: Dict) {
        let figment = Figment::from(Layer { dict });
        let dict = figment.find_value("").ok().and_then(Value::into_dict);
        let dict = dict.unwrap_or_default();
        if let Some(value) = dict.values().next() {
            self.origins.by_tag.insert(value.tag(), origin);
        }
        overlay(&mut self.root, dict);
    }
}

/// One layer as figment wants it.
struct Layer {
    dict: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::default()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.dict.clone()))
    }
}

/// Unlike figment's own merge, a table stays with the layer that began it: what it lacks is that layer's fault, and not that
/// of a variable which sets one of its keys.
fn overlay(base: &mut Dict, over: Dict) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Dict(_, below)), Value::Dict(_, above)) => overlay(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

fn files_at(path: &Path) -> Result<Vec<PathBuf>, Problem> {
    let unreadable = |error: std::io::Error| Problem {
        origin: Some(path.display().to_string()),
        ..Problem::new("", format!("the configuration cannot be read: {error}"))
    };
    if !path.metadata().map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in path.read_dir().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let file = entry.path();
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !is_hidden && file.extension().is_some_and(|e| e == "toml") && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(path: &Path) -> Result<Dict, Problem> {
    let problem = |message| Problem {
        origin: Some(path.display().to_string()),
        ..Problem::new("", message)
    };
    let content = bounded::read(path, LARGEST_FILE)
        .map_err(|error| problem(format!("the configuration cannot be read: {error}")))?;
    let text = std::str::from_utf8(&content)
        .map_err(|_| problem("the configuration cannot be read: it is not UTF-8".to_owned()))?;
    Toml::from_str(text).map_err(|error| {
        // The error's own text quotes the line, and a secret may stand in it.
        let (line, column) = position(text, error.span().map_or(0, |span| span.start));
        let message = error.message().trim().replace('\n', ", ");
        problem(format!(
            "not valid TOML at line {line}, column {column}: {message}"
        ))
    })
}

fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    (line, column)
}
