//! Says what a failed git operation means: for the engine by its kind, for people by its words.

use std::time::Duration;

use gitbarge_core::redact::shorten;
use gitbarge_core::{Address, Error, ErrorKind, RemoteEnd, io_kind};

/// How long to wait for the remote's last words after its output has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// The most of the remote's standard error that goes into a message, in characters.
const MOST_STDERR: usize = 600;

/// Classifies a failure of work on a repository on this machine.
pub fn local(what: impl Into<String>, error: gix::Error) -> Error {
    let kind = local_kind(&error);
    Error::new(kind, what).with_source(error)
}

fn local_kind(error: &gix::Error) -> ErrorKind {
    if error.is_cancelled() {
        return ErrorKind::Cancelled;
    }
    let io = error
        .iter_errors()
        .filter_map(|e| e.downcast_ref::<std::io::Error>())
        .find_map(io_kind);
    // Such as a path with `..` or `.git` in a tree: it is as its author wanted it, and must not be written.
    let is_forbidden = error.is_validation() && !error.is_corrupted();
    io.unwrap_or(if is_forbidden {
        ErrorKind::Refused
    } else {
        ErrorKind::Corrupt
    })
}

/// Classifies a failure of a conversation with a remote. Blocks up to two seconds for the remote's standard error.
pub(crate) fn remote(
    what: &str,
    error: gix::Error,
    address: &Address,
    remote: &RemoteEnd,
) -> Error {
    if let Some(known) = known_cause(&error) {
        return known;
    }
    let text = error
        .iter_errors()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ");
    let ending = remote.wait(LAST_WORDS);
    let said = shorten(&ending.stderr, MOST_STDERR);
    let (kind, hint) = remote_kind(&format!("{text}\n{said}"), ending.exit)
        .or_else(|| disk_kind(&error).map(|kind| (kind, None)))
        .unwrap_or((
            if said.is_empty() {
                ErrorKind::Unreachable
            } else {
                ErrorKind::Protocol
            },
            None,
        ));
    let message = if said.is_empty() {
        format!("{what} failed for `{address}`: {text}")
    } else {
        format!("{what} failed for `{address}`; the remote said: {said}")
    };
    let error = Error::new(kind, message);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// The cause that the transport itself has put into the I/O error, such as `timeout` or `cancelled`.
fn known_cause(error: &gix::Error) -> Option<Error> {
    error.iter_errors().find_map(|cause| {
        let io = cause.downcast_ref::<std::io::Error>()?;
        let inner = io.get_ref()?.downcast_ref::<Error>()?;
        let failure = inner.failure();
        let error = Error::new(failure.kind, failure.message);
        Some(match failure.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        })
    })
}

fn disk_kind(error: &gix::Error) -> Option<ErrorKind> {
    let mut io = error
        .iter_errors()
        .filter_map(|e| e.downcast_ref::<std::io::Error>());
    io.find_map(io_kind)
        .filter(|kind| *kind != ErrorKind::Timeout)
}

/// What git servers say, in lower case, and what it means. Sources: git's upload-pack.c, path.c and setup.c; the
/// SSH front ends of GitHub, GitLab, Gitea and Bitbucket.
const SAYINGS: &[(&str, ErrorKind, Option<&str>)] = &[
    (
        "does not appear to be a git repository",
        ErrorKind::RemoteMissing,
        None,
    ),
    ("repository not found", ErrorKind::RemoteMissing, None),
    ("could not be found", ErrorKind::RemoteMissing, None),
    ("repository does not exist", ErrorKind::RemoteMissing, None),
    ("not a git repository", ErrorKind::RemoteMissing, None),
    (
        "dubious ownership",
        ErrorKind::Config,
        Some("on the source's machine, add the repository to git's `safe.directory`"),
    ),
    (
        "not our ref",
        ErrorKind::RefMissing,
        Some("the server has no such commit, or does not let clients ask for it by hash"),
    ),
    (
        "unadvertised object",
        ErrorKind::RefMissing,
        Some("the server does not let clients ask for commits by hash"),
    ),
    ("access denied", ErrorKind::AuthFailed, None),
    ("permission denied", ErrorKind::AuthFailed, None),
    ("unauthorized", ErrorKind::AuthFailed, None),
    ("deploy key is not associated", ErrorKind::AuthFailed, None),
    (
        "command not found",
        ErrorKind::Protocol,
        Some("install git on the server, or give the account a shell that finds it"),
    ),
    (
        "git-upload-pack: not found",
        ErrorKind::Protocol,
        Some("install git on the server"),
    ),
    (
        "possible repository corruption on the remote",
        ErrorKind::Protocol,
        Some("the repository on the server is damaged: `git fsck` it there"),
    ),
];

fn remote_kind(text: &str, exit: Option<u32>) -> Option<(ErrorKind, Option<&'static str>)> {
    let text = text.to_lowercase();
    let said = SAYINGS
        .iter()
        .find(|(words, ..)| text.contains(words))
        .map(|(_, kind, hint)| (*kind, *hint));
    // 127 is the shell's word for a command that it cannot find.
    said.or_else(|| {
        (exit == Some(127)).then_some((ErrorKind::Protocol, Some("install git on the server")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_say_is_understood() {
        for (said, kind) in [
            (
                "fatal: '/x.git' does not appear to be a git repository",
                ErrorKind::RemoteMissing,
            ),
            (
                "ERROR: Repository not found.\nfatal: Could not read from remote repository.",
                ErrorKind::RemoteMissing,
            ),
            (
                "remote: ERROR: The project you were looking for could not be found",
                ErrorKind::RemoteMissing,
            ),
            ("upload-pack: not our ref 0123", ErrorKind::RefMissing),
            (
                "fatal: detected dubious ownership in repository at '/x'",
                ErrorKind::Config,
            ),
            (
                "bash: line 1: git-upload-pack: command not found",
                ErrorKind::Protocol,
            ),
        ] {
            assert_eq!(
                remote_kind(said, Some(128)).map(|(kind, _)| kind),
                Some(kind),
                "{said}"
            );
        }
        assert_eq!(remote_kind("hello", Some(128)), None);
    }

    #[test]
    fn a_cause_in_the_transport_is_kept() {
        let inner = Error::new(ErrorKind::Timeout, "nothing came for 60 s");
        let io = std::io::Error::new(std::io::ErrorKind::TimedOut, inner);
        let error = remote(
            "fetching",
            gix::Error::from_error(io),
            &Address::new("h:x"),
            &RemoteEnd::default(),
        );
        assert_eq!(error.kind(), ErrorKind::Timeout);
    }
}
