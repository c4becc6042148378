//! An S3 server on the loopback interface, with a record of what it was asked, and bad days.

mod rules;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, Method, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::dto::PutObjectInput;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3Request, S3Result};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use rules::{Fault, Rule};

use crate::serving::Serving;

/// The id of the one key that is let in.
pub const ACCESS_KEY: &str = "AKIAGITBARGETESTKIT";
/// The secret of that key; it must never show up in a message, a log or an error.
pub const SECRET_KEY: &str = "s3secret42s3secret42s3secret42";
/// The bucket that is there from the beginning.
pub const BUCKET: &str = "mirrors";

/// A server that keeps buckets in a folder; it ends when dropped.
pub struct S3Server {
    store: Side,
    web: Side,
    folder: TempDir,
}

/// One address, and what is behind it.
struct Side {
    shared: Arc<Shared>,
    serving: Serving,
}

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its method.
    pub method: String,
    /// Its bucket.
    pub bucket: String,
    /// Its key, decoded; empty if the bucket itself is meant.
    pub key: String,
    /// Its query, as it came.
    pub query: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// The bytes of its body.
    pub bytes: u64,
    /// The status that answered it; `None` if nothing did.
    pub status: Option<u16>,
}

struct Shared {
    service: S3Service,
    root: PathBuf,
    rules: Mutex<Vec<Rule>>,
    asked: watch::Sender<Vec<Asked>>,
    healed: watch::Sender<()>,
    hides_missing: AtomicBool,
    ignores_conditions: Arc<AtomicBool>,
    /// Whether everybody may read, and nobody may write.
    is_web: bool,
}

impl S3Server {
    /// Starts a server with the empty bucket [`BUCKET`].
    ///
    /// # Panics
    /// If the loopback interface has no free port, or there is no room for temporary files.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let files = || FileSystem::new(folder.path()).expect("the folder is there");
        let ignores_conditions = Arc::<AtomicBool>::default();
        let mut service = S3ServiceBuilder::new(files());
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        service.set_access(Conditions(ignores_conditions.clone()));
        let store = Side::start(service.build(), folder.path(), ignores_conditions, false).await;
        let service = S3ServiceBuilder::new(files()).build();
        let web = Side::start(service, folder.path(), Arc::default(), true).await;
        let server = Self { store, web, folder };
        server.create_bucket(BUCKET);
        server
    }

    /// The URL that clients take as their endpoint.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.store.serving.address)
    }

    /// The URL of the bucket [`BUCKET`] for anonymous readers: `GET` and `HEAD` of objects, with the headers that they were
    /// written with. No fault is met there.
    pub fn web_url(&self) -> String {
        format!("http://{}/{BUCKET}", self.web.serving.address)
    }

    /// All requests of anonymous readers so far.
    pub fn read(&self) -> Vec<Asked> {
        self.web.shared.asked.borrow().clone()
    }

    /// Makes an empty bucket.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn create_bucket(&self, name: &str) {
        std::fs::create_dir(self.folder.path().join(name)).expect("there is no such bucket");
    }

    /// The files of a bucket, as a folder: what a web server would show anonymous readers.
    pub fn bucket(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The keys of a bucket, sorted.
    ///
    /// # Panics
    /// If the bucket cannot be listed.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let root = self.bucket(bucket);
        let mut keys = Vec::new();
        let mut todo = vec![root.clone()];
        while let Some(folder) = todo.pop() {
            for entry in std::fs::read_dir(&folder).expect("the folder is there") {
                let path = entry.expect("it can be listed").path();
                if path.is_dir() {
                    todo.push(path);
                } else {
                    let key = path.strip_prefix(&root).expect("it is below the bucket");
                    keys.push(key.display().to_string());
                }
            }
        }
        keys.sort();
        keys
    }

    /// How many uploads were begun and neither finished nor given up.
    ///
    /// # Panics
    /// If the folder cannot be listed.
    pub fn unfinished_uploads(&self) -> usize {
        let names = names(self.folder.path());
        let begun = |name: &&String| name.starts_with(".upload-") && name.ends_with(".json");
        names.iter().filter(begun).count()
    }

    /// From now on such requests meet a fault.
    pub fn fault(&self, rule: Rule) {
        self.rules().push(rule);
    }

    /// From now on all requests are answered well, and those that were paused go on.
    pub fn heal(&self) {
        self.rules().clear();
        self.store.shared.healed.send_replace(());
    }

    /// Whether a missing key is answered with 403, as for those who may not list.
    pub fn hide_missing(&self, hides: bool) {
        self.store
            .shared
            .hides_missing
            .store(hides, Ordering::Relaxed);
    }

    /// Whether `If-Match` and `If-None-Match` mean nothing, as on some servers.
    pub fn ignore_conditions(&self, ignores: bool) {
        self.store
            .shared
            .ignores_conditions
            .store(ignores, Ordering::Relaxed);
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.store.shared.asked.borrow().clone()
    }

    /// Waits until a request satisfies `wanted`.
    ///
    /// # Panics
    /// If the server has ended.
    pub async fn until(&self, wanted: impl Fn(&Asked) -> bool) {
        let mut asked = self.store.shared.asked.subscribe();
        let found = asked.wait_for(|all| all.iter().any(&wanted)).await;
        found.expect("the server is up");
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.store
            .shared
            .rules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Side {
    async fn start(
        service: S3Service,
        root: &Path,
        ignores_conditions: Arc<AtomicBool>,
        is_web: bool,
    ) -> Self {
        let shared = Arc::new(Shared {
            service,
            root: root.to_owned(),
            rules: Mutex::default(),
            asked: watch::Sender::default(),
            healed: watch::Sender::default(),
            hides_missing: AtomicBool::new(false),
            ignores_conditions,
            is_web,
        });
        let serving = Serving::listen(|listener| serve(listener, shared.clone())).await;
        Self { shared, serving }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    entries
        .map(|entry| {
            entry
                .expect("it can be listed")
                .file_name()
                .display()
                .to_string()
        })
        .collect()
}

/// Takes conditions off requests, after their signature was checked.
struct Conditions(Arc<AtomicBool>);

#[async_trait::async_trait]
impl S3Access for Conditions {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        match context.credentials() {
            Some(_) => Ok(()),
            None => Err(s3s::s3_error!(AccessDenied)),
        }
    }

    async fn put_object(&self, request: &mut S3Request<PutObjectInput>) -> S3Result<()> {
        if self.0.load(Ordering::Relaxed) {
            request.input.if_match = None;
            request.input.if_none_match = None;
        }
        Ok(())
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            continue;
        };
        let shared = shared.clone();
        connections.spawn(async move {
            let answer = service_fn(move |request| answer(shared.clone(), request));
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), answer);
            // It ends as its client or a fault wants it.
            connection.await.unwrap_or_default();
        });
        while connections.try_join_next().is_some() {}
    }
}

