//! An LFS server on the loopback interface: batch API and downloads, both locked, and bad days.

mod behaviour;
mod pieces;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use gitbarge_core::{LfsServer, Secret};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

pub use behaviour::{Answer, Behaviour, Content};
use pieces::{PIECE, Pieces};

use crate::serving::Serving;

/// What opens the batch API: `me` and a password, in Base64. It must never show up in a message, a log or an error.
pub const CREDENTIALS: &str = "Basic bWU6bGZzc2VjcmV0NDI=";
/// What the header `X-Ticket` of a download must say; as secret.
pub const TICKET: &str = "ticketsecret42";

/// An LFS server; it ends when dropped.
pub struct LfsHost {
    shared: Arc<Shared>,
    serving: Serving,
}

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, if it was JSON.
    pub body: Option<Value>,
    /// The status that answered it; `None` if nothing did.
    pub status: Option<u16>,
}

struct Shared {
    address: OnceLock<SocketAddr>,
    behaviour: Mutex<Behaviour>,
    objects: Mutex<HashMap<String, Stored>>,
    received: watch::Sender<Vec<Received>>,
}

/// An object: a pattern, again and again, up to its size.
#[derive(Clone)]
struct Stored {
    pattern: Bytes,
    size: u64,
}

impl LfsHost {
    /// Starts a server without objects that answers well.
    ///
    /// # Panics
    /// If the loopback interface has no free port.
    pub async fn start() -> Self {
        let shared = Arc::new(Shared {
            address: OnceLock::new(),
            behaviour: Mutex::default(),
            objects: Mutex::default(),
            received: watch::Sender::default(),
        });
        let router = Router::new().fallback(receive).with_state(shared.clone());
        let serving = Serving::start(router).await;
        shared.address.get_or_init(|| serving.address);
        Self { shared, serving }
    }

    /// The server and what opens it, as a source names it.
    ///
    /// # Panics
    /// Never: a literal can be read.
    pub fn server(&self) -> LfsServer {
        let credentials = Secret::literal(CREDENTIALS).read();
        let credentials = credentials.expect("a literal can be read");
        let headers = vec![("Authorization".to_owned(), credentials)];
        LfsServer::new(self.url(), headers)
    }

    /// The endpoint, below which the batch API is.
    pub fn url(&self) -> String {
        format!("http://{}/site.git/info/lfs", self.serving.address)
    }

    /// Where objects can be had without a key: `<url>/<name>`.
    pub fn open_url(&self) -> String {
        format!("http://{}/open", self.serving.address)
    }

    /// The address of a mirror of its objects, in the layout of buckets: `<url>/lfs/objects/aa/bb/<name>`.
    pub fn mirror_url(&self) -> String {
        format!("http://{}/mirror", self.serving.address)
    }

    /// Stores an object; returns its SHA-256.
    pub fn add(&self, content: impl Into<Bytes>) -> [u8; 32] {
        let pattern: Bytes = content.into();
        let size = pattern.len() as u64;
        self.store(Stored { pattern, size })
    }

    /// Stores an object of any size that takes no memory; returns its SHA-256.
    pub fn add_large(&self, size: u64) -> [u8; 32] {
        let pattern = (0..PIECE).map(|n| (n % 251) as u8).collect();
        self.store(Stored { pattern, size })
    }

    fn store(&self, stored: Stored) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for piece in Pieces::of(&stored, Content::Right) {
            hasher.update(&piece);
        }
        let oid: [u8; 32] = hasher.finalize().into();
        lock(&self.shared.objects).insert(hex(&oid), stored);
        oid
    }

    /// Changes how it behaves.
    pub fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut lock(&self.shared.behaviour));
    }

    /// All requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.borrow().clone()
    }

    /// How many requests the batch API has got.
    pub fn batches(&self) -> usize {
        let received = self.received().into_iter();
        received.filter(|request| request.method == "POST").count()
    }

    /// Waits until a request satisfies `wanted`.
    ///
    /// # Panics
    /// If the server has ended.
    pub async fn until(&self, wanted: impl Fn(&Received) -> bool) {
        let mut received = self.shared.received.subscribe();
        let found = received.wait_for(|all| all.iter().any(&wanted)).await;
        found.expect("the server is up");
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body: Option<Value> = serde_json::from_slice(&body).ok();
    let response = shared.answer(&method, uri.path(), &headers, body.as_ref());
    let received = Received {
        method: method.to_string(),
        path: uri.path().to_owned(),
        headers,
        body,
        status: response.as_ref().map(|response| response.status().as_u16()),
    };
    shared.received.send_modify(|all| all.push(received));
    match response {
        Some(response) => response,
        None => std::future::pending().await,
    }
}

