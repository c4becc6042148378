//! Who may use the API.

use std::sync::{Arc, PoisonError};

use axum::extract::FromRequestParts;
use axum::response::Response;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use crate::reply::{refused, unavailable, with_header};
use crate::router::Shared;
use crate::token::{Token, Verdict};

/// Proof that the sender knows the token.
pub(crate) struct Authorized;

/// Whether there is an API.
pub(crate) fn is_served(shared: &Shared) -> bool {
    token(shared).is_some()
}

impl FromRequestParts<Arc<Shared>> for Authorized {
    type Rejection = Response;

    async fn from_request_parts(head: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Response> {
        let Some(token) = token(shared) else {
            return Err(super::absent());
        };
        let Some(shown) = shown(head) else {
            return Err(unauthorized("the API asks for a bearer token"));
        };
        match token.judge(shown, shared.limits.store).await {
            Verdict::Fits => Ok(Self),
            Verdict::Differs => Err(unauthorized("this is not the API's token")),
            Verdict::Unknown => Err(unavailable("the API's token cannot be read")),
        }
    }
}

fn token(shared: &Shared) -> Option<Arc<Token>> {
    let token = shared.token.read().unwrap_or_else(PoisonError::into_inner);
    token.clone()
}

/// The token in the only `Authorization` header (RFC 6750, 2.1).
fn shown(head: &Parts) -> Option<&[u8]> {
    let mut values = head.headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?.as_bytes(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}

fn unauthorized(reason: &str) -> Response {
    let challenge = HeaderValue::from_static("Bearer realm=\"gitbarge\"");
    let response = refused(StatusCode::UNAUTHORIZED, reason);
    with_header(response, WWW_AUTHENTICATE, challenge)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn shown_by(values: &[&str]) -> Option<String> {
        let mut request = Request::builder();
        for value in values {
            request = request.header(AUTHORIZATION, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        shown(&head).map(|token| String::from_utf8_lossy(token).into_owned())
    }

    #[test]
    fn only_one_bearer_token_counts() {
        assert_eq!(shown_by(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(shown_by(&["bearer  abc "]).as_deref(), Some("abc"));
        for none in [
            &[][..],
            &["abc"],
            &["Basic abc"],
            &["Bearer"],
            &["Bearerabc"],
            &["Bearer abc", "Bearer abc"],
        ] {
            assert_eq!(shown_by(none), None, "{none:?}");
        }
    }
}