type Request = hyper::Request<Incoming>;
type Response = hyper::Response<Body>;

/// An error ends the connection.
async fn answer(shared: Arc<Shared>, request: Request) -> io::Result<Response> {
    let asked = Asked::of(&request);
    let fault = {
        let mut rules = shared.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rules = rules.iter_mut();
        rules.find_map(|rule| rule.takes(&asked).then_some(rule.fault))
    };
    let note = |status: Option<u16>| {
        let asked = Asked {
            status,
            ..asked.clone()
        };
        shared.asked.send_modify(|all| all.push(asked));
    };
    if shared.is_web && !matches!(asked.method.as_str(), "GET" | "HEAD") {
        note(Some(405));
        return Ok(refusal(405, "MethodNotAllowed", &asked.method));
    }
    match fault {
        Some(Fault::Status(status, code)) => {
            note(Some(status));
            return Ok(refusal(status, code, &asked.method));
        }
        Some(Fault::Hang) => {
            note(None);
            return std::future::pending().await;
        }
        Some(Fault::Drop) => {
            note(None);
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Some(Fault::Pause) => {
            let mut healed = shared.healed.subscribe();
            note(None);
            // The sender lives as long as the server.
            healed.changed().await.unwrap_or_default();
        }
        None | Some(Fault::DropAfter) => {}
    }
    if !asked.bucket.is_empty() && !shared.root.join(&asked.bucket).is_dir() {
        // s3s-fs would make it.
        note(Some(404));
        return Ok(refusal(404, "NoSuchBucket", &asked.method));
    }
    let answer = shared.service.call(request.map(Body::from)).await;
    let answer = answer.map_err(|error| io::Error::other(format!("{error:?}")))?;
    if fault == Some(Fault::DropAfter) {
        note(None);
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    let is_hidden = answer.status() == StatusCode::NOT_FOUND
        && !asked.key.is_empty()
        && matches!(asked.method.as_str(), "GET" | "HEAD")
        && shared.hides_missing.load(Ordering::Relaxed);
    if is_hidden {
        note(Some(403));
        return Ok(refusal(403, "AccessDenied", &asked.method));
    }
    note(Some(answer.status().as_u16()));
    Ok(answer)
}

fn refusal(status: u16, code: &str, method: &str) -> Response {
    let body = match method == Method::HEAD {
        true => String::new(),
        false => format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>a fault of the test</Message></Error>"
        ),
    };
    hyper::Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/xml")
        .body(Body::from(body))
        .expect("a status and a text")
}

impl Asked {
    fn of(request: &Request) -> Self {
        let path = request.uri().path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
        Self {
            method: request.method().to_string(),
            bucket: bucket.to_owned(),
            key: percent_encoding::percent_decode_str(key)
                .decode_utf8_lossy()
                .into_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            headers: request.headers().clone(),
            bytes: length.unwrap_or(0),
            status: None,
        }
    }
}
