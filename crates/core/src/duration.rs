//! Durations as the file writes them: `"30s"`, `"1h 30m"`.
//!
//! A field reads one with `#[serde(deserialize_with = "duration::deserialize")]` and describes itself with
//! `#[schemars(schema_with = "duration::schema")]`.

use std::fmt;
use std::time::Duration;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserializer, de};

/// The longest duration that a configuration may name: a year of 365 days.
pub const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Reads a duration of more than nothing and at most [`LONGEST`].
///
/// # Errors
/// What is wrong with the text, and how a duration is written.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let duration = deserialize_or_zero(deserializer)?;
    if duration.is_zero() {
        return Err(de::Error::custom("a duration of more than 0 is needed"));
    }
    Ok(duration)
}

/// Reads a duration of at most [`LONGEST`], where nothing (`"0s"`) means something too.
///
/// # Errors
/// What is wrong with the text, and how a duration is written.
pub fn deserialize_or_zero<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(DurationVisitor)
}

/// Optional durations: the field needs `#[serde(default)]` too.
pub mod option {
    use std::time::Duration;

    use serde::Deserializer;

    /// Reads what [`super::deserialize`] reads.
    ///
    /// # Errors
    /// Those of [`super::deserialize`].
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }

    /// Reads what [`super::deserialize_or_zero`] reads.
    ///
    /// # Errors
    /// Those of [`super::deserialize_or_zero`].
    pub fn deserialize_or_zero<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        super::deserialize_or_zero(deserializer).map(Some)
    }
}

/// Describes a duration in the JSON Schema.
pub fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "title": "duration",
        "type": "string",
        "pattern": r"^\s*([0-9]+\s*[A-Za-zµ]+\s*)+$|^0$",
        "examples": ["30s", "10m", "1h 30m"],
    })
}

struct DurationVisitor;

impl de::Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration with a unit, such as \"30s\" or \"1h 30m\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        let duration = humantime::parse_duration(text).map_err(|_| {
            E::custom(format_args!(
                "`{}` is not a duration with a unit, such as \"30s\" or \"1h 30m\"",
                text.escape_debug()
            ))
        })?;
        if duration > LONGEST {
            return Err(E::custom(format_args!(
                "`{}` is longer than a year",
                text.escape_debug()
            )));
        }
        Ok(duration)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Held {
        #[serde(deserialize_with = "deserialize")]
        some: Duration,
        #[serde(default, deserialize_with = "option::deserialize_or_zero")]
        maybe: Option<Duration>,
    }

    fn read(json: &str) -> Result<Held, String> {
        serde_json::from_str(json).map_err(|e| e.to_string())
    }

    #[test]
    fn durations_with_units_are_taken() {
        let held = read(r#"{ "some": "1h 30m", "maybe": "0s" }"#).unwrap();
        assert_eq!(held.some, Duration::from_secs(5400));
        assert_eq!(held.maybe, Some(Duration::ZERO));
        assert_eq!(read(r#"{ "some": "250ms" }"#).unwrap().maybe, None);
    }

    #[test]
    fn absurd_durations_are_refused_in_words() {
        for (text, words) in [
            (r#""0s""#, "more than 0"),
            (r#""2years""#, "longer than a year"),
            (r#""30""#, "with a unit"),
            (r#""-5s""#, "with a unit"),
            (r#""99999999999999999999h""#, "with a unit"),
            ("30", "with a unit"),
        ] {
            let error = read(&format!(r#"{{ "some": {text} }}"#)).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
