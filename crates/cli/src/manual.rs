//! Reads a table's JSON Schema for people: its keys with types, defaults and meaning.

use serde_json::Value;

/// One key of a table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyDoc {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) required: bool,
    /// As TOML writes it.
    pub(crate) default: Option<String>,
    pub(crate) meaning: String,
}

impl KeyDoc {
    /// `required`, the default, or nothing.
    pub(crate) fn presence(&self) -> String {
        match (&self.default, self.required) {
            (_, true) => "required".to_owned(),
            (Some(default), false) => format!("default {default}"),
            (None, false) => "optional".to_owned(),
        }
    }
}

/// The keys of a table, the required ones first.
pub(crate) fn keys(schema: &Value) -> Vec<KeyDoc> {
    let required = schema["required"].as_array();
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|n| n == name));
    let properties = schema["properties"].as_object();
    let mut keys: Vec<KeyDoc> = properties
        .into_iter()
        .flatten()
        .map(|(name, property)| KeyDoc {
            name: name.clone(),
            kind: kind(property, schema),
            required: is_required(name),
            default: property.get("default").and_then(toml_text),
            meaning: meaning(property),
        })
        .collect();
    keys.sort_by_key(|key| !key.required);
    keys
}

/// Line breaks within a doc comment are none of the reader's business.
fn meaning(property: &Value) -> String {
    let text = property["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn toml_text(default: &Value) -> Option<String> {
    match default {
        Value::Null => None,
        value => toml::Value::try_from(value)
            .ok()
            .map(|value| value.to_string()),
    }
}

fn kind(schema: &Value, root: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        let definition = &root["$defs"][name];
        return match definition["title"].as_str() {
            Some(title) => title.to_owned(),
            None if definition["enum"].is_array() || is_choice(definition) => {
                kind(definition, root)
            }
            None => name.to_lowercase(),
        };
    }
    if let Some(title) = schema["title"].as_str() {
        return title.to_owned();
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    if let Some(values) = schema["enum"].as_array() {
        return joined(values.iter().filter(|v| !v.is_null()).map(Value::to_string));
    }
    if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        return joined(
            choices
                .iter()
                .filter(|c| c["type"] != "null")
                .map(|choice| kind(choice, root)),
        );
    }
    match &schema["type"] {
        Value::Array(types) => joined(
            types
                .iter()
                .filter_map(Value::as_str)
                .filter(|t| *t != "null")
                .map(type_name),
        ),
        Value::String(name) if name == "array" => {
            format!("list of {}", kind(&schema["items"], root))
        }
        Value::String(name) => type_name(name),
        _ => "any".to_owned(),
    }
}

/// Whether a definition is a list of alternatives of which all are constants.
fn is_choice(definition: &Value) -> bool {
    let choices = definition["oneOf"].as_array();
    choices.is_some_and(|choices| choices.iter().all(|choice| choice.get("const").is_some()))
}

fn type_name(name: &str) -> String {
    match name {
        "object" => "table".to_owned(),
        name => name.to_owned(),
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_read_from_a_schema() {
        let schema = json!({
            "required": ["url"],
            "properties": {
                "depth": { "type": ["integer", "null"], "default": null },
                "key": { "anyOf": [{ "$ref": "#/$defs/Secret" }, { "type": "null" }] },
                "mode": { "$ref": "#/$defs/Mode", "default": "off" },
                "names": { "type": "array", "items": { "type": "string" }, "default": ["a"] },
                "timeout": { "title": "duration", "type": "string", "default": "10s", "description": "How long\nit takes." },
                "url": { "type": "string" },
            },
            "$defs": {
                "Secret": { "oneOf": [{ "type": "string" }] },
                "Mode": { "oneOf": [{ "const": "off" }, { "const": "on" }] },
            },
        });
        let lines: Vec<String> = keys(&schema)
            .iter()
            .map(|key| {
                format!(
                    "{} | {} | {} | {}",
                    key.name,
                    key.kind,
                    key.presence(),
                    key.meaning
                )
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        url | string | required | 
        depth | integer | optional | 
        key | secret | optional | 
        mode | "off" or "on" | default "off" | 
        names | list of string | default ["a"] | 
        timeout | duration | default "10s" | How long it takes.
        "#);
    }
}
