//! The key `secret`: one or a list, for rotation.

use std::borrow::Cow;
use std::fmt;

use gitbarge_core::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, IntoDeserializer as _};
use serde::{Deserialize, Deserializer};

/// The most secrets that a trigger takes: each is tried for every delivery that fits none.
const MOST: usize = 16;

/// One secret or several, of which any may fit.
#[derive(Debug, Clone)]
pub struct Secrets(Vec<Secret>);

impl Secrets {
    /// These secrets.
    pub fn new(secrets: impl Into<Vec<Secret>>) -> Self {
        Self(secrets.into())
    }

    pub(crate) fn as_slice(&self) -> &[Secret] {
        &self.0
    }

    /// What is wrong with their number.
    pub(crate) fn fault(&self) -> Option<String> {
        if self.0.is_empty() {
            return Some("the list of secrets is empty: nobody could send".to_owned());
        }
        (self.0.len() > MOST).then(|| format!("there are more than {MOST} secrets"))
    }
}

impl<'de> Deserialize<'de> for Secrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretsVisitor)
    }
}

struct SecretsVisitor;

/// Everything but a list is a secret's own business, also to refuse it without quoting it.
macro_rules! one {
    ($($visit:ident: $ty:ty),*) => {$(
        fn $visit<E: de::Error>(self, value: $ty) -> Result<Secrets, E> {
            Secret::deserialize(value.into_deserializer()).map(|secret| Secrets(vec![secret]))
        }
    )*};
}

impl<'de> de::Visitor<'de> for SecretsVisitor {
    type Value = Secrets;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret or a list of secrets")
    }

    one!(visit_str: &str, visit_u64: u64, visit_i64: i64, visit_i128: i128, visit_u128: u128, visit_f64: f64, visit_bool: bool);

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Secrets, A::Error> {
        let secret = Secret::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Secrets(vec![secret]))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Secrets, A::Error> {
        let mut secrets = Vec::new();
        while let Some(secret) = list.next_element()? {
            secrets.push(secret);
        }
        Ok(Secrets(secrets))
    }
}

impl JsonSchema for Secrets {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secrets".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Secret>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1, "maxItems": MOST }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Secrets, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn one_secret_and_a_list_are_taken() {
        let count = |json| read(json).unwrap().as_slice().len();
        assert_eq!(count(r#""x""#), 1);
        assert_eq!(count("4711"), 1);
        assert_eq!(count(r#"{"env":"X"}"#), 1);
        assert_eq!(count(r#"["x",{"file":"/y"},17]"#), 3);
    }

    #[test]
    fn no_secret_and_too_many_are_faults() {
        assert!(read("[]").unwrap().fault().is_some());
        assert!(
            Secrets::new(vec![Secret::literal("x"); 17])
                .fault()
                .is_some()
        );
        assert_eq!(read(r#""x""#).unwrap().fault(), None);
    }

    #[test]
    fn what_is_refused_is_not_quoted() {
        for json in [
            "true",
            "4711.5",
            "-4711",
            r#"["ok",["hush"]]"#,
            r#"[{"x":"hush"}]"#,
            r#"{"x":"hush"}"#,
        ] {
            let error = read(json).unwrap_err();
            assert!(
                !error.contains("4711") && !error.contains("hush"),
                "{error}"
            );
        }
    }
}
