//! The keys of a source with `type = "ssh"`.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use gitbarge_core::{PluginConfig, Problem, Secret, Source, duration, timeouts};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::SshSource;
use crate::key::KeyPlace;
use crate::source::read_known_hosts;

/// A repository behind an SSH server.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SshConfig {
    /// The repository: `git@host:path` or `ssh://git@host:port/path`. The user is `git` if none is named.
    pub url: String,
    /// The private key: its text, in any format that OpenSSH reads. It is read anew for each connection.
    pub key: Secret,
    /// The passphrase of a key that is encrypted.
    #[serde(default)]
    pub passphrase: Option<Secret>,
    /// Which host keys are trusted: `accept_new`, `strict`, or a list of SHA256 fingerprints.
    #[serde(default = "default_host_keys")]
    #[schemars(default = "default_host_keys_text")]
    pub host_keys: HostKeys,
    /// A known_hosts file in OpenSSH's format, which counts besides what was learned.
    #[serde(default)]
    pub known_hosts: Option<PathBuf>,
    /// How long it may take to connect and to log in.
    #[serde(
        default = "timeouts::connect",
        deserialize_with = "duration::deserialize"
    )]
    #[schemars(schema_with = "duration::schema", default = "timeouts::connect_text")]
    pub connect_timeout: Duration,
    /// How long the server may say nothing while it is waited for.
    #[serde(default = "timeouts::idle", deserialize_with = "duration::deserialize")]
    #[schemars(schema_with = "duration::schema", default = "timeouts::idle_text")]
    pub idle_timeout: Duration,
}

/// Which host keys are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKeys {
    /// Those in `known_hosts`, and the first one that an unknown server shows: it is remembered in the state.
    AcceptNew,
    /// Those in `known_hosts` only.
    Strict,
    /// Those with these fingerprints only, such as `SHA256:uNiVztksCsDhcc0u9e8BrZ…`.
    Pinned(Vec<String>),
}

fn default_host_keys() -> HostKeys {
    HostKeys::AcceptNew
}

fn default_host_keys_text() -> &'static str {
    "accept_new"
}

impl SshConfig {
    /// A repository and its key, and defaults for everything else.
    pub fn new(url: impl Into<String>, key: Secret) -> Self {
        Self {
            url: url.into(),
            key,
            passphrase: None,
            host_keys: default_host_keys(),
            known_hosts: None,
            connect_timeout: timeouts::connect(),
            idle_timeout: timeouts::idle(),
        }
    }

    /// What is wrong with it, apart from the URL.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let HostKeys::Pinned(pins) = &self.host_keys {
            if pins.is_empty() {
                let message = "the list of fingerprints is empty: no server could be trusted";
                problems.push(Problem::new("host_keys", message));
            }
            let wrong = pins.iter().filter(|pin| !is_fingerprint(pin));
            problems.extend(wrong.map(|pin| {
                let pin = pin.escape_debug();
                let message =
                    format!("`{pin}` is no fingerprint such as `ssh-keygen -l` prints: SHA256:…");
                Problem::new("host_keys", message)
            }));
        }
        problems.extend(timeouts::problems(self.connect_timeout, self.idle_timeout));
        problems
    }

    pub(crate) fn key_place(&self) -> KeyPlace {
        KeyPlace {
            key: self.key.clone(),
            passphrase: self.passphrase.clone(),
        }
    }
}

/// SHA-256 has 32 bytes, in base64 without padding.
fn is_fingerprint(pin: &str) -> bool {
    let bytes = pin.strip_prefix("SHA256:");
    let bytes = bytes.and_then(|pin| STANDARD_NO_PAD.decode(pin).ok());
    bytes.is_some_and(|bytes| bytes.len() == 32)
}

impl PluginConfig<dyn Source> for SshConfig {
    const TYPE: &'static str = "ssh";
    const SUMMARY: &'static str =
        "reads a git repository over SSH, without an ssh program or a key file";
    const EXAMPLE: &'static str = "\
url = \"git@github.com:my-org/site.git\"
key = { env = \"SITE_SSHKEY\" }
host_keys = \"accept_new\"
connect_timeout = \"15s\"
idle_timeout = \"60s\"";

    fn build(&self) -> Result<Arc<dyn Source>, Vec<Problem>> {
        Ok(Arc::new(SshSource::new(self.clone())?))
    }

    fn inspect(&self) -> Vec<Problem> {
        let problem =
            |key: &str, error: gitbarge_core::Error| Problem::new(key, error.failure().message);
        let place = self.key_place();
        let mut problems = Vec::new();
        if let Some(error) = self.passphrase.as_ref().and_then(|p| p.read().err()) {
            problems.push(problem("passphrase", error));
        }
        if let Err(error) = self.key.read() {
            problems.push(problem("key", error));
        }
        if problems.is_empty()
            && let Err(error) = place.read().and_then(|text| text.decode())
        {
            problems.push(problem("key", error));
        }
        if let Err(error) = read_known_hosts(self.known_hosts.as_deref()) {
            problems.push(problem("known_hosts", error));
        }
        problems
    }
}

impl<'de> Deserialize<'de> for HostKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HostKeysVisitor)
    }
}

