//! Where the LFS objects of a repository behind SSH are: the server says, or it is guessed.
//!
//! The command: <https://github.com/git-lfs/git-lfs/blob/main/docs/api/server-discovery.md>.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use gitbarge_core::{Error, ErrorKind, LfsServer, RemoteEnd, Result, Secret};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use tracing::debug;

use crate::url::SshUrl;

/// The most that is read of an answer, in bytes.
const LONGEST: u64 = 64 << 10;
/// How long the exit code may come after the end of the output.
const FAREWELL: Duration = Duration::from_secs(1);
/// What a path in a URL must not have as it is (WHATWG URL, "path percent-encode set"), and `%`.
const RESERVED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'}');

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    href: String,
    #[serde(default)]
    header: Option<BTreeMap<String, String>>,
}

/// Reads what `git-lfs-authenticate` prints; blocking. `None` if the server does not know the command, or it fails.
///
/// # Errors
/// Those of the connection; `protocol` if the answer is broken. It is not quoted, for it has credentials.
pub(crate) fn read(
    reader: impl Read,
    remote: &RemoteEnd,
    url: &SshUrl,
) -> Result<Option<LfsServer>> {
    let mut text = Vec::new();
    if let Err(error) = reader.take(LONGEST + 1).read_to_end(&mut text) {
        let error = lost(error, url);
        // So servers say that they do not run a command.
        if error.kind() == ErrorKind::Protocol {
            debug!(%error, "The server does not say where LFS objects are.");
            return Ok(None);
        }
        return Err(error);
    }
    if text.len() as u64 > LONGEST {
        return Err(broken(url, "is longer than 64 KiB".to_owned()));
    }
    let ending = remote.wait(FAREWELL);
    let is_answer = text.trim_ascii_start().starts_with(b"{");
    if ending.exit.is_some_and(|code| code != 0) || !is_answer {
        debug!(
            exit = ending.exit,
            "The server does not say where LFS objects are."
        );
        return Ok(None);
    }
    parse(&text, url).map(Some)
}

fn parse(text: &[u8], url: &SshUrl) -> Result<LfsServer> {
    let answer: Answer = serde_json::from_slice(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        broken(
            url,
            format!("is not the JSON that git-lfs expects (line {line}, column {column})"),
        )
    })?;
    let is_web = answer.href.starts_with("https://") || answer.href.starts_with("http://");
    if !answer.href.is_empty() && !is_web {
        return Err(broken(
            url,
            "has an address that is no http(s) URL".to_owned(),
        ));
    }
    let headers = answer.header.unwrap_or_default().into_iter();
    let headers = headers.map(|(name, value)| Ok((name, Secret::literal(value).read()?)));
    let headers = headers.collect::<Result<_>>()?;
    Ok(match answer.href.as_str() {
        "" => LfsServer {
            headers,
            ..guess(url)
        },
        href => LfsServer::new(href, headers),
    })
}

/// Where git-lfs looks for a server that says nothing about it, without anything that would open its door.
pub(crate) fn guess(url: &SshUrl) -> LfsServer {
    let host = if url.host.contains(':') {
        format!("[{}]", url.host)
    } else {
        url.host.clone()
    };
    let path = url.path.trim_matches('/');
    let path = utf8_percent_encode(path.strip_suffix(".git").unwrap_or(path), RESERVED);
    LfsServer::new(format!("https://{host}/{path}.git/info/lfs"), Vec::new())
}

fn broken(url: &SshUrl, what: String) -> Error {
    let message = format!(
        "the answer of `{}` to `git-lfs-authenticate` {what}",
        url.server()
    );
    Error::new(ErrorKind::Protocol, message)
}

/// The stream's errors carry one of ours.
fn lost(error: std::io::Error, url: &SshUrl) -> Error {
    error.downcast::<Error>().unwrap_or_else(|error| {
        let message = format!("`{}` cannot be read", url.server());
        Error::new(ErrorKind::Unreachable, message).with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url() -> SshUrl {
        SshUrl::parse("git@host:org/site.git").unwrap()
    }

    fn said(text: &str, exit: u32) -> Result<Option<LfsServer>> {
        let remote = RemoteEnd::default();
        remote.set_exit(exit);
        remote.close();
        read(text.as_bytes(), &remote, &url())
    }

    #[test]
    fn the_servers_answer_is_taken() {
        let text = r#"{"href":"https://lfs.host/x","header":{"Authorization":"Basic hush"},"expires_in":60,"expires_at":"2026-01-01T00:00:00Z"}"#;
        let server = said(text, 0).unwrap().unwrap();
        assert_eq!(server.url, "https://lfs.host/x");
        let (name, value) = &server.headers[0];
        assert_eq!(
            (name.as_str(), value.expose()),
            ("Authorization", "Basic hush")
        );
        // Some say only what opens the usual place.
        let server = said(r#" {"header":{"A":"b"}}"#, 0).unwrap().unwrap();
        assert_eq!(server.url, "https://host/org/site.git/info/lfs");
        assert_eq!(server.headers.len(), 1);
        let server = said(r#"{"href":"http://h","header":null}"#, 0)
            .unwrap()
            .unwrap();
        assert!(server.headers.is_empty());
    }

    #[test]
    fn a_server_that_says_something_else_says_nothing() {
        for (text, exit) in [
            ("", 127),
            ("", 0),
            ("Hi there! You have no shell here.", 0),
            (r#"{"href":"https://lfs.host/x"}"#, 1),
        ] {
            assert!(said(text, exit).unwrap().is_none(), "{text}");
        }
    }

    #[test]
    fn a_broken_answer_is_refused_without_quoting_it() {
        let long = format!(r#"{{"href":"{}"}}"#, "x".repeat(70_000));
        for text in [
            r#"{"href":"#,
            r#"{"href":["hush"]}"#,
            r#"{"href":"ssh://hush/x"}"#,
            r#"{"href":"file:///hush"}"#,
            r#"{"header":"hush"}"#,
            &long,
        ] {
            let error = said(text, 0).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{text}");
            assert!(!format!("{error:?}").contains("hush"), "{error:?}");
        }
    }

    #[test]
    fn the_guess_is_that_of_git_lfs() {
        for (address, expected) in [
            ("git@host:org/a.git", "https://host/org/a.git/info/lfs"),
            ("git@host:org/a", "https://host/org/a.git/info/lfs"),
            (
                "ssh://git@host:2222/org/a/",
                "https://host/org/a.git/info/lfs",
            ),
            (
                "ssh://[::1]/a b?c%25",
                "https://[::1]/a%20b%3Fc%25.git/info/lfs",
            ),
        ] {
            let guessed = guess(&SshUrl::parse(address).unwrap());
            assert_eq!(guessed.url, expected);
            assert!(guessed.headers.is_empty());
        }
    }
}
