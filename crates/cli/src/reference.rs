//! The manual of the configuration, generated from the types that read it.

use gitbarge_core::config::{TableDoc, catalogue, engine_tables};

use crate::manual::{KeyDoc, keys};

/// The reference of every key that this binary knows, in Markdown.
pub fn config_reference() -> String {
    let mut out = String::from(INTRODUCTION);
    for table in engine_tables().iter().chain(&catalogue()) {
        out.push('\n');
        out.push_str(&section(table));
    }
    out
}

/// The header of a table that holds a component or the engine's keys, as it stands in the file.
pub(crate) fn header(name: &str) -> Option<String> {
    let (kind, _) = name.split_once('.').unwrap_or((name, ""));
    Some(match kind {
        "file" => return None,
        "pipeline" => "[pipeline.NAME]".to_owned(),
        "alert" => "[alert.NAME]".to_owned(),
        "state" => "[state]".to_owned(),
        "http" => "[http]".to_owned(),
        "source" => "[pipeline.NAME.source]".to_owned(),
        kind => format!("[pipeline.NAME.{kind}.NAME]"),
    })
}

/// The example of a table with its header and type.
pub(crate) fn example(table: &TableDoc) -> String {
    let component = table
        .name
        .split_once('.')
        .map(|(_, name)| format!("type = \"{name}\""));
    let parts = [
        header(&table.name),
        component,
        Some(table.example.to_owned()),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("\n")
}

const INTRODUCTION: &str = "\
# Configuration reference

Generated from the types that read the file: `gitbarge plugins KIND.TYPE` shows the same. Durations are written with units
(`\"30s\"`, `\"1h 30m\"`). A secret is a string, `{ env = \"NAME\" }` or `{ file = \"PATH\" }`; variables and files are read at each use.
";

fn section(table: &TableDoc) -> String {
    let title = match table.name.split_once('.') {
        Some((kind, name)) => format!("{kind} `{name}`"),
        None => table.name.clone(),
    };
    let summary = &table.summary;
    let mut out = format!(
        "## {title}\n\n{summary}\n\n```toml\n{}\n```\n",
        example(table)
    );
    let keys = keys(&table.schema);
    if !keys.is_empty() {
        out.push_str("\n| key | type | default | meaning |\n|---|---|---|---|\n");
        keys.iter().for_each(|key| out.push_str(&row(key)));
    }
    out
}

fn row(key: &KeyDoc) -> String {
    let default = match (&key.default, key.required) {
        (_, true) => "required".to_owned(),
        (Some(default), false) => format!("`{default}`"),
        (None, false) => String::new(),
    };
    let cell = |text: &str| text.replace('|', "\\|");
    let (name, kind) = (&key.name, cell(&key.kind));
    format!(
        "| `{name}` | {kind} | {} | {} |\n",
        cell(&default),
        cell(&key.meaning)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_meaning() {
        for table in engine_tables().iter().chain(&catalogue()) {
            for key in keys(&table.schema) {
                assert!(
                    !key.meaning.is_empty(),
                    "`{}` of {} has no doc comment",
                    key.name,
                    table.name
                );
            }
        }
    }

    #[test]
    fn every_example_is_toml() {
        for table in engine_tables().iter().chain(&catalogue()) {
            let example = example(table);
            assert!(toml::from_str::<toml::Table>(&example).is_ok(), "{example}");
            assert!(config_reference().contains(&example));
        }
    }
}
