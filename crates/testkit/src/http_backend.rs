//! Git's own HTTP server, `git http-backend`, on the loopback interface, with doors and bad days.

mod rest;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdout, Command};
use tokio::sync::watch;
use tokio_util::io::ReaderStream;

use rest::{End, Rest};

use crate::serving::Serving;

/// A server of the repositories below a folder; it ends when dropped.
///
/// A request that stops in the middle of a command gets no answer, as if the rest were still to come.
pub struct GitHttp {
    shared: Arc<Shared>,
    serving: Serving,
}

/// What a request must have to be let in.
#[derive(Debug, Clone)]
pub enum Door {
    /// This user and this password; else the answer is 401.
    Basic(String, String),
    /// This token; else the answer is 401.
    Bearer(String),
    /// A header with this name and value; else the answer is 403.
    Header(String, String),
}

/// How requests that are let in are answered.
#[derive(Debug, Clone, Default)]
pub enum Mood {
    /// As git does.
    #[default]
    Well,
    /// So many requests get this status, this `Retry-After` and this plain text; those after them are answered well.
    Status {
        /// The status.
        status: u16,
        /// How many requests get it.
        times: usize,
        /// The header's value.
        retry_after: Option<&'static str>,
        /// The body.
        text: &'static str,
    },
    /// Always 200, with a body of this type.
    Page(&'static str, &'static str),
    /// The connection is closed after so many bytes of an answer to a request for a pack.
    CutPack(u64),
    /// Nothing more comes after so many bytes of an answer to a request for a pack.
    StallPack(u64),
    /// Paths that begin so are redirected to this address and the rest of the path.
    Redirect(&'static str, String),
}

/// A request that was answered.
#[derive(Debug, Clone)]
pub struct Requested {
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
    /// Whether it had an `Authorization` header.
    pub authorized: bool,
    /// Its `Git-Protocol` header.
    pub protocol: Option<String>,
}

struct Shared {
    root: PathBuf,
    door: Mutex<Option<Door>>,
    mood: Mutex<Mood>,
    /// Whether `Git-Protocol` is heard.
    is_modern: AtomicBool,
    requests: watch::Sender<Vec<Requested>>,
}

impl GitHttp {
    /// Starts a server that lets everybody in.
    ///
    /// # Panics
    /// If the loopback interface has no free port.
    pub async fn start(root: &Path) -> Self {
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            door: Mutex::default(),
            mood: Mutex::default(),
            is_modern: AtomicBool::new(true),
            requests: watch::Sender::default(),
        });
        let router = Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::disable())
            .with_state(shared.clone());
        let serving = Serving::start(router).await;
        Self { shared, serving }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.serving.address
    }

    /// The URL of a repository below the root.
    ///
    /// # Panics
    /// If it is not below the root.
    pub fn url(&self, repository: &Path) -> String {
        self.url_at(self.serving.address, repository)
    }

    /// The same by way of a proxy before the server.
    ///
    /// # Panics
    /// If it is not below the root.
    pub fn url_at(&self, address: SocketAddr, repository: &Path) -> String {
        let path = repository.strip_prefix(&self.shared.root);
        let path = path.expect("the repository is below the root");
        format!("http://{address}/{}", path.display())
    }

    /// From now on, requests must have this.
    pub fn require(&self, door: Door) {
        *lock(&self.shared.door) = Some(door);
    }

    /// Sets how the next requests are answered.
    pub fn set_mood(&self, mood: Mood) {
        *lock(&self.shared.mood) = mood;
    }

    /// From now on, it is a server from before protocol version 2.
    pub fn forget_protocol(&self) {
        self.shared.is_modern.store(false, Ordering::Relaxed);
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Requested> {
        self.shared.requests.borrow().clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let is_plain = !headers.contains_key(header::CONTENT_ENCODING);
    if method == Method::POST && is_plain && !is_whole(&body) {
        std::future::pending::<()>().await;
    }
    let (authorized, protocol) = (
        headers.contains_key(header::AUTHORIZATION),
        text_of(&headers, "git-protocol").map(str::to_owned),
    );
    let door = lock(&shared.door).clone();
    let response = match door.and_then(|door| door.shut(&headers)) {
        Some(refusal) => refusal,
        None => let_in(&shared, &method, &uri, &headers, &body).await,
    };
    let requested = Requested {
        method: method.to_string(),
        path: uri.path().to_owned(),
        status: response.status().as_u16(),
        authorized,
        protocol,
    };
    shared.requests.send_modify(|all| all.push(requested));
    response
}

/// Requests end with a flush packet, or with `done`.
fn is_whole(body: &[u8]) -> bool {
    body.ends_with(b"0000") || body.ends_with(b"done\n") || body.ends_with(b"done")
}

fn text_of<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

impl Door {
    /// The refusal, unless the request may pass.
    fn shut(&self, headers: &HeaderMap) -> Option<Response> {
        let (name, wanted) = match self {
            Self::Basic(user, password) => {
                let both = STANDARD.encode(format!("{user}:{password}"));
                ("authorization", format!("Basic {both}"))
            }
            Self::Bearer(token) => ("authorization", format!("Bearer {token}")),
            Self::Header(name, value) => (name.as_str(), value.clone()),
        };
        if text_of(headers, name) == Some(&wanted) {
            return None;
        }
        Some(match self {
            Self::Header(..) => StatusCode::FORBIDDEN.into_response(),
            Self::Basic(..) | Self::Bearer(_) => {
                let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"git\"")];
                (StatusCode::UNAUTHORIZED, challenge, "who are you?").into_response()
            }
        })
    }
}

