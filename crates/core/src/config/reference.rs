//! The pipeline's `ref`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// A branch, a tag or a full hash: `main`, `v1.2`, `refs/heads/main`, 40 hex digits. A branch wins over a tag of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefName(String);

impl RefName {
    /// Takes a name that git's rules for refs allow.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(name: &str) -> Result<Self, String> {
        if name.is_empty() {
            return Err("`ref` is empty".to_owned());
        }
        if name.starts_with('-') {
            return Err(format!(
                "`ref` must not begin with `-`: `{}`",
                name.escape_debug()
            ));
        }
        let full = if name.starts_with("refs/") {
            name.to_owned()
        } else {
            format!("refs/heads/{name}")
        };
        match gix::refs::FullName::try_from(full.as_str()) {
            Ok(_) => Ok(Self(name.to_owned())),
            Err(_) => Err(format!(
                "`{}` cannot be the name of a branch or tag",
                name.escape_debug()
            )),
        }
    }

    /// The name as configured.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The object id, if it is a full hash.
    pub fn as_hash(&self) -> Option<gix::ObjectId> {
        gix::ObjectId::from_hex(self.0.as_bytes()).ok()
    }

    /// The full names that it may stand for, best first.
    pub fn candidates(&self) -> Vec<String> {
        if self.0.starts_with("refs/") {
            return vec![self.0.clone()];
        }
        vec![
            format!("refs/heads/{}", self.0),
            format!("refs/tags/{}", self.0),
        ]
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RefName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RefVisitor)
    }
}

struct RefVisitor;

impl de::Visitor<'_> for RefVisitor {
    type Value = RefName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a branch, a tag or a full hash")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<RefName, E> {
        RefName::new(name).map_err(E::custom)
    }

    /// A tag such as `2024` arrives as a number from an environment override.
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<RefName, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<RefName, E> {
        self.visit_str(&number.to_string())
    }
}

impl JsonSchema for RefName {
    fn schema_name() -> Cow<'static, str> {
        "Ref".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "title": "ref", "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_git_allows_are_taken() {
        for good in [
            "main",
            "v1.2",
            "feature/x",
            "refs/heads/main",
            "refs/tags/v1",
            "ä",
            "0123456789012345678901234567890123456789",
        ] {
            assert!(RefName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "", "-x", "a..b", "a b", "a\u{7}b", "x.lock", "/x", "x/", "@{", "a~1", "a^", "a:b", "*",
        ] {
            assert!(RefName::new(bad).is_err(), "{bad}");
        }
    }
}
