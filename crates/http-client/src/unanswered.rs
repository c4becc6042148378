//! Why no answer came, or not all of it, in plain words.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use gitbarge_core::{Error, ErrorKind};

/// The request got no answer.
pub fn unanswered(error: &reqwest::Error, server: &str, connect_timeout: Duration) -> Error {
    if error.is_timeout() {
        let message = format!("`{server}` could not be connected to within {connect_timeout:?}");
        return Error::new(ErrorKind::Timeout, message);
    }
    let cause = Cause::of(error);
    let message = format!("`{server}` cannot be reached: {}", cause.words);
    let error = Error::new(cause.kind, message);
    match cause.hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// The answer ended too early.
pub fn lost(error: reqwest::Error, server: &str, received: u64) -> Error {
    let cause = deepest(&error);
    let message = format!(
        "the connection to `{server}` was lost after {received} bytes of an answer: {cause}"
    );
    Error::new(ErrorKind::Unreachable, message)
}

/// Whether a connection that had been opened was closed before an answer came.
pub fn is_closed(error: &reqwest::Error) -> bool {
    let is_end = |kind| {
        matches!(
            kind,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
        )
    };
    let mut texts = causes(error).map(ToString::to_string);
    !error.is_connect()
        && (io_kinds(error).any(is_end) || texts.any(|text| text.contains("connection closed")))
}

struct Cause {
    kind: ErrorKind,
    words: String,
    hint: Option<&'static str>,
}

impl Cause {
    fn of(error: &reqwest::Error) -> Self {
        let texts: Vec<String> = causes(error).map(ToString::to_string).collect();
        let is_said = |words: &str| texts.iter().any(|text| text.contains(words));
        let plain = |words: &str, hint| Self {
            kind: ErrorKind::Unreachable,
            words: words.to_owned(),
            hint,
        };
        if is_said("dns error") || is_said("failed to lookup address") {
            return plain("its name cannot be resolved", None);
        }
        if is_said("InvalidContentType") {
            return plain(
                "it does not speak TLS",
                Some("check the port, and whether `url` should begin with `http://`"),
            );
        }
        if is_said("invalid HTTP") || is_said("unexpected message") {
            let hint = "check the port, and whether `url` should begin with `https://`";
            return Self {
                kind: ErrorKind::Protocol,
                ..plain("what answers there does not speak HTTP", Some(hint))
            };
        }
        if let Some(why) = texts
            .iter()
            .find_map(|text| text.split_once("invalid peer certificate: "))
        {
            let words = format!("its certificate is not trusted ({})", why.1);
            return plain(
                &words,
                Some(
                    "if the server is the right one, add its issuer to the certificates of this system, or to those of `ca`",
                ),
            );
        }
        if is_said("CertificateRequired") {
            let hint = "a source of type `http` has the keys `client_cert` and `client_key` for it";
            return Self {
                kind: ErrorKind::AuthFailed,
                ..plain("it wants a client certificate", Some(hint))
            };
        }
        if is_said("proxy authorization required") {
            let hint =
                "set `proxy_username` and `proxy_password`, or put both into the proxy's variable";
            return Self {
                kind: ErrorKind::Config,
                ..plain("the proxy wants credentials", Some(hint))
            };
        }
        if io_kinds(error).any(|kind| kind == io::ErrorKind::ConnectionRefused) {
            return plain("the connection was refused", None);
        }
        if is_closed(error) {
            return plain("the connection was closed before an answer came", None);
        }
        plain(&deepest(error), None)
    }
}

/// The error's causes, without the library's own sentence, which may show the URL.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

fn io_kinds(error: &reqwest::Error) -> impl Iterator<Item = io::ErrorKind> {
    causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>().map(io::Error::kind))
}

fn deepest(error: &reqwest::Error) -> String {
    match causes(error).last() {
        Some(cause) => cause.to_string(),
        None => "no reason is known".to_owned(),
    }
}
