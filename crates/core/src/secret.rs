//! Credentials that never print themselves.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use zeroize::Zeroizing;

use crate::{Error, ErrorKind, Result, bounded};

/// The largest file that is read as a secret, in bytes.
const LARGEST_FILE: u64 = 1 << 20;

/// The variables that secrets of this process lie in: no command that it starts is to see them.
static NAMED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// What the configuration's variables begin with; any of them may hold a secret.
const OWN_PREFIX: &str = "GITBARGE_";

/// The environment's variables that commands do not inherit: those that a [`Secret`] names, and gitbarge's own.
pub fn secret_variables() -> Vec<OsString> {
    let named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
    let mut names: Vec<OsString> = named.iter().map(OsString::from).collect();
    let own = |name: &OsString| name.to_string_lossy().starts_with(OWN_PREFIX);
    names.extend(std::env::vars_os().map(|(name, _)| name).filter(own));
    names
}

/// A reference to a credential: a literal, `{ env = "NAME" }` or `{ file = "PATH" }`.
///
/// Variables and files are read at each use, so rotation needs no restart.
/// There is no `Display` and no `Serialize`; `Debug` shows the place only.
#[derive(Clone)]
pub struct Secret(Place);

#[derive(Clone)]
enum Place {
    Literal(Zeroizing<String>),
    Env(String),
    File(PathBuf),
}

/// A credential's text, wiped from memory when dropped.
#[derive(Clone)]
pub struct SecretText(Zeroizing<String>);

impl Secret {
    /// A secret whose text is known.
    pub fn literal(text: impl Into<String>) -> Self {
        Self(Place::Literal(Zeroizing::new(text.into())))
    }

    /// A secret in an environment variable.
    pub fn env(name: impl Into<String>) -> Self {
        let name = name.into();
        let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        named.insert(name.clone());
        Self(Place::Env(name))
    }

    /// A secret in a file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Place::File(path.into()))
    }

    /// Reads the credential where it lies.
    ///
    /// # Errors
    /// `config`, naming the place, if the variable is unset or the file is unreadable, too large or not UTF-8.
    pub fn read(&self) -> Result<SecretText> {
        match &self.0 {
            Place::Literal(text) => Ok(SecretText(text.clone())),
            Place::Env(name) => match std::env::var(name) {
                Ok(text) => Ok(SecretText(Zeroizing::new(text))),
                Err(std::env::VarError::NotPresent) => Err(Error::new(
                    ErrorKind::Config,
                    format!("{} is not set", self.place()),
                )),
                Err(std::env::VarError::NotUnicode(_)) => Err(Error::new(
                    ErrorKind::Config,
                    format!("{} is not UTF-8", self.place()),
                )),
            },
            Place::File(path) => self.read_file(path),
        }
    }

    fn read_file(&self, path: &std::path::Path) -> Result<SecretText> {
        let failed = |error| {
            Error::new(
                ErrorKind::Config,
                format!("{} cannot be read", self.place()),
            )
            .with_source(error)
        };
        let content = bounded::read(path, LARGEST_FILE).map_err(failed)?;
        let text = std::str::from_utf8(&content)
            .map_err(|_| Error::new(ErrorKind::Config, format!("{} is not UTF-8", self.place())))?;
        Ok(SecretText(Zeroizing::new(text.to_owned())))
    }

    /// Where the credential lies, in words that are safe to print.
    pub fn place(&self) -> String {
        match &self.0 {
            Place::Literal(_) => "the literal in the configuration".to_owned(),
            Place::Env(name) => format!("environment variable `{name}`"),
            Place::File(path) => format!("file `{}`", path.display()),
        }
    }
}

