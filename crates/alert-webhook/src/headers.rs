//! The headers that the configuration adds.

use std::collections::BTreeMap;

use gitbarge_core::{Error, ErrorKind, Problem, Result, Secret};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Headers that belong to the message.
const OWN: [&str; 8] = [
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];
/// The new commit.
pub(crate) const HASH: &str = "gitbarge-hash";

/// Headers whose values are read anew for each message.
#[derive(Debug, Clone)]
pub(crate) struct Headers(Vec<(HeaderName, Secret)>);

impl Headers {
    /// Checks the names.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn new(headers: &BTreeMap<String, Secret>) -> Result<Self, Vec<Problem>> {
        let (mut good, mut problems) = (Vec::new(), Vec::new());
        for (name, value) in headers {
            match checked(name, headers) {
                Ok(name) => good.push((name, value.clone())),
                Err(why) => problems.push(Problem::new(key_of(name), why)),
            }
        }
        if problems.is_empty() {
            Ok(Self(good))
        } else {
            Err(problems)
        }
    }

    /// Reads all values.
    ///
    /// # Errors
    /// `config`, naming the key.
    pub(crate) fn read(&self) -> Result<HeaderMap> {
        let headers = self.0.iter();
        headers
            .map(|(name, value)| Ok((name.clone(), value_of(name, value)?)))
            .collect()
    }

    /// What is wrong with the values, by header.
    pub(crate) fn inspect(&self) -> Vec<(String, Error)> {
        let headers = self.0.iter();
        let wrong = headers.filter_map(|(name, value)| {
            let error = value_of(name, value).err()?;
            Some((name.to_string(), error))
        });
        wrong.collect()
    }
}

/// The configuration's key of a header.
pub(crate) fn key_of(name: &str) -> String {
    format!("headers.{name}")
}

fn checked(name: &str, all: &BTreeMap<String, Secret>) -> Result<HeaderName, &'static str> {
    let header = HeaderName::from_bytes(name.as_bytes());
    let header = header.map_err(|_| "the name is no header's name")?;
    if OWN.contains(&header.as_str()) || header == HASH {
        return Err("the header is gitbarge's own");
    }
    let is_same = |other: &&String| other.eq_ignore_ascii_case(name);
    if all.keys().filter(is_same).count() > 1 {
        return Err("the header is there twice");
    }
    Ok(header)
}

fn value_of(name: &HeaderName, secret: &Secret) -> Result<HeaderValue> {
    let text = secret.read()?;
    let mut value = HeaderValue::from_str(text.expose_line()).map_err(|_| {
        let key = key_of(name.as_str());
        let message = format!("`{key}` contains characters that no header may have");
        Error::new(ErrorKind::Config, message)
    })?;
    value.set_sensitive(true);
    Ok(value)
}