struct HostKeysVisitor;

const EXPECTED: &str = "\"accept_new\", \"strict\" or a list of fingerprints such as \"SHA256:…\"";

impl<'de> de::Visitor<'de> for HostKeysVisitor {
    type Value = HostKeys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<HostKeys, E> {
        match text {
            "accept_new" => Ok(HostKeys::AcceptNew),
            "strict" => Ok(HostKeys::Strict),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<HostKeys, A::Error> {
        let mut pins = Vec::new();
        while let Some(pin) = seq.next_element::<String>()? {
            pins.push(pin);
        }
        Ok(HostKeys::Pinned(pins))
    }
}

impl JsonSchema for HostKeys {
    fn schema_name() -> Cow<'static, str> {
        "HostKeys".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [
                { "enum": ["accept_new", "strict"] },
                {
                    "type": "array",
                    "items": { "type": "string", "pattern": "^SHA256:[A-Za-z0-9+/]{43}$" },
                    "minItems": 1,
                },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use gitbarge_testkit::sshd::{KeyType, SshKey};

    use super::*;

    fn read(json: &str) -> Result<SshConfig, String> {
        let json = format!(r#"{{"url":"host:a","key":{{"env":"GITBARGE_TEST_UNSET"}}{json}}}"#);
        serde_json::from_str(&json).map_err(|error| error.to_string())
    }

    fn keys(problems: &[Problem]) -> Vec<&str> {
        problems.iter().map(|p| p.key.as_str()).collect()
    }

    #[test]
    fn defaults_stand_where_nothing_is_said() {
        let config = read("").unwrap();
        let defaults = SshConfig::new("host:a", Secret::env("x"));
        assert_eq!(config.host_keys, HostKeys::AcceptNew);
        assert_eq!(config.connect_timeout, Duration::from_secs(15));
        assert_eq!(config.idle_timeout, Duration::from_secs(60));
        assert_eq!(config.connect_timeout, defaults.connect_timeout);
        assert_eq!(config.idle_timeout, defaults.idle_timeout);
        let schema = schemars::schema_for!(SshConfig);
        let properties = &schema.as_value()["properties"];
        assert_eq!(properties["host_keys"]["default"], "accept_new");
        assert_eq!(properties["connect_timeout"]["default"], "15s");
        assert_eq!(properties["idle_timeout"]["default"], "60s");
    }

    #[test]
    fn host_keys_are_a_word_or_a_list() {
        let host_keys = |json: &str| read(&format!(r#","host_keys":{json}"#)).map(|c| c.host_keys);
        assert_eq!(host_keys(r#""strict""#), Ok(HostKeys::Strict));
        let pins = host_keys(r#"["SHA256:x"]"#);
        assert_eq!(pins, Ok(HostKeys::Pinned(vec!["SHA256:x".to_owned()])));
        for wrong in [r#""lax""#, "true", "{}"] {
            let error = host_keys(wrong).unwrap_err();
            assert!(error.contains("expected \"accept_new\""), "{error}");
        }
    }

    #[test]
    fn every_problem_is_found_at_once() {
        let mut config = SshConfig::new("-host:a", Secret::literal("x"));
        config.host_keys = HostKeys::Pinned(vec![
            format!("SHA256:{}", "A".repeat(43)),
            "MD5:00:11".to_owned(),
            "SHA256:AAAA".to_owned(),
        ]);
        config.connect_timeout = Duration::ZERO;
        config.idle_timeout = Duration::from_secs(25 * 60 * 60);
        let problems = config.build().err().unwrap();
        let expected = [
            "url",
            "host_keys",
            "host_keys",
            "connect_timeout",
            "idle_timeout",
        ];
        assert_eq!(keys(&problems), expected);
        config.host_keys = HostKeys::Pinned(Vec::new());
        assert_eq!(keys(&config.problems())[0], "host_keys");
    }

    #[test]
    fn the_example_is_taken() {
        let config = gitbarge_core::registered::<dyn Source>();
        assert_eq!(config["ssh"].example(), SshConfig::EXAMPLE);
    }

    #[test]
    fn inspecting_reads_what_the_configuration_names() {
        let mut config =
            read(r#","passphrase":{"file":"/no/such"},"known_hosts":"/no/such""#).unwrap();
        assert_eq!(
            keys(&config.inspect()),
            ["passphrase", "key", "known_hosts"]
        );
        config.known_hosts = None;
        config.passphrase = None;
        config.key = Secret::literal("no key");
        assert_eq!(keys(&config.inspect()), ["key"]);
        config.key = Secret::literal(SshKey::generate(KeyType::Ed25519).private);
        assert_eq!(config.inspect(), []);
    }
}
