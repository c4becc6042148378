//! The lines of JSON that git-lfs and its agent exchange.

use std::path::Path;

use gitbarge_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// What git-lfs says.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(super) enum Message {
    Init { operation: String },
    Download { oid: String, size: u64 },
    Upload { oid: String },
    Terminate,
}

impl Message {
    /// Reads a line.
    ///
    /// # Errors
    /// `protocol`.
    pub(super) fn read(line: &[u8]) -> Result<Self> {
        serde_json::from_slice(line).map_err(|error| {
            let message = "git-lfs says something that its agents do not know";
            Error::new(ErrorKind::Protocol, message).with_source(error)
        })
    }
}

/// What git-lfs is told.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_so_far: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_since_last: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem>,
}

#[derive(Debug, Serialize)]
struct Problem {
    code: u16,
    message: String,
}

impl<'a> Answer<'a> {
    pub(super) fn ready() -> Self {
        Self::default()
    }

    pub(super) fn not_ready(error: &Error) -> Self {
        Self {
            error: Some(problem(error)),
            ..Self::default()
        }
    }

    pub(super) fn progress(oid: &'a str, so_far: u64, since_last: u64) -> Self {
        Self {
            event: Some("progress"),
            oid: Some(oid),
            bytes_so_far: Some(so_far),
            bytes_since_last: Some(since_last),
            ..Self::default()
        }
    }

    pub(super) fn complete(oid: &'a str, path: &'a Path) -> Self {
        if path.to_str().is_none() {
            let error = Error::new(
                ErrorKind::Refused,
                "git-lfs cannot be told a path that is not UTF-8",
            );
            return Self::failed(oid, &error);
        }
        Self {
            event: Some("complete"),
            oid: Some(oid),
            path: Some(path),
            ..Self::default()
        }
    }

    pub(super) fn failed(oid: &'a str, error: &Error) -> Self {
        Self {
            event: Some("complete"),
            oid: Some(oid),
            error: Some(problem(error)),
            ..Self::default()
        }
    }

    pub(super) fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("text and numbers are JSON");
        line.push(b'\n');
        line
    }
}

/// git-lfs shows the code; those of HTTP tell people something.
fn problem(error: &Error) -> Problem {
    let code = match error.kind() {
        ErrorKind::AuthFailed => 403,
        ErrorKind::RemoteMissing => 404,
        ErrorKind::Corrupt => 422,
        ErrorKind::Unreachable => 503,
        ErrorKind::Timeout => 504,
        _ => 500,
    };
    let message = error.failure().message;
    Problem { code, message }
}