impl SecretText {
    /// A credential that was not read but made, such as from two others.
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The credential itself; call it only where it is used.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The credential without the line end that editors and `echo` leave.
    pub fn expose_line(&self) -> &str {
        self.0.trim_end_matches(['\r', '\n'])
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.place())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

const EXPECTED: &str = "a string, { env = \"NAME\" } or { file = \"PATH\" }";

/// Serde's default methods quote the value in their error, so every other scalar has its own.
macro_rules! refuse {
    ($($visit:ident: $ty:ty),*) => {$(
        fn $visit<E: de::Error>(self, _: $ty) -> Result<Secret, E> {
            Err(E::custom(format_args!("a secret must be {EXPECTED}")))
        }
    )*};
}

impl<'de> de::Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret::literal(text))
    }

    /// An all-digit literal arrives as a number: from an override, and from a file where the quotes were forgotten.
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Secret, E> {
        Ok(Secret::literal(number.to_string()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Secret, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => self.visit_i128(number.into()),
        }
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let wrong = || de::Error::custom(format_args!("a secret must be {EXPECTED}"));
        let Some(key) = map.next_key::<String>()? else {
            return Err(wrong());
        };
        let text = map.next_value::<PlaceName>()?.0;
        if map.next_key::<de::IgnoredAny>()?.is_some() {
            return Err(wrong());
        }
        match key.as_str() {
            "env" if text.is_empty() || text.contains(['=', '\0']) => Err(de::Error::custom(
                "`env` must be the name of an environment variable",
            )),
            "env" => Ok(Secret::env(text)),
            "file" => Ok(Secret::file(text)),
            _ => Err(wrong()),
        }
    }

    refuse!(visit_bool: bool, visit_i128: i128, visit_u128: u128, visit_f64: f64);
}

/// A place's name, whose errors do not quote what stood there: somebody may have put the secret itself.
struct PlaceName(String);

impl<'de> Deserialize<'de> for PlaceName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)
            .map(Self)
            .map_err(|_| de::Error::custom(format_args!("a secret must be {EXPECTED}")))
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let place = |name: &str| {
            json_schema!({
                "type": "object",
                "properties": { name: { "type": "string" } },
                "required": [name],
                "additionalProperties": false,
            })
        };
        json_schema!({ "oneOf": [{ "type": "string" }, place("env"), place("file")] })
    }
}

#[cfg(test)]
mod tests {
    use figment::Figment;
    use figment::providers::{Format as _, Toml};

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Holder {
        secret: Secret,
    }

    fn parse(toml: &str) -> Result<Secret, String> {
        let figment = Figment::from(Toml::string(toml));
        figment
            .extract::<Holder>()
            .map(|h| h.secret)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn a_literal_an_env_and_a_file_are_read() {
        assert_eq!(parse("secret = 'x'").unwrap().read().unwrap().expose(), "x");
        assert_eq!(
            parse("secret = 0o17").unwrap().read().unwrap().expose(),
            "15"
        );
        let unset = parse("secret = { env = 'GITBARGE_NOT_SET' }")
            .unwrap()
            .read()
            .unwrap_err();
        assert_eq!(unset.kind(), ErrorKind::Config);
        assert!(unset.to_string().contains("GITBARGE_NOT_SET"), "{unset}");
        let missing = parse("secret = { file = '/nowhere/x' }")
            .unwrap()
            .read()
            .unwrap_err();
        assert!(missing.to_string().contains("/nowhere/x"), "{missing}");
    }

    #[test]
    fn the_variables_that_secrets_lie_in_are_known() {
        parse("secret = { env = 'TEST_KEPT_FROM_COMMANDS' }").unwrap();
        assert!(secret_variables().contains(&OsString::from("TEST_KEPT_FROM_COMMANDS")));
    }

    #[test]
    fn errors_and_debug_never_quote_the_value() {
        for toml in [
            "secret = true",
            "secret = 4711.5",
            "secret = -4711",
            "secret = { env = 4711 }",
            "secret = { x = 'hush' }",
            "secret = ['hush']",
        ] {
            let error = parse(toml).unwrap_err();
            assert!(
                !error.contains("4711") && !error.contains("hush"),
                "{error}"
            );
        }
        assert!(!format!("{:?}", Secret::literal("hush")).contains("hush"));
    }
}
