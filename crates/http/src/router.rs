//! Who answers at which path, and what is true of every answer.

use std::sync::{Arc, RwLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::budget::Budget;
use crate::connections::Connections;
use crate::reply::refused;
use crate::token::Token;
use crate::{Limits, Watched, api, body, hook, metrics, page, probes};

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) watched: Arc<Watched>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) bodies: Arc<Budget>,
    /// `None`: there is no API.
    pub(crate) token: RwLock<Option<Arc<Token>>>,
    /// Cancelled when the daemon is about to end.
    pub(crate) draining: CancellationToken,
}

impl Shared {
    pub(crate) fn new(
        watched: Arc<Watched>,
        limits: Arc<Limits>,
        connections: Arc<Connections>,
    ) -> Self {
        Self {
            watched,
            bodies: Budget::new(limits.bodies, limits.bodies_of_one),
            limits,
            connections,
            token: RwLock::default(),
            draining: CancellationToken::new(),
        }
    }
}

/// What metrics call the path of a request, where its pattern does not say it: there must be few.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route(pub(crate) &'static str);

/// Answers all requests.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(page::show))
        .route("/healthz", get(probes::alive))
        .route("/readyz", get(probes::ready))
        .route("/metrics", get(metrics::show))
        .route("/api/v1/openapi.json", get(api::describe))
        .route("/api/v1/pipelines", get(api::pipelines))
        .route("/api/v1/pipelines/{name}", get(api::pipeline))
        .route("/api/v1/pipelines/{name}/runs", get(api::runs))
        .route("/api/v1/pipelines/{name}/sync", post(api::sync))
        .fallback(hook::dispatch)
        .method_not_allowed_fallback(not_allowed)
        .layer(from_fn_with_state(shared.clone(), around))
        .with_state(shared)
}

async fn not_allowed() -> Response {
    refused(
        StatusCode::METHOD_NOT_ALLOWED,
        "this method is not allowed here",
    )
}

/// Counts the answer, and gives it the headers of every answer.
async fn around(
    State(shared): State<Arc<Shared>>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let is_api = path
        .as_ref()
        .is_some_and(|path| path.as_str().starts_with("/api/"));
    if path.is_some() {
        // Nobody reads a body here.
        let (head, body) = request.into_parts();
        body::linger(body, &head);
        request = Request::from_parts(head, Body::empty());
    }
    let mut response = match is_api && !api::is_served(&shared) {
        true => api::absent(),
        false => next.run(request).await,
    };
    let special = response.extensions().get::<Route>().map(|route| route.0);
    let route = match (special, &path) {
        (Some(special), _) => special,
        (None, Some(path)) => path.as_str(),
        (None, None) => "other",
    };
    shared.watched.metrics().answered(route, response.status());
    protect(response.headers_mut());
    response
}

fn protect(headers: &mut HeaderMap) {
    let common = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in common {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
