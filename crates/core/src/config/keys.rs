//! The keys that are not a plugin's: those of the file, of a pipeline, and the engine's own in an alerter's table.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::schema::{AnyOf, ByName};
use super::{HttpConfig, Occasion, Paused, RefName};
use crate::{Alerter, Sink, Source, StateStore, Trigger, duration};

/// The fields of [`RootKeys`].
pub(crate) const ROOT_KEYS: [&str; 6] = [
    "shutdown_grace",
    "http",
    "state",
    "alert",
    "defaults",
    "pipeline",
];

/// The fields of [`AlertKeys`].
pub(crate) const ALERT_KEYS: [&str; 3] = ["on", "suppress", "paused"];

/// The keys of the whole file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "gitbarge")]
#[expect(
    dead_code,
    reason = "the parts that are read apart stand for their schema"
)]
pub(crate) struct RootKeys {
    /// How long running syncs may take to end after SIGTERM before they are cancelled.
    #[serde(default = "ten_seconds", deserialize_with = "duration::deserialize")]
    #[schemars(schema_with = "duration::schema")]
    pub(crate) shutdown_grace: Duration,
    /// The daemon's listener for webhooks, probes, metrics, the status page and the API; without it nothing listens.
    #[serde(default)]
    pub(crate) http: Option<HttpConfig>,
    /// Where gitbarge remembers. The default is a folder of files below `$XDG_STATE_HOME`.
    #[serde(default)]
    state: ReadApart<AnyOf<dyn StateStore>>,
    /// Who is told about every pipeline.
    #[serde(default)]
    alert: ReadApart<ByName<AnyOf<dyn Alerter>>>,
    /// The keys of a pipeline, for all pipelines; a pipeline's own keys win.
    #[serde(default)]
    defaults: ReadApart<PipelineKeys>,
    /// What is carried where. Names have letters, digits, `_` and `-`; they appear in results, logs and alerts.
    #[serde(default)]
    pipeline: ReadApart<ByName<PipelineKeys>>,
}

/// The keys of one pipeline.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "pipeline")]
#[expect(
    dead_code,
    reason = "the parts that are read apart stand for their schema"
)]
pub(crate) struct PipelineKeys {
    /// The branch, tag or full hash to follow; a branch wins over a tag of the same name. The default is the remote's HEAD.
    #[serde(default, rename = "ref")]
    pub(crate) reference: Option<RefName>,
    /// How long one run may take, retries included.
    #[serde(default = "ten_minutes", deserialize_with = "duration::deserialize")]
    #[schemars(schema_with = "duration::schema")]
    pub(crate) run_timeout: Duration,
    /// How long after its last success the pipeline counts as not ready, for probes. The default is never.
    #[serde(default, deserialize_with = "duration::option::deserialize")]
    #[schemars(schema_with = "duration::schema")]
    pub(crate) stale_after: Option<Duration>,
    /// Where the repository comes from.
    #[serde(default)]
    source: ReadApart<AnyOf<dyn Source>>,
    /// What is kept equal to it.
    #[serde(default)]
    sink: ReadApart<ByName<AnyOf<dyn Sink>>>,
    /// When to run, besides at the start.
    #[serde(default)]
    trigger: ReadApart<ByName<AnyOf<dyn Trigger>>>,
    /// Who is told about this pipeline, besides those who are told about every one.
    #[serde(default)]
    alert: ReadApart<ByName<AnyOf<dyn Alerter>>>,
}

/// The engine's keys in every alerter's table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertKeys {
    /// What is told.
    #[serde(default = "troubles")]
    pub(crate) on: Vec<Occasion>,
    /// How long the same fault is not told again.
    #[serde(default = "one_hour", deserialize_with = "duration::deserialize")]
    #[schemars(schema_with = "duration::schema")]
    pub(crate) suppress: Duration,
    /// Whether nothing is sent: `true`, or the time until which, such as `2026-01-31T12:00:00Z`.
    #[serde(default)]
    pub(crate) paused: Paused,
}

impl Default for RootKeys {
    fn default() -> Self {
        Self {
            shutdown_grace: ten_seconds(),
            http: None,
            state: ReadApart::default(),
            alert: ReadApart::default(),
            defaults: ReadApart::default(),
            pipeline: ReadApart::default(),
        }
    }
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn troubles() -> Vec<Occasion> {
    vec![Occasion::Failed, Occasion::Recovered]
}

fn ten_minutes() -> Duration {
    Duration::from_secs(600)
}

fn one_hour() -> Duration {
    Duration::from_secs(3600)
}

/// A part of the file that is read by itself, so that it keeps its places; it stands here to be known and described.
pub(crate) struct ReadApart<T>(PhantomData<fn() -> T>);

impl<T> Default for ReadApart<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T> fmt::Debug for ReadApart<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

impl<'de, T> Deserialize<'de> for ReadApart<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        de::IgnoredAny::deserialize(deserializer).map(|_| Self::default())
    }
}

impl<T: JsonSchema> JsonSchema for ReadApart<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<'de> Deserialize<'de> for Paused {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PausedVisitor)
    }
}

struct PausedVisitor;

impl<'de> de::Visitor<'de> for PausedVisitor {
    type Value = Paused;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false or a time such as 2026-01-31T12:00:00Z")
    }

    fn visit_bool<E: de::Error>(self, paused: bool) -> Result<Paused, E> {
        Ok(if paused { Paused::Yes } else { Paused::No })
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Paused, E> {
        let time = text.parse::<Timestamp>();
        time.map(Paused::Until)
            .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    /// How the TOML parser hands over a time that is not in quotes: as a table with one key.
    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Paused, A::Error> {
        match map.next_entry::<String, String>()? {
            Some((_, text)) => self.visit_str(&text),
            None => Err(de::Error::invalid_type(de::Unexpected::Map, &self)),
        }
    }
}

impl JsonSchema for Paused {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Paused".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "type": "boolean" }, { "type": "string", "format": "date-time" }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields<T: JsonSchema>() -> Vec<String> {
        let schema = schemars::schema_for!(T);
        let properties = schema.get("properties").and_then(|p| p.as_object());
        properties.unwrap().keys().cloned().collect()
    }

    fn sorted<const N: usize>(mut keys: [&str; N]) -> [&str; N] {
        keys.sort_unstable();
        keys
    }

    #[test]
    fn the_listed_keys_are_the_fields() {
        assert_eq!(fields::<RootKeys>(), sorted(ROOT_KEYS));
        assert_eq!(fields::<AlertKeys>(), sorted(ALERT_KEYS));
    }

    #[test]
    fn a_pause_is_a_switch_or_a_time() {
        let read = |toml: &str| {
            use figment::providers::{Format as _, Toml};
            let dict: figment::value::Dict = Toml::from_str(toml).unwrap();
            figment::value::Value::from(dict)
                .deserialize::<AlertKeys>()
                .map(|keys| keys.paused)
                .map_err(|error| error.to_string())
        };
        let until = Paused::Until("2026-01-31T12:00:00Z".parse().unwrap());
        assert_eq!(read("paused = true").unwrap(), Paused::Yes);
        assert_eq!(read("").unwrap(), Paused::No);
        assert_eq!(read("paused = 2026-01-31T12:00:00Z").unwrap(), until);
        assert_eq!(read("paused = '2026-01-31T13:00:00+01:00'").unwrap(), until);
        for bad in [
            "paused = 2026-01-31T12:00:00",
            "paused = 'soon'",
            "paused = 1",
            "paused = {}",
        ] {
            let error = read(bad).unwrap_err();
            assert!(error.contains("a time such as"), "{bad}: {error}");
        }
    }
}
