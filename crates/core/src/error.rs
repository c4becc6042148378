//! The one error that crosses the plugin line.

use std::fmt;
use std::io;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::redact::redact;

/// What plugins and the engine return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a failure means for the engine and for the person who must act.
///
/// The snake_case name is what users see in JSON, logs and alerts; it never changes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The configuration, or what it names (a variable, a file, a key), is wrong.
    Config,
    /// The remote did not accept the credentials.
    AuthFailed,
    /// The server's host key is not known and policy forbids learning it.
    HostKeyUnknown,
    /// The server shows another host key than the one known or pinned.
    HostKeyChanged,
    /// The remote could not be reached, or the connection was lost.
    Unreachable,
    /// Something took longer than its configured limit.
    Timeout,
    /// The repository does not exist on the remote.
    RemoteMissing,
    /// The repository exists and has no commits.
    RemoteEmpty,
    /// The wanted branch, tag or hash does not exist on the remote.
    RefMissing,
    /// The target holds something that gitbarge must not touch.
    Refused,
    /// Somebody else works on the same target or pipeline.
    Locked,
    /// No space is left on the target's file system.
    DiskFull,
    /// A newer writer won.
    Conflict,
    /// Stored data is damaged and could not be repaired.
    Corrupt,
    /// The remote said something that the git protocol does not allow.
    Protocol,
    /// A gate or a signature check said no.
    Rejected,
    /// The run was cancelled.
    Cancelled,
    /// A defect in gitbarge or in a plugin.
    Internal,
}

impl ErrorKind {
    /// Whether trying again, without anybody acting, may help.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Unreachable | Self::Timeout | Self::Locked | Self::Conflict | Self::Protocol
        )
    }

    /// The name that users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::AuthFailed => "auth_failed",
            Self::HostKeyUnknown => "host_key_unknown",
            Self::HostKeyChanged => "host_key_changed",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::RemoteMissing => "remote_missing",
            Self::RemoteEmpty => "remote_empty",
            Self::RefMissing => "ref_missing",
            Self::Refused => "refused",
            Self::Locked => "locked",
            Self::DiskFull => "disk_full",
            Self::Conflict => "conflict",
            Self::Corrupt => "corrupt",
            Self::Protocol => "protocol",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }

    /// What to do about it, where the place of failure knew nothing better.
    fn default_hint(self) -> Option<&'static str> {
        Some(match self {
            Self::Config => "correct the configuration; `gitbarge check` lists all its problems",
            Self::AuthFailed => {
                "check that the key or password is the right one and that the remote grants it access"
            }
            Self::HostKeyUnknown => {
                "verify the fingerprint with the server's owner, then add the key to known_hosts or to `host_keys`"
            }
            Self::HostKeyChanged => {
                "find out from the server's owner why its key changed before you trust the new one; this may be an attack"
            }
            Self::Unreachable => {
                "check the host name, the port and the network; gitbarge tries again by itself"
            }
            Self::Timeout => "check the network and the server, or raise the timeout",
            Self::RemoteMissing => {
                "check the repository's path, and that the credentials may see it"
            }
            Self::RemoteEmpty => "push a first commit to the repository",
            Self::RefMissing => "check `ref`, or push the branch or tag to the remote",
            Self::Refused => "move what is in the way elsewhere, or choose another target",
            Self::Locked => "wait until the other process has finished, or stop it",
            Self::DiskFull => "make space on the target's file system; the next run continues",
            Self::Corrupt => "move the damaged target away; the next run makes a new one",
            Self::Internal => "this is a defect: please report it with the log",
            Self::Conflict | Self::Protocol | Self::Rejected | Self::Cancelled => return None,
        })
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure: what the engine does next (`kind`), what happened to which object (`message`),
/// and what the reader can do about it (`hint`).
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure with a message: a lowercase fragment that names the object.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            retry_after: None,
            source: None,
        }
    }

    /// Says what the reader can do, where that is better than the kind's general hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The peer asked not to be tried again before this has passed.
    #[must_use]
    pub fn with_retry_after(mut self, wait: impl Into<Option<Duration>>) -> Self {
        self.retry_after = wait.into();
        self
    }

    /// The same failure under another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// The run was cancelled while it did `what`.
    pub fn cancelled(what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Cancelled, format!("cancelled while {what}"))
    }

    /// Classifies a failed file operation; `message` names the object.
    pub fn io(message: impl Into<String>, error: std::io::Error) -> Self {
        let kind = io_kind(&error).unwrap_or(ErrorKind::Refused);
        Self::new(kind, message).with_source(error)
    }

    /// What the engine does next.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// How long the peer asked to wait before another try.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Puts it into an I/O error, for what reads or writes. Never `Interrupted`, which the standard library would try again.
    pub fn into_io(self) -> io::Error {
        let kind = match self.kind {
            ErrorKind::Timeout => io::ErrorKind::TimedOut,
            ErrorKind::Unreachable => io::ErrorKind::ConnectionAborted,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, self)
    }

    /// The failure as users see it: the message with its causes, redacted and bounded.
    pub fn failure(&self) -> Failure {
        let mut message = self.message.clone();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = error.source();
        }
        let hint = self
            .hint
            .clone()
            .or_else(|| self.kind.default_hint().map(Into::into));
        Failure {
            kind: self.kind,
            message: redact(&message),
            hint: hint.map(|h| redact(&h)),
        }
    }
}

/// The kind of a file operation's failure, where the operating system's error says it.
pub fn io_kind(error: &std::io::Error) -> Option<ErrorKind> {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::StorageFull | Io::QuotaExceeded => Some(ErrorKind::DiskFull),
        Io::PermissionDenied | Io::ReadOnlyFilesystem => Some(ErrorKind::Refused),
        Io::TimedOut => Some(ErrorKind::Timeout),
        _ => None,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

/// A failure as it stands in results, logs and alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// What happened, with its causes.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl From<Failure> for Error {
    /// The failure once more, without its sources.
    fn from(failure: Failure) -> Self {
        let error = Self::new(failure.kind, failure.message);
        match failure.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_appended_once() {
        let inner = std::io::Error::other("no route");
        let error = Error::new(ErrorKind::Unreachable, "cannot reach `h`").with_source(inner);
        assert_eq!(error.failure().message, "cannot reach `h`: no route");
        let repeated = Error::new(ErrorKind::Unreachable, "no route")
            .with_source(std::io::Error::other("no route"));
        assert_eq!(repeated.failure().message, "no route");
    }

    #[test]
    fn json_names_equal_as_str() {
        for kind in [
            ErrorKind::AuthFailed,
            ErrorKind::DiskFull,
            ErrorKind::HostKeyUnknown,
            ErrorKind::Config,
        ] {
            assert_eq!(serde_json::to_value(kind).expect("an enum"), kind.as_str());
        }
    }

    #[test]
    fn a_full_disk_is_recognised() {
        let error = Error::io("failed to write `a`", std::io::Error::from_raw_os_error(28));
        assert_eq!(error.kind(), ErrorKind::DiskFull);
    }
}
