//! The part of GitHub's API that makes tokens for a GitHub App's installation.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The number of the app's installation.
pub const INSTALLATION: u64 = 4711;
/// The app's client id.
pub const CLIENT_ID: &str = "Iv23test";

/// An API that makes tokens `ghs_secret1`, `ghs_secret2` and so on; it ends when dropped.
pub struct GithubApi {
    address: SocketAddr,
    private_key: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    public_key: Vec<u8>,
    inner: Mutex<Inner>,
}

struct Inner {
    made: usize,
    life: Duration,
    delay: Duration,
    status: StatusCode,
}

impl GithubApi {
    /// Starts an API whose tokens live for an hour.
    ///
    /// # Panics
    /// If the loopback interface has no free port.
    pub async fn start() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("keys can be made");
        let der: Pkcs8V1Der<'_> = pair.as_der().expect("it can be written");
        let private_key = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(der.as_ref())
        );
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("the loopback interface has free ports");
        let address = listener.local_addr().expect("it is bound");
        let inner = Inner {
            made: 0,
            life: Duration::from_secs(3600),
            delay: Duration::ZERO,
            status: StatusCode::CREATED,
        };
        let shared = Arc::new(Shared {
            public_key: pair.public_key().as_ref().to_vec(),
            inner: Mutex::new(inner),
        });
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let serving = tokio::spawn(async move {
            axum::serve(listener, router)
                .await
                .expect("serves until it is dropped");
        });
        Self {
            address,
            private_key,
            shared,
            serving,
        }
    }

    /// The API's URL.
    pub fn url(&self) -> String {
        format!("http://{}/api/v3", self.address)
    }

    /// The app's private key, in PEM.
    pub fn private_key(&self) -> &str {
        &self.private_key
    }

    /// How many tokens were made.
    pub fn made(&self) -> usize {
        self.with(|inner| inner.made)
    }

    /// The token of that number, from 1.
    pub fn token(number: usize) -> String {
        format!("ghs_secret{number}")
    }

    /// Sets how long the next tokens live, and how long it takes to make one.
    pub fn set_times(&self, life: Duration, delay: Duration) {
        self.with(|inner| (inner.life, inner.delay) = (life, delay));
    }

    /// Sets the status of the next answers; only with 201 are tokens made.
    ///
    /// # Panics
    /// If it is none.
    pub fn set_status(&self, status: u16) {
        let status = StatusCode::from_u16(status).expect("a status");
        self.with(|inner| inner.status = status);
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        self.shared.with(work)
    }
}

impl Drop for GithubApi {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Checks a token as GitHub does: signed by the app, issued in the past, and of ten minutes at most.
    fn knows(&self, headers: &HeaderMap) -> Option<()> {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (signed, signature) = value.strip_prefix("Bearer ")?.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public_key);
        key.verify(signed.as_bytes(), &signature).ok()?;
        let claims = URL_SAFE_NO_PAD.decode(signed.split('.').nth(1)?).ok()?;
        let claims: Value = serde_json::from_slice(&claims).ok()?;
        let (issued, expires) = (claims["iat"].as_i64()?, claims["exp"].as_i64()?);
        let now = Timestamp::now().as_second();
        let is_timely = issued <= now && expires > now && expires <= now + 600;
        (is_timely && claims["iss"] == CLIENT_ID).then_some(())
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let path = format!("/api/v3/app/installations/{INSTALLATION}/access_tokens");
    if method != Method::POST || uri.path() != path {
        return StatusCode::NOT_FOUND.into_response();
    }
    if shared.knows(&headers).is_none() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let (status, delay) = shared.with(|inner| (inner.status, inner.delay));
    tokio::time::sleep(delay).await;
    if status != StatusCode::CREATED {
        return status.into_response();
    }
    let (number, life) = shared.with(|inner| {
        inner.made += 1;
        (inner.made, inner.life)
    });
    let expires_at = Timestamp::now() + life;
    let body = json!({ "token": GithubApi::token(number), "expires_at": expires_at.to_string() });
    (status, axum::Json(body)).into_response()
}
