//! The keys of `[http]`, and what listens there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Problem, Secret};

/// Paths that are the listener's own.
const RESERVED: [&str; 5] = ["/", "/healthz", "/readyz", "/metrics", "/api"];

/// The daemon's listener.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "http")]
pub struct HttpConfig {
    /// Where it listens, such as `127.0.0.1:8080` or `[::]:443`.
    pub listen: SocketAddr,
    /// Speaks HTTPS with this certificate: `{ cert, key }`, PEM files that are read again when they have changed.
    #[serde(default)]
    pub tls: Option<TlsFiles>,
    /// The bearer token of the API. Without one the API is not served.
    #[serde(default)]
    pub api_token: Option<Secret>,
}

/// A certificate and its key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "tls")]
pub struct TlsFiles {
    /// A PEM file with the certificate and those between it and a well-known one.
    pub cert: PathBuf,
    /// A PEM file with its private key.
    pub key: PathBuf,
}

/// A path on the listener that a trigger wants.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    pub(crate) path: String,
    /// Where the trigger stands.
    pub(crate) at: Problem,
}

/// What is wrong with what listens.
pub(crate) fn faults(hooks: Vec<Hook>, is_there: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut taken: BTreeMap<String, Problem> = BTreeMap::new();
    for Hook { path, at } in hooks {
        let mut complain = |message: String| {
            problems.push(Problem {
                message,
                ..at.clone()
            });
        };
        if !is_there {
            complain("this trigger listens, and there is no listener: add a table `[http]` with `listen`".to_owned());
        }
        if !path.starts_with('/') || path.contains(['?', '#', ' ']) {
            complain(format!(
                "`path` must begin with a slash and be nothing but a path, not `{path}`"
            ));
        }
        if RESERVED.contains(&path.as_str()) || path.starts_with("/api/") {
            complain(format!("the path `{path}` is the listener's own"));
        }
        if let Some(other) = taken.get(&path) {
            complain(format!("the path `{path}` is also that of `{}`", other.key));
        }
        taken.entry(path).or_insert(at);
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(path: &str, key: &str) -> Hook {
        let (path, at) = (path.to_owned(), Problem::new(key, ""));
        Hook { path, at }
    }

    #[test]
    fn each_trigger_needs_a_listener_and_a_path_of_its_own() {
        let messages = |hooks, is_there| faults(hooks, is_there).len();
        assert_eq!(messages(vec![hook("/a", "x"), hook("/b", "y")], true), 0);
        assert_eq!(messages(vec![hook("/a", "x")], false), 1);
        for bad in ["/", "/metrics", "/api/v1", "a", "/a?b"] {
            assert_eq!(messages(vec![hook(bad, "x")], true), 1, "{bad}");
        }
        let twice = faults(vec![hook("/a", "x"), hook("/a", "y")], true);
        assert_eq!((twice.len(), twice[0].key.as_str()), (1, "y"));
        assert!(twice[0].message.contains("`x`"));
    }
}
