//! What Slack's answers mean.

use gitbarge_core::{Error, ErrorKind, Result, Secret, retry_after};
use reqwest::{Response, StatusCode};

/// The longest body that can be one of Slack's error codes, such as `no_service`.
const LONGEST_CODE: u64 = 60;

/// Turns an answer into a result.
pub(crate) async fn judge(answer: Response, host: &str, webhook_url: &Secret) -> Result<()> {
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let wait = retry_after(answer.headers());
    let code = error_code(answer).await;
    let error = refusal(status, code.as_deref(), host, webhook_url);
    Err(error.with_retry_after(wait))
}

/// The request got no answer.
pub(crate) fn unanswered(error: reqwest::Error, host: &str) -> Error {
    let (kind, what) = if error.is_timeout() {
        (ErrorKind::Timeout, "did not answer in time")
    } else {
        (ErrorKind::Unreachable, "could not be reached")
    };
    Error::new(kind, format!("slack's webhook at `{host}` {what}")).with_source(error.without_url())
}

fn refusal(status: StatusCode, code: Option<&str>, host: &str, webhook_url: &Secret) -> Error {
    let said = match code {
        Some(code) => format!("{} ({code})", status.as_u16()),
        None => status.as_u16().to_string(),
    };
    let answered = |kind| Error::new(kind, format!("slack's webhook at `{host}` answered {said}"));
    match status {
        StatusCode::TOO_MANY_REQUESTS => answered(ErrorKind::Unreachable)
            .with_hint("Slack takes about one message a second; gitbarge tries again by itself"),
        StatusCode::REQUEST_TIMEOUT => answered(ErrorKind::Timeout),
        _ if status.is_server_error() => answered(ErrorKind::Unreachable)
            .with_hint("look at https://slack-status.com; gitbarge tries again by itself"),
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => answered(ErrorKind::Protocol)
            .with_hint(
                "check that the URL is one of an incoming webhook; if it is, please report this",
            ),
        _ => Error::new(
            ErrorKind::Config,
            format!(
                "`{host}` refused the webhook url from {}: {said}",
                webhook_url.place()
            ),
        )
        .with_hint(
            "make a new incoming webhook, or unarchive its channel, and correct `webhook_url`",
        ),
    }
}

/// Slack's own codes only: a proxy's page may quote the URL.
async fn error_code(answer: Response) -> Option<String> {
    if answer.content_length()? > LONGEST_CODE {
        return None;
    }
    let code = answer.text().await.ok()?;
    let is_code = |c: char| c.is_ascii_lowercase() || c == '_';
    (!code.is_empty() && code.chars().all(is_code)).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_kinds() {
        for (status, kind) in [
            (302, ErrorKind::Config),
            (400, ErrorKind::Protocol),
            (401, ErrorKind::Config),
            (403, ErrorKind::Config),
            (404, ErrorKind::Config),
            (408, ErrorKind::Timeout),
            (410, ErrorKind::Config),
            (413, ErrorKind::Protocol),
            (429, ErrorKind::Unreachable),
            (500, ErrorKind::Unreachable),
            (503, ErrorKind::Unreachable),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                refusal(status, None, "h", &Secret::env("X")).kind(),
                kind,
                "{status}"
            );
        }
    }

    #[test]
    fn a_refused_url_is_named_by_its_place() {
        let error = refusal(
            StatusCode::NOT_FOUND,
            Some("no_service"),
            "hooks.slack.com",
            &Secret::env("HOOK"),
        );
        assert_eq!(
            error.to_string(),
            "`hooks.slack.com` refused the webhook url from environment variable `HOOK`: 404 (no_service)"
        );
    }
}
