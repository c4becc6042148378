//! What the receiver's answers mean.

use gitbarge_core::{Error, ErrorKind, Result, retry_after};
use reqwest::{Response, StatusCode};

/// Turns an answer into a result. Its body is not read: it may quote what it was sent.
pub(crate) fn judge(answer: &Response, wanted: Option<u16>, server: &str) -> Result<()> {
    let status = answer.status();
    let is_taken = match wanted {
        Some(wanted) => status.as_u16() == wanted,
        None => status.is_success(),
    };
    if is_taken {
        return Ok(());
    }
    let error = refusal(status, wanted, server);
    Err(match retry_after(answer.headers()) {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    })
}

fn refusal(status: StatusCode, wanted: Option<u16>, server: &str) -> Error {
    let code = status.as_u16();
    let answered = |kind, meaning: &str| {
        let message = format!("the webhook at `{server}` answered {code}{meaning}");
        Error::new(kind, message)
    };
    match code {
        200..=299 => {
            let wanted = wanted.unwrap_or_default();
            answered(ErrorKind::Protocol, &format!(", not {wanted}"))
                .with_hint("correct `success_status`, or remove it: then any 2xx counts")
        }
        300..=399 => answered(ErrorKind::Config, ": it redirects, which is not followed")
            .with_hint("set `url` to the address that the redirect leads to"),
        401 | 403 => answered(ErrorKind::AuthFailed, ": it does not allow this")
            .with_hint("check `url`, `headers` and `secret`"),
        404 | 405 | 410 => answered(ErrorKind::Config, ": nothing there takes messages")
            .with_hint("check `url` and `method`"),
        408 => answered(ErrorKind::Timeout, ": the request took too long"),
        429 => answered(ErrorKind::Unreachable, ": too many requests"),
        500..=599 => answered(ErrorKind::Unreachable, ": it has a problem")
            .with_hint("look at the receiver; gitbarge tries again by itself"),
        _ => answered(ErrorKind::Protocol, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_kinds() {
        for (status, kind) in [
            (200, ErrorKind::Protocol),
            (302, ErrorKind::Config),
            (400, ErrorKind::Protocol),
            (401, ErrorKind::AuthFailed),
            (403, ErrorKind::AuthFailed),
            (404, ErrorKind::Config),
            (408, ErrorKind::Timeout),
            (410, ErrorKind::Config),
            (429, ErrorKind::Unreachable),
            (500, ErrorKind::Unreachable),
            (503, ErrorKind::Unreachable),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let error = refusal(status, Some(204), "h");
            assert_eq!(error.kind(), kind, "{status}");
            assert!(error.to_string().contains(status.as_str()), "{error}");
        }
    }
}
