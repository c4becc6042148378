//! What the server's answers mean.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitbarge_core::redact::shorten;
use gitbarge_core::{Error, ErrorKind, Result, Service, retry_after};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap};
use reqwest::{Response, StatusCode, Url};
use tokio::time::timeout;

use crate::client::Caller;

/// How much of what the server says goes into a message, in characters.
const MOST_WORDS: usize = 300;
/// How much of it is read, in bytes, and how long that may take.
const MOST_READ: usize = 8 << 10;
const PATIENCE: Duration = Duration::from_secs(2);

/// What an answer should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected {
    Advertisement(Service),
    Result(Service),
}

impl Expected {
    fn content_type(self) -> String {
        match self {
            Self::Advertisement(service) => {
                format!("application/x-{}-advertisement", service.as_str())
            }
            Self::Result(service) => format!("application/x-{}-result", service.as_str()),
        }
    }
}

/// Passes answers of git's smart protocol on; others are errors.
pub(crate) async fn judge(
    answer: Response,
    base: &Url,
    expected: Expected,
    caller: &Caller,
) -> Result<Response> {
    let status = answer.status();
    let content_type = content_type(answer.headers());
    if status == StatusCode::OK {
        if content_type == expected.content_type() {
            return Ok(answer);
        }
        return Err(not_smart(base, &content_type));
    }
    let wait = retry_after(answer.headers());
    let said = if content_type == "text/plain" {
        words(answer, &caller.headers.of(base)).await
    } else {
        None
    };
    let error = refusal(status, said.as_deref(), base, &caller.hint);
    Err(error.with_retry_after(wait))
}

/// Without its parameters, such as the charset.
fn content_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let kind = value.and_then(|value| value.split(';').next());
    kind.unwrap_or_default().trim().to_ascii_lowercase()
}

fn not_smart(base: &Url, content_type: &str) -> Error {
    let what = match content_type {
        "text/html" | "application/xhtml+xml" => "a web page".to_owned(),
        "" => "something without a type".to_owned(),
        other => format!("`{}`", shorten(other, 100)),
    };
    let message = format!("`{base}` answered with {what}, not in git's smart HTTP protocol");
    Error::new(ErrorKind::Protocol, message).with_hint(
        "check that `url` is the address that `git clone` takes; a server of plain files (dumb HTTP) cannot be read from",
    )
}

fn refusal(status: StatusCode, said: Option<&str>, base: &Url, hint: &str) -> Error {
    let code = status.as_u16();
    let answered = |kind, meaning: &str| {
        let said = said.map(|said| format!("; it said: {said}"));
        let message = format!(
            "`{base}` answered {code}{meaning}{}",
            said.unwrap_or_default()
        );
        Error::new(kind, message)
    };
    match code {
        401 => answered(
            ErrorKind::AuthFailed,
            ": it does not know who asks, or not these credentials",
        )
        .with_hint(hint),
        403 => answered(ErrorKind::AuthFailed, ": it does not allow this").with_hint(hint),
        404 | 410 => answered(ErrorKind::RemoteMissing, ": there is no such repository"),
        407 => answered(ErrorKind::Config, ": the proxy wants credentials").with_hint(
            "set `proxy_username` and `proxy_password`, or put both into the proxy's variable",
        ),
        408 => answered(ErrorKind::Timeout, ": the request took too long"),
        429 => answered(ErrorKind::Unreachable, ": too many requests")
            .with_hint("gitbarge tries again by itself; ask less often"),
        500..=599 => answered(ErrorKind::Unreachable, ": the server has a problem")
            .with_hint("look at the server; gitbarge tries again by itself"),
        _ => answered(ErrorKind::Protocol, ""),
    }
}

/// What the server says in plain words, unless it repeats a secret.
async fn words(mut answer: Response, sent: &HeaderMap) -> Option<String> {
    let mut bytes = Vec::new();
    let reading = async {
        while let Ok(Some(part)) = answer.chunk().await {
            bytes.extend_from_slice(&part);
            if bytes.len() > MOST_READ {
                return;
            }
        }
    };
    timeout(PATIENCE, reading).await.ok();
    let text = String::from_utf8_lossy(&bytes);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_fine = !text.is_empty() && !repeats_secret(&text, sent);
    is_fine.then(|| shorten(&text, MOST_WORDS))
}

fn repeats_secret(text: &str, sent: &HeaderMap) -> bool {
    sent.iter().any(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        let last = value.rsplit(' ').next().unwrap_or_default();
        let decoded = (name == AUTHORIZATION)
            .then(|| STANDARD.decode(last).ok())
            .flatten();
        let decoded = decoded.and_then(|both| String::from_utf8(both).ok());
        let password = decoded
            .as_deref()
            .map(|both| both.split_once(':').unwrap_or(("", both)).1);
        let cookies = value.split(';').filter_map(|cookie| cookie.split_once('='));
        let cookies = cookies.map(|(_, value)| value).filter(|_| name == COOKIE);
        let secrets = [Some(last), password].into_iter().flatten();
        secrets
            .chain(cookies)
            .any(|secret| !secret.is_empty() && text.contains(secret))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Url {
        Url::parse("https://h/x.git").unwrap()
    }

    #[test]
    fn statuses_have_kinds() {
        for (status, kind) in [
            (304, ErrorKind::Protocol),
            (400, ErrorKind::Protocol),
            (401, ErrorKind::AuthFailed),
            (403, ErrorKind::AuthFailed),
            (404, ErrorKind::RemoteMissing),
            (407, ErrorKind::Config),
            (408, ErrorKind::Timeout),
            (410, ErrorKind::RemoteMissing),
            (429, ErrorKind::Unreachable),
            (500, ErrorKind::Unreachable),
            (503, ErrorKind::Unreachable),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let error = refusal(status, None, &base(), "log in");
            assert_eq!(error.kind(), kind, "{status}");
            assert!(error.to_string().contains(status.as_str()), "{error}");
            let names_keys = error.failure().hint.as_deref() == Some("log in");
            assert_eq!(names_keys, kind == ErrorKind::AuthFailed, "{status}");
        }
    }

    #[test]
    fn what_is_not_git_is_called_so() {
        let error = not_smart(&base(), "text/html");
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.to_string().contains("a web page"), "{error}");
        assert!(not_smart(&base(), "text/plain").failure().hint.is_some());
    }

    #[test]
    fn words_that_repeat_a_secret_are_known() {
        let sent = HeaderMap::from_iter([(AUTHORIZATION, "Basic bWU6aHVzaA==".parse().unwrap())]);
        assert!(repeats_secret("you said bWU6aHVzaA==", &sent));
        assert!(repeats_secret("hush is no password", &sent));
        assert!(!repeats_secret("who are you?", &sent));
        let sent = HeaderMap::from_iter([(COOKIE, "a=hush; b=hash".parse().unwrap())]);
        assert!(repeats_secret("hush is known", &sent) && repeats_secret("hash is not", &sent));
    }
}
