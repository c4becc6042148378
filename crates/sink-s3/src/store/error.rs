//! What a failed operation on the store means.

use gitbarge_core::{Error, ErrorKind};

use super::trace::{Answer, Outcome, Trace};

/// Codes that say that the key is wrong, whatever it was used for.
const BAD_KEY: [&str; 12] = [
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "ExpiredToken",
    "TokenRefreshRequired",
    "AuthorizationHeaderMalformed",
    "RequestTimeTooSkewed",
    "InvalidSecurity",
    "NotSignedUp",
    "AccountProblem",
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
];
const NO_BUCKET: [&str; 3] = ["NoSuchBucket", "ContainerNotFound", "InvalidBucketName"];
const FULL: [&str; 4] = [
    "XMinioStorageFull",
    "QuotaExceeded",
    "InsufficientStorage",
    "EntityTooLargeForQuota",
];

/// Whom errors talk about.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// The bucket as a URL.
    pub(crate) bucket: String,
    /// The server.
    pub(crate) endpoint: String,
    /// Where the credentials come from.
    pub(crate) access: String,
}

/// How a failed operation is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is no such object.
    Missing,
    /// The credentials are good, and not for this; or the object is missing, and those who may not list must not know.
    Forbidden,
    Kind(ErrorKind),
}

/// What the last word of the store means.
pub(crate) fn verdict(trace: &Trace) -> Verdict {
    match trace.last() {
        Some(Outcome::Answered(answer)) => of_answer(&answer),
        Some(Outcome::Lost(_)) => Verdict::Kind(ErrorKind::Unreachable),
        Some(Outcome::Silent(_)) => Verdict::Kind(ErrorKind::Timeout),
        Some(Outcome::NoCredentials(_)) => Verdict::Kind(ErrorKind::AuthFailed),
        None => Verdict::Kind(ErrorKind::Config),
    }
}

fn of_answer(answer: &Answer) -> Verdict {
    let kind = match answer.status {
        _ if answer.says(&NO_BUCKET) => ErrorKind::Config,
        _ if answer.says(&FULL) => ErrorKind::DiskFull,
        _ if wrong_region(answer).is_some() => ErrorKind::Config,
        _ if answer.says(&BAD_KEY) => ErrorKind::AuthFailed,
        _ if answer.says(&["InvalidStorageClass"]) => ErrorKind::Config,
        404 => return Verdict::Missing,
        403 => return Verdict::Forbidden,
        401 => ErrorKind::AuthFailed,
        304 | 409 | 412 => ErrorKind::Conflict,
        507 => ErrorKind::DiskFull,
        408 | 429 | 500.. => ErrorKind::Unreachable,
        _ => ErrorKind::Protocol,
    };
    Verdict::Kind(kind)
}

/// The region that the bucket is in, if it is not the one that was asked.
fn wrong_region(answer: &Answer) -> Option<&str> {
    let is_elsewhere = matches!(answer.status, 301 | 307)
        || answer.says(&["AuthorizationHeaderMalformed", "PermanentRedirect"]);
    answer.region.as_deref().filter(|_| is_elsewhere)
}

impl Names {
    /// The error that users see; `doing` is such as `read`, `url` what it was done to.
    pub(crate) fn error(
        &self,
        doing: &str,
        url: &str,
        trace: &Trace,
        cause: object_store::Error,
    ) -> Error {
        let kind = match verdict(trace) {
            Verdict::Kind(kind) => kind,
            Verdict::Forbidden => ErrorKind::AuthFailed,
            // Of an object that was there a moment ago: a part of an upload, say.
            Verdict::Missing => ErrorKind::Protocol,
        };
        match trace.last() {
            Some(Outcome::Answered(answer)) => self.answered(kind, doing, url, &answer, cause),
            Some(Outcome::Lost(text)) => Error::new(
                kind,
                format!(
                    "failed to {doing} `{url}`: `{}` cannot be reached: {text}",
                    self.endpoint
                ),
            ),
            Some(Outcome::Silent(text)) => Error::new(
                kind,
                format!(
                    "failed to {doing} `{url}`: `{}` does not answer: {text}",
                    self.endpoint
                ),
            ),
            Some(Outcome::NoCredentials(text)) => self.no_credentials(&text),
            None => Error::new(kind, format!("failed to {doing} `{url}`")).with_source(cause),
        }
    }