impl Shared {
    fn answer(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: Option<&Value>,
    ) -> Option<Response> {
        let behaviour = lock(&self.behaviour).clone();
        let name = path.rsplit('/').next().unwrap_or_default();
        let (folder, well) = match (method.as_str(), path) {
            ("POST", "/site.git/info/lfs/objects/batch") => ("batch", true),
            ("GET", path) if path == format!("/objects/{name}") => ("objects", true),
            ("GET", path) if path == format!("/open/{name}") => ("open", true),
            ("GET", path) if path == mirrored(name) => ("mirror", true),
            _ => ("", false),
        };
        if !well {
            return Some(StatusCode::NOT_FOUND.into_response());
        }
        if folder == "batch" {
            let bad = self.bad(&behaviour.batch, |shared| &mut shared.batch, "");
            return bad.unwrap_or_else(|| Some(self.batch(&behaviour, headers, body)));
        }
        let bad = self.bad(&behaviour.download, |shared| &mut shared.download, name);
        if let Some(bad) = bad {
            return bad;
        }
        let is_open = match (folder, behaviour.tickets) {
            ("objects", true) => says(headers, "x-ticket", TICKET),
            ("objects", false) => says(headers, "authorization", CREDENTIALS),
            _ => true,
        };
        Some(match lock(&self.objects).get(name) {
            _ if !is_open => StatusCode::FORBIDDEN.into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
            Some(stored) => object(stored, behaviour.content),
        })
    }

    /// An answer that is not well; counts down how often.
    fn bad(
        &self,
        answer: &Answer,
        place: fn(&mut Behaviour) -> &mut Answer,
        name: &str,
    ) -> Option<Option<Response>> {
        let status = |status| StatusCode::from_u16(status).expect("a status");
        let refusal = |code| (status(code), format!("no: {CREDENTIALS} {TICKET}")).into_response();
        let become_ = |next| *place(&mut lock(&self.behaviour)) = next;
        Some(Some(match answer {
            Answer::Well | Answer::Times(0, _) | Answer::SlowDown(0, _) => return None,
            Answer::Status(code) => refusal(*code),
            Answer::Times(times, code) => {
                become_(Answer::Times(times - 1, *code));
                refusal(*code)
            }
            Answer::SlowDown(times, wait) => {
                become_(Answer::SlowDown(times - 1, wait));
                (status(429), [(header::RETRY_AFTER, *wait)]).into_response()
            }
            Answer::Redirect(to) => {
                let to = if name.is_empty() {
                    to.clone()
                } else {
                    format!("{to}/{name}")
                };
                (status(307), [(header::LOCATION, to)]).into_response()
            }
            Answer::Body(body) => body.clone().into_response(),
            Answer::Hang => return Some(None),
        }))
    }

    fn batch(&self, behaviour: &Behaviour, headers: &HeaderMap, body: Option<&Value>) -> Response {
        const MEDIA_TYPE: &str = "application/vnd.git-lfs+json";
        if !says(headers, "authorization", CREDENTIALS) {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let typed =
            says(headers, "accept", MEDIA_TYPE) && says(headers, "content-type", MEDIA_TYPE);
        let Some(asked) = body.and_then(|body| body["objects"].as_array()) else {
            return StatusCode::UNPROCESSABLE_ENTITY.into_response();
        };
        if !typed || body.is_none_or(|body| body["operation"] != "download") {
            return StatusCode::NOT_ACCEPTABLE.into_response();
        }
        if asked.len() > 100 {
            return StatusCode::PAYLOAD_TOO_LARGE.into_response();
        }
        // The order of the answer is the server's own.
        let objects: Vec<Value> = asked
            .iter()
            .rev()
            .map(|asked| self.offer(behaviour, asked))
            .collect();
        let answer = json!({ "transfer": "basic", "objects": objects }).to_string();
        ([(header::CONTENT_TYPE, MEDIA_TYPE)], answer).into_response()
    }

    fn offer(&self, behaviour: &Behaviour, asked: &Value) -> Value {
        let name = asked["oid"].as_str().unwrap_or_default();
        let missing = (!lock(&self.objects).contains_key(name)).then_some(404);
        if let Some(code) = behaviour.object_error.or(missing) {
            let message = format!("Object cannot be had with {CREDENTIALS}");
            return json!({ "oid": name, "size": asked["size"], "error": { "code": code, "message": message } });
        }
        let address = self.address.wait();
        let own = format!("http://{address}/objects");
        let href = behaviour.href.as_ref().unwrap_or(&own);
        let mut download = json!({ "href": format!("{href}/{name}") });
        if behaviour.tickets {
            download["header"] = json!({ "X-Ticket": TICKET });
        }
        if let Some(seconds) = behaviour.expires_in {
            download["expires_in"] = seconds.into();
        }
        json!({ "oid": name, "size": asked["size"], "authenticated": behaviour.tickets, "actions": { "download": download } })
    }
}

/// Where a bucket has an object.
fn mirrored(name: &str) -> String {
    match (name.get(..2), name.get(2..4)) {
        (Some(first), Some(second)) => format!("/mirror/lfs/objects/{first}/{second}/{name}"),
        _ => "/mirror".to_owned(),
    }
}

fn object(stored: &Stored, content: Content) -> Response {
    let pieces = Pieces::of(stored, content);
    let length = match content {
        Content::Short | Content::Long => None,
        Content::LongAndSaysSo => Some(stored.size + 1),
        _ => Some(stored.size),
    };
    let mut response = Body::from_stream(pieces).into_response();
    if let Some(length) = length {
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length.into());
    }
    response
}

fn says(headers: &HeaderMap, name: &str, value: &str) -> bool {
    headers.get(name).is_some_and(|found| found == value)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
