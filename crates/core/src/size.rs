//! Sizes as the file writes them: `"64MiB"`, `"10GB"`.
//!
//! A field reads one with `#[serde(deserialize_with = "size::deserialize")]` and describes itself with
//! `#[schemars(schema_with = "size::schema")]`.

use std::fmt;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserializer, de};

/// The units, and how many bytes each has.
const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// Reads a size of more than nothing, in bytes.
///
/// # Errors
/// What is wrong with the text, and how a size is written.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match deserializer.deserialize_any(SizeVisitor)? {
        0 => Err(de::Error::custom("a size of more than 0 is needed")),
        size => Ok(size),
    }
}

/// Describes a size in the JSON Schema.
pub fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "title": "size",
        "type": "string",
        "pattern": r"^\s*[0-9]+\s*([KMGTkmgt][Ii]?)?[Bb]\s*$",
        "examples": ["64MiB", "2GiB", "500MB"],
    })
}

fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let is_meant = |(name, _): &&(&str, u64)| name.eq_ignore_ascii_case(unit.trim_start());
    let (_, factor) = UNITS.iter().find(is_meant)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

struct SizeVisitor;

impl de::Visitor<'_> for SizeVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size with a unit, such as \"64MiB\" or \"2GB\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        parse(text).ok_or_else(|| {
            E::custom(format_args!(
                "`{}` is not a size with a unit, such as \"64MiB\" or \"2GB\"",
                text.escape_debug()
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Held {
        #[serde(deserialize_with = "deserialize")]
        some: u64,
    }

    fn read(json: &str) -> Result<u64, String> {
        serde_json::from_str(&format!(r#"{{ "some": {json} }}"#))
            .map(|held: Held| held.some)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn sizes_with_units_are_taken() {
        for (text, bytes) in [
            (r#""64MiB""#, 64 << 20),
            (r#"" 2 GiB ""#, 2 << 30),
            (r#""500mb""#, 500_000_000),
            (r#""12B""#, 12),
        ] {
            assert_eq!(read(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn absurd_sizes_are_refused_in_words() {
        for (text, words) in [
            (r#""0MiB""#, "more than 0"),
            (r#""64""#, "with a unit"),
            (r#""MiB""#, "with a unit"),
            (r#""-1MiB""#, "with a unit"),
            (r#""1.5MiB""#, "with a unit"),
            (r#""99999999999TiB""#, "with a unit"),
            ("64", "with a unit"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
