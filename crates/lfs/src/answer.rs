//! What answers of servers mean.

use gitbarge_core::{Error, ErrorKind, retry_after};
use reqwest::{Response, StatusCode};

use crate::Object;

/// What the batch API's refusal means.
///
/// The statuses: <https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md#response-errors>.
pub(crate) fn of_batch(response: &Response, host: &str) -> Error {
    let status = response.status();
    let code = status.as_u16();
    let refused = |kind, what: &str| Error::new(kind, format!("{host} {what} ({code})"));
    let error = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => refused(
            ErrorKind::AuthFailed,
            "does not let the LFS objects be read with these credentials",
        ),
        StatusCode::NOT_FOUND
        | StatusCode::GONE
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::NOT_IMPLEMENTED => refused(
            ErrorKind::RemoteMissing,
            "has no LFS for the repository",
        )
        .with_hint(
            "check that LFS is switched on for the repository, and that the credentials may see it",
        ),
        _ => other(
            status,
            &format!("{host} answered {code} to the request for LFS objects"),
        ),
    };
    error.with_retry_after(retry_after(response.headers()))
}

/// What a refused download means.
pub(crate) fn of_download(response: &Response, object: Object, host: &str) -> Error {
    let status = response.status();
    let (code, name) = (status.as_u16(), object.hex());
    let error = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::new(
            ErrorKind::AuthFailed,
            format!("{host} does not let LFS object {name} be read ({code})"),
        ),
        StatusCode::NOT_FOUND | StatusCode::GONE => Error::new(
            ErrorKind::RemoteMissing,
            format!("LFS object {name} is missing at {host} ({code})"),
        )
        .with_hint(PUSH_IT),
        _ => other(
            status,
            &format!("{host} answered {code} to the request for LFS object {name}"),
        ),
    };
    error.with_retry_after(retry_after(response.headers()))
}

/// What the batch API says about one object; `said` is its own message, fit to print.
pub(crate) fn of_object(code: u16, said: &str, object: Object, host: &str) -> Error {
    let name = object.hex();
    let said = if said.is_empty() {
        String::new()
    } else {
        format!(": {said}")
    };
    let missing = |what| {
        let message = format!("{host} {what} LFS object {name} ({code}){said}");
        Error::new(ErrorKind::RemoteMissing, message).with_hint(PUSH_IT)
    };
    match code {
        401 | 403 => Error::new(
            ErrorKind::AuthFailed,
            format!("{host} does not let LFS object {name} be read ({code}){said}"),
        ),
        404 => missing("does not have"),
        410 => missing("has removed"),
        // The name or the size is not what the server knows; trying again would not change it.
        409 | 422 => missing("does not know"),
        _ => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_REQUEST);
            other(
                status,
                &format!("{host} answered {code} for LFS object {name}{said}"),
            )
        }
    }
}

const PUSH_IT: &str =
    "push the object to the repository's LFS server: `git lfs push --all` from a clone that has it";

fn other(status: StatusCode, message: &str) -> Error {
    let kind = match status {
        StatusCode::REQUEST_TIMEOUT => ErrorKind::Timeout,
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::Unreachable,
        _ if status.is_server_error() => ErrorKind::Unreachable,
        _ => ErrorKind::Protocol,
    };
    let error = Error::new(kind, message);
    match status {
        StatusCode::TOO_MANY_REQUESTS => error
            .with_hint("the server limits how much may be asked; gitbarge tries again by itself"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_objects_have_kinds_and_name_them() {
        let object = Object {
            oid: [7; 32],
            size: 1,
        };
        for (code, kind) in [
            (400, ErrorKind::Protocol),
            (401, ErrorKind::AuthFailed),
            (403, ErrorKind::AuthFailed),
            (404, ErrorKind::RemoteMissing),
            (408, ErrorKind::Timeout),
            (409, ErrorKind::RemoteMissing),
            (410, ErrorKind::RemoteMissing),
            (422, ErrorKind::RemoteMissing),
            (429, ErrorKind::Unreachable),
            (500, ErrorKind::Unreachable),
            (0, ErrorKind::Protocol),
        ] {
            let error = of_object(code, "said", object, "`h`");
            assert_eq!(error.kind(), kind, "{code}");
            let message = error.to_string();
            assert!(
                message.contains(&object.hex()) && message.ends_with(": said"),
                "{message}"
            );
        }
    }
}
