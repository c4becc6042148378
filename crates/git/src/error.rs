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
    let (kind, hint) = local_kind(&error);
    hinted(Error::new(kind, what).with_source(error), hint)
}

/// Classifies a failed file operation in a repository or work tree; `message` names the object.
pub fn io(message: impl Into<String>, error: std::io::Error) -> Error {
    match system_kind(&error) {
        Some((kind, hint)) => hinted(Error::new(kind, message).with_source(error), hint),
        None => Error::io(message, error),
    }
}

fn hinted(error: Error, hint: Option<&'static str>) -> Error {
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

type Kind = (ErrorKind, Option<&'static str>);

const BUSY: &str = "another git process works in the repository: wait until it has finished";

/// Only what was read and found wrong is damage: what the system would not let us read says nothing about it.
fn local_kind(error: &gix::Error) -> Kind {
    if error.is_cancelled() {
        return (ErrorKind::Cancelled, None);
    }
    // gix marks so a lock that somebody else holds, and objects that vanish while they are listed.
    if error.is_retryable() {
        return (ErrorKind::Locked, Some(BUSY));
    }
    if let Some(known) = io_errors(error).find_map(system_kind) {
        return known;
    }
    if error.is_resource_exhausted() {
        return (ErrorKind::Refused, Some(MEMORY));
    }
    // Such as a path with `..` or `.git` in a tree: it is as its author wanted it, and must not be written.
    let is_forbidden = error.is_validation() && !error.is_corrupted();
    let kind = if is_forbidden {
        ErrorKind::Refused
    } else {
        ErrorKind::Corrupt
    };
    (kind, None)
}

fn io_errors(error: &gix::Error) -> impl Iterator<Item = &std::io::Error> {
    error
        .iter_errors()
        .filter_map(|e| e.downcast_ref::<std::io::Error>())
}

const MEMORY: &str = "give the process more memory";

/// The operating system's own error. Some libraries add a path to it, and leave nothing but its words.
fn system_error(error: &std::io::Error) -> Option<std::io::Error> {
    let number = error.raw_os_error().or_else(|| {
        let text = error.to_string();
        let (_, rest) = text.split_once("(os error ")?;
        rest.split_once(')')?.0.parse().ok()
    });
    number.map(std::io::Error::from_raw_os_error)
}

/// What the operating system's own error means; `None` for errors that a library has made up.
fn system_kind(error: &std::io::Error) -> Option<Kind> {
    use std::io::ErrorKind as Io;
    let error = system_error(error)?;
    if let Some(kind) = io_kind(&error) {
        return Some((kind, None));
    }
    let number = error
        .raw_os_error()
        .map(rustix::io::Errno::from_raw_os_error);
    if matches!(
        number,
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE)
    ) {
        let hint = "too many files are open: raise the limit (`ulimit -n`)";
        return Some((ErrorKind::Refused, Some(hint)));
    }
    Some(match error.kind() {
        Io::FileTooLarge => (
            ErrorKind::DiskFull,
            Some("the file is larger than the file system or `ulimit -f` allows"),
        ),
        // It was there a moment ago, or was not there yet: somebody else is at work.
        Io::NotFound | Io::AlreadyExists => (ErrorKind::Locked, Some(BUSY)),
        Io::ExecutableFileBusy => (
            ErrorKind::Refused,
            Some("the file is a program that runs: stop it, or deliver when it does not run"),
        ),
        Io::OutOfMemory => (ErrorKind::Refused, Some(MEMORY)),
        Io::InvalidFilename => (
            ErrorKind::Refused,
            Some("a name is longer than the file system allows"),
        ),
        Io::IsADirectory | Io::NotADirectory | Io::DirectoryNotEmpty | Io::ResourceBusy => (
            ErrorKind::Refused,
            Some("something else stands in its place, or holds it: move it away"),
        ),
        _ => (
            ErrorKind::Refused,
            Some("the operating system refused it: look at the disk and its mount options"),
        ),
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
    // What this machine's disk says must not be taken for the remote's words.
    if let Some((kind, hint)) = disk_kind(&error) {
        let message = format!("{what} failed for `{address}`");
        return hinted(Error::new(kind, message).with_source(error), hint);
    }
    let text = error
        .iter_errors()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ");
    let ending = remote.wait(LAST_WORDS);
    let said = shorten(&ending.stderr, MOST_STDERR);
    let (kind, hint) = remote_kind(&format!("{text}\n{said}"), ending.exit).unwrap_or((
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
    hinted(Error::new(kind, message), hint)
}

/// The cause that the transport itself has put into the I/O error, such as `timeout` or `cancelled`.
fn known_cause(error: &gix::Error) -> Option<Error> {
    error.iter_errors().find_map(|cause| {
        let io = cause.downcast_ref::<std::io::Error>()?;
        let inner = io.get_ref()?.downcast_ref::<Error>()?;
        let failure = inner.failure();
        let error = Error::new(failure.kind, failure.message).with_retry_after(inner.retry_after());
        Some(match failure.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        })
    })
}

/// A failure to write what was received.
fn disk_kind(error: &gix::Error) -> Option<Kind> {
    use std::io::ErrorKind as Io;
    let is_of_network = |e: &std::io::Error| {
        matches!(
            e.kind(),
            Io::TimedOut
                | Io::BrokenPipe
                | Io::ConnectionReset
                | Io::ConnectionAborted
                | Io::ConnectionRefused
                | Io::NotConnected
                | Io::UnexpectedEof
                | Io::Interrupted
                | Io::WouldBlock
                | Io::HostUnreachable
                | Io::NetworkUnreachable
                | Io::NetworkDown
        )
    };
    if io_errors(error).any(is_of_network) {
        return None;
    }
    io_errors(error).find_map(system_kind)
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
    fn what_the_system_refuses_is_no_damage() {
        for (number, kind) in [
            (rustix::io::Errno::NOSPC, ErrorKind::DiskFull),
            (rustix::io::Errno::DQUOT, ErrorKind::DiskFull),
            (rustix::io::Errno::FBIG, ErrorKind::DiskFull),
            (rustix::io::Errno::MFILE, ErrorKind::Refused),
            (rustix::io::Errno::NFILE, ErrorKind::Refused),
            (rustix::io::Errno::NOMEM, ErrorKind::Refused),
            (rustix::io::Errno::ACCESS, ErrorKind::Refused),
            (rustix::io::Errno::ROFS, ErrorKind::Refused),
            (rustix::io::Errno::TXTBSY, ErrorKind::Refused),
            (rustix::io::Errno::NAMETOOLONG, ErrorKind::Refused),
            (rustix::io::Errno::IO, ErrorKind::Refused),
            (rustix::io::Errno::EXIST, ErrorKind::Locked),
            (rustix::io::Errno::NOENT, ErrorKind::Locked),
        ] {
            let error = std::io::Error::from_raw_os_error(number.raw_os_error());
            let error = local("reading", gix::Error::from_error(error));
            assert_eq!(error.kind(), kind, "{number}");
        }
        let full = std::io::Error::from_raw_os_error(rustix::io::Errno::FBIG.raw_os_error());
        let wrapped = std::io::Error::new(full.kind(), format!("{full} at path `x`"));
        let error = local("writing", gix::Error::from_error(wrapped));
        assert_eq!(error.kind(), ErrorKind::DiskFull);
        let torn = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let error = local("reading", gix::Error::from_error(torn));
        assert_eq!(error.kind(), ErrorKind::Corrupt);
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
