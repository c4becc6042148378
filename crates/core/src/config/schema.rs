//! The file's JSON Schema, made from the types that read it.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::HttpConfig;
use super::component::Role;
use super::keys::{AlertKeys, PipelineKeys, RootKeys};
use super::names::PATTERN;
use crate::{Alerter, Kind, Plugin, Sink, Source, StateStore, Trigger, registered};

/// The JSON Schema of the whole file, with the tables of all plugins that this binary knows.
pub fn schema() -> Value {
    described::<RootKeys>()
}

/// What one kind of table may hold, for a manual.
#[derive(Debug, Clone)]
pub struct TableDoc {
    /// The kind and type of the component, such as `sink.checkout`; `file`, `pipeline` or `alert` for the engine's own keys.
    pub name: String,
    /// What it is for, in one line.
    pub summary: String,
    /// A working example of its keys in TOML, without the table's header.
    pub example: &'static str,
    /// The JSON Schema of its keys, definitions included.
    pub schema: Value,
}

/// The tables whose keys are not a plugin's: the file itself, a pipeline, what every alerter takes, and the listener.
pub fn engine_tables() -> Vec<TableDoc> {
    let doc = |name: &str, summary: &str, example, schema| TableDoc {
        name: name.to_owned(),
        summary: summary.to_owned(),
        example,
        schema,
    };
    vec![
        doc(
            "file",
            "the keys of the file",
            "shutdown_grace = \"10s\"",
            described::<RootKeys>(),
        ),
        doc(
            "pipeline",
            "the keys of a pipeline",
            "ref = \"main\"\nrun_timeout = \"10m\"",
            described::<PipelineKeys>(),
        ),
        doc(
            "alert",
            "the keys of every alerter, beside its type's own",
            "suppress = \"1h\"\npaused = false",
            described::<AlertKeys>(),
        ),
        doc(
            "http",
            "the keys of the daemon's listener",
            "listen = \"127.0.0.1:8080\"\napi_token = { env = \"API_TOKEN\" }\ntls = { cert = \"cert.pem\", key = \"key.pem\" }",
            described::<HttpConfig>(),
        ),
    ]
}

/// All plugins that this binary knows, in the order of the file and then of their names.
pub fn catalogue() -> Vec<TableDoc> {
    let mut docs = documented::<dyn Source>();
    docs.extend(documented::<dyn Sink>());
    docs.extend(documented::<dyn Trigger>());
    docs.extend(documented::<dyn Alerter>());
    docs.extend(documented::<dyn StateStore>());
    docs
}

fn documented<P: Role + ?Sized>() -> Vec<TableDoc>
where
    Plugin<P>: inventory::Collect,
{
    let document = |plugin: &Plugin<P>| {
        let mut generator = SchemaGenerator::default();
        let mut schema = plugin.schema(&mut generator).to_value();
        let definitions = generator.take_definitions(true);
        if !definitions.is_empty() {
            schema["$defs"] = Value::Object(definitions);
        }
        name_durations(&mut schema);
        TableDoc {
            name: format!("{}.{}", P::KIND, plugin.name()),
            summary: plugin.summary().to_owned(),
            example: plugin.example(),
            schema,
        }
    };
    registered::<P>().into_values().map(document).collect()
}

fn described<T: JsonSchema>() -> Value {
    let mut schema = SchemaGenerator::default()
        .into_root_schema_for::<T>()
        .to_value();
    name_durations(&mut schema);
    schema
}

/// Serde writes a default of `Duration` as seconds and nanoseconds; in the file it has units.
fn name_durations(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            let duration = object.get("default").and_then(duration_text);
            if let Some(text) = duration {
                object.insert("default".to_owned(), Value::String(text));
            }
            object.values_mut().for_each(name_durations);
        }
        Value::Array(items) => items.iter_mut().for_each(name_durations),
        _ => {}
    }
}

fn duration_text(default: &Value) -> Option<String> {
    let default = default.as_object().filter(|object| object.len() == 2)?;
    let seconds = default.get("secs")?.as_u64()?;
    let nanos = u32::try_from(default.get("nanos")?.as_u64()?).ok()?;
    let duration = std::time::Duration::new(seconds, nanos);
    Some(humantime::format_duration(duration).to_string())
}

/// Describes a table of any registered type; never made.
pub(crate) struct AnyOf<P: ?Sized>(PhantomData<fn() -> Box<P>>);

impl<P: Role + ?Sized> JsonSchema for AnyOf<P>
where
    Plugin<P>: inventory::Collect,
{
    fn schema_name() -> Cow<'static, str> {
        P::KIND.as_str().into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let engine_keys = engine_keys(P::KIND, generator);
        let types: Vec<Value> = registered::<P>()
            .into_values()
            .map(|plugin| with_type(plugin, &engine_keys, generator))
            .collect();
        json_schema!({ "oneOf": types })
    }
}

fn engine_keys(kind: Kind, generator: &mut SchemaGenerator) -> Map<String, Value> {
    if kind != Kind::Alert {
        return Map::new();
    }
    let keys = AlertKeys::json_schema(generator).to_value();
    keys["properties"].as_object().cloned().unwrap_or_default()
}

fn with_type<P: ?Sized>(
    plugin: &Plugin<P>,
    engine_keys: &Map<String, Value>,
    generator: &mut SchemaGenerator,
) -> Value {
    let mut schema = plugin.schema(generator).to_value();
    schema["title"] = json!(plugin.name());
    schema["description"] = json!(plugin.summary());
    let properties = &mut schema["properties"];
    properties["type"] = json!({ "const": plugin.name() });
    for (key, value) in engine_keys {
        properties[key] = value.clone();
    }
    match schema["required"].as_array_mut() {
        Some(required) => required.push(json!("type")),
        None => schema["required"] = json!(["type"]),
    }
    schema
}

/// Describes a table of named tables; never made.
pub(crate) struct ByName<T>(PhantomData<fn() -> T>);

impl<T: JsonSchema> JsonSchema for ByName<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}_by_name", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": PATTERN },
            "additionalProperties": generator.subschema_for::<T>(),
        })
    }
}
