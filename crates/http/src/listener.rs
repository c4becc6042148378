//! The daemon's listener, as its configuration says and may say later.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use gitbarge_core::config::{HttpConfig, TlsFiles};
use gitbarge_core::{Error, Problem, Result, Secret};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::connections::Connections;
use crate::router::{Shared, router};
use crate::serving::{Ground, Serving, bind};
use crate::tls::{self, Tls};
use crate::token::Token;
use crate::{Limits, Watched};

/// How long requests over an address that is given up may take to be answered.
const FAREWELL: Duration = Duration::from_secs(10);

/// Listens for webhooks, probes, scrapers, people and programs.
pub struct Listener {
    shared: Arc<Shared>,
    ground: Ground,
    current: Mutex<Option<Current>>,
}

struct Current {
    /// As configured: the port may be 0.
    listen: SocketAddr,
    serving: Serving,
}

impl Listener {
    /// A listener that does not listen yet.
    pub fn new(watched: Arc<Watched>, limits: Limits) -> Self {
        let limits = Arc::new(limits);
        let connections = Connections::new(limits.connections, limits.connections_of_one);
        let shared = Arc::new(Shared::new(watched, limits.clone(), connections.clone()));
        let ground = Ground {
            router: router(shared.clone()),
            limits,
            connections,
        };
        Self {
            shared,
            ground,
            current: Mutex::default(),
        }
    }

    /// Listens as configured from now on, or no longer. Returns the address, with the port that the system has chosen if it had to.
    ///
    /// A new address is bound before the old one is given up, and what is being answered there is still answered. The certificate
    /// is read anew. It must not be dropped half way.
    ///
    /// # Errors
    /// `config`, naming the address or the file; everything is as before then.
    pub async fn configure(&self, config: Option<&HttpConfig>) -> Result<Option<SocketAddr>> {
        let mut current = self.current.lock().await;
        let Some(config) = config else {
            if let Some(old) = current.take() {
                retire(old);
            }
            return Ok(None);
        };
        let tls = match &config.tls {
            Some(files) => Some(Tls::open(files).await?),
            None => None,
        };
        match &mut *current {
            Some(there) if there.listen == config.listen => there.serving.set_tls(tls),
            there => {
                let listener = self.bind(config.listen, there).await?;
                let new = Current {
                    listen: config.listen,
                    serving: Serving::start(listener, tls, self.ground.clone())?,
                };
                if let Some(old) = there.replace(new) {
                    retire(old);
                }
            }
        }
        let token = config
            .api_token
            .clone()
            .map(|secret| Arc::new(Token::new(secret)));
        *self
            .shared
            .token
            .write()
            .unwrap_or_else(PoisonError::into_inner) = token;
        Ok(current.as_ref().map(|current| current.serving.local()))
    }

    /// Says `/readyz` 503 from now on; all else goes on.
    pub fn drain(&self) {
        self.shared.draining.cancel();
    }

    /// Ends, after what is being answered, but no later than `patience` from now.
    pub async fn close(&self, patience: Duration) {
        self.drain();
        if let Some(current) = self.current.lock().await.take() {
            current.serving.end(patience).await;
        }
    }

    /// Binds. Where the old address has the new port, as `[::]:80` has that of `127.0.0.1:80`, it is given up for a moment.
    async fn bind(&self, address: SocketAddr, old: &mut Option<Current>) -> Result<TcpListener> {
        let error = match bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => error,
        };
        let Some(old) = old
            .as_mut()
            .filter(|old| is_in_the_way(&error, old, address))
        else {
            return Err(error);
        };
        old.serving.pause().await;
        bind(address).inspect_err(|_| {
            if let Err(error) = old.serving.resume() {
                let error = error.failure().message;
                tracing::error!(error, "The old address is lost too.");
            }
        })
    }
}

fn is_in_the_way(error: &Error, old: &Current, address: SocketAddr) -> bool {
    let source = std::error::Error::source(error).and_then(|e| e.downcast_ref::<io::Error>());
    let in_use = source.is_some_and(|error| error.kind() == io::ErrorKind::AddrInUse);
    in_use && old.serving.local().port() == address.port()
}

fn retire(old: Current) {
    tokio::spawn(old.serving.end(FAREWELL));
}

/// Reads what the table names, and returns what is wrong with it; blocking. Keys are relative to `[http]`.
pub fn inspect(config: &HttpConfig) -> Vec<Problem> {
    let tls = config.tls.iter().flat_map(inspect_tls);
    tls.chain(config.api_token.iter().filter_map(inspect_token))
        .collect()
}

fn inspect_tls(files: &TlsFiles) -> Vec<Problem> {
    let parts = [
        ("tls.cert", tls::certificates(&files.cert).err()),
        ("tls.key", tls::private_key(&files.key).err()),
    ];
    let problem =
        |(key, error): (&str, Option<Error>)| Some(Problem::new(key, error?.failure().message));
    let parts: Vec<_> = parts.into_iter().filter_map(problem).collect();
    if !parts.is_empty() {
        return parts;
    }
    problem(("tls", tls::load(files).err()))
        .into_iter()
        .collect()
}

fn inspect_token(token: &Secret) -> Option<Problem> {
    let message = match token.read() {
        Ok(text) if !text.expose_line().is_empty() => return None,
        Ok(_) => format!("{} is empty: nobody can use the API", token.place()),
        Err(error) => error.failure().message,
    };
    Some(Problem::new("api_token", message))
}