    fn answered(
        &self,
        kind: ErrorKind,
        doing: &str,
        url: &str,
        answer: &Answer,
        cause: object_store::Error,
    ) -> Error {
        let said = match &answer.code {
            Some(code) => format!("{} ({code})", answer.status),
            None => answer.status.to_string(),
        };
        let Self {
            bucket,
            endpoint,
            access,
        } = self;
        if answer.says(&NO_BUCKET) {
            return Error::new(kind, format!("`{bucket}` does not exist at `{endpoint}`"))
                .with_hint("create the bucket, or correct `url`");
        }
        if let Some(region) = wrong_region(answer) {
            let message = format!("`{bucket}` is in the region `{region}`");
            return Error::new(kind, message).with_hint(format!("set `region = \"{region}\"`"));
        }
        match kind {
            ErrorKind::AuthFailed => Error::new(
                kind,
                format!(
                    "`{bucket}` refuses the credentials from {access} to {doing} `{url}`: {said}"
                ),
            )
            .with_hint(
                "check the keys, and that they may list, read, write and delete in the bucket: \
                 without s3:ListBucket a missing object looks like a forbidden one",
            ),
            ErrorKind::Conflict => Error::new(
                kind,
                format!("`{url}` was changed by somebody else: {said}"),
            ),
            // Such as an answer that is no XML: what object_store says is the best there is.
            _ if answer.status < 300 => {
                Error::new(kind, format!("failed to {doing} `{url}`")).with_source(cause)
            }
            _ => Error::new(
                kind,
                format!("failed to {doing} `{url}`: `{endpoint}` answered {said}"),
            ),
        }
    }

    pub(crate) fn no_credentials(&self, text: &str) -> Error {
        let Self { bucket, access, .. } = self;
        Error::new(
            ErrorKind::AuthFailed,
            format!("no credentials for `{bucket}` from {access}: {text}"),
        )
        .with_hint("set `access_key_id` and `secret_access_key`, the variables AWS_…, or a profile")
    }
}

/// Whether the store says that it knows no conditional writes.
pub(crate) fn is_unknown_condition(error: &Error) -> bool {
    let text = error.to_string();
    text.contains("answered 501") || text.contains("(NotImplemented)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            bucket: "s3://b".into(),
            endpoint: "http://h:1".into(),
            access: "environment variable `K`".into(),
        }
    }

    fn told(outcome: Outcome) -> Error {
        let trace = Trace::default();
        trace.note(outcome);
        let cause = object_store::Error::NotImplemented {
            operation: "x".into(),
            implementer: "y".into(),
        };
        names().error("write", "s3://b/HEAD", &trace, cause)
    }

    fn answered(status: u16, code: &str) -> Error {
        told(Outcome::Answered(Answer {
            status,
            code: Some(code.to_owned()).filter(|code| !code.is_empty()),
            region: None,
        }))
    }

    #[test]
    fn every_answer_has_its_kind() {
        for (status, code, kind) in [
            (404, "NoSuchBucket", ErrorKind::Config),
            (403, "InvalidAccessKeyId", ErrorKind::AuthFailed),
            (400, "ExpiredToken", ErrorKind::AuthFailed),
            (403, "", ErrorKind::AuthFailed),
            (401, "", ErrorKind::AuthFailed),
            (412, "PreconditionFailed", ErrorKind::Conflict),
            (409, "BlobAlreadyExists", ErrorKind::Conflict),
            (500, "InternalError", ErrorKind::Unreachable),
            (503, "SlowDown", ErrorKind::Unreachable),
            (429, "", ErrorKind::Unreachable),
            (507, "", ErrorKind::DiskFull),
            (400, "XMinioStorageFull", ErrorKind::DiskFull),
            (400, "InvalidStorageClass", ErrorKind::Config),
            (400, "", ErrorKind::Protocol),
        ] {
            let error = answered(status, code);
            assert_eq!(error.kind(), kind, "{status} {code}");
        }
        assert_eq!(
            told(Outcome::Lost("x".into())).kind(),
            ErrorKind::Unreachable
        );
        assert_eq!(told(Outcome::Silent("x".into())).kind(), ErrorKind::Timeout);
    }

    #[test]
    fn messages_name_the_bucket_the_object_and_the_place_of_the_key() {
        let missing = answered(404, "NoSuchBucket").to_string();
        assert_eq!(missing, "`s3://b` does not exist at `http://h:1`");
        let refused = answered(403, "SignatureDoesNotMatch").to_string();
        assert!(refused.contains("environment variable `K`"), "{refused}");
        assert!(refused.contains("s3://b/HEAD"), "{refused}");
        let elsewhere = told(Outcome::Answered(Answer {
            status: 301,
            code: None,
            region: Some("eu-west-1".into()),
        }));
        assert_eq!(elsewhere.kind(), ErrorKind::Config);
        assert!(elsewhere.to_string().contains("`eu-west-1`"));
    }
}