async fn let_in(
    shared: &Shared,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response {
    let mood = take_mood(shared);
    match mood {
        Mood::Status {
            status,
            retry_after,
            text,
            ..
        } => {
            let status = StatusCode::from_u16(status).expect("a status");
            let wait = retry_after.map(|wait| [(header::RETRY_AFTER, wait)]);
            return (status, wait, text).into_response();
        }
        Mood::Page(kind, text) => return ([(header::CONTENT_TYPE, kind)], text).into_response(),
        Mood::Redirect(from, to) => {
            if let Some(rest) = uri.path().strip_prefix(from) {
                let query = uri.query().unwrap_or_default();
                let to = format!("{to}{rest}?{query}");
                return (StatusCode::FOUND, [(header::LOCATION, to)]).into_response();
            }
        }
        Mood::CutPack(after) if asks_for_pack(body) => {
            return run(shared, method, uri, headers, body, after, End::Cut).await;
        }
        Mood::StallPack(after) if asks_for_pack(body) => {
            return run(shared, method, uri, headers, body, after, End::Stall).await;
        }
        Mood::Well | Mood::CutPack(_) | Mood::StallPack(_) => {}
    }
    run(shared, method, uri, headers, body, u64::MAX, End::Cut).await
}

/// The mood of one request; counts it.
fn take_mood(shared: &Shared) -> Mood {
    let mut mood = lock(&shared.mood);
    let now = mood.clone();
    if let Mood::Status { times, .. } = &mut *mood {
        if *times == 0 {
            *mood = Mood::Well;
            return Mood::Well;
        }
        *times -= 1;
    }
    now
}

fn asks_for_pack(body: &[u8]) -> bool {
    body.windows(5).any(|window| window == b"want ")
}

/// Runs `git http-backend` for one request, as a web server runs a CGI program (RFC 3875).
async fn run(
    shared: &Shared,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
    budget: u64,
    end: End,
) -> Response {
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &shared.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("REQUEST_METHOD", method.as_str())
        .env("PATH_INFO", uri.path())
        .env("QUERY_STRING", uri.query().unwrap_or_default())
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let is_modern = shared.is_modern.load(Ordering::Relaxed);
    for (name, variable, is_heard) in [
        ("content-type", "CONTENT_TYPE", true),
        ("git-protocol", "GIT_PROTOCOL", is_modern),
        ("content-encoding", "HTTP_CONTENT_ENCODING", true),
    ] {
        if !is_heard {
            continue;
        }
        if let Some(value) = text_of(headers, name) {
            command.env(variable, value);
        }
    }
    let mut child = command.spawn().expect("git is installed");
    let mut input = child.stdin.take().expect("it is piped");
    let body = body.clone();
    tokio::spawn(async move { input.write_all(&body).await });
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    let (status, headers) = read_head(&mut output).await;
    let rest = Rest {
        output,
        budget,
        end,
        _child: child,
    };
    let body = Body::from_stream(ReaderStream::new(rest));
    (status, headers, body).into_response()
}

/// The header lines that a CGI program prints before its body; `Status` is the answer's.
async fn read_head(output: &mut BufReader<ChildStdout>) -> (StatusCode, HeaderMap) {
    let (mut status, mut headers) = (StatusCode::OK, HeaderMap::new());
    loop {
        let mut line = String::new();
        let read = output.read_line(&mut line).await;
        if read.expect("git prints its headers") == 0 {
            return (StatusCode::BAD_GATEWAY, headers);
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            return (status, headers);
        };
        if name == "Status" {
            let code = value.get(..3).and_then(|code| code.parse().ok());
            status = code.expect("git prints a status");
        } else {
            let name: header::HeaderName = name.parse().expect("a header's name");
            headers.append(name, value.parse().expect("a header's value"));
        }
    }
}
