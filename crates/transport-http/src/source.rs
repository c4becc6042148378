//! The source `http`: one client, whose connections stay open between operations.

use std::fmt;

use async_trait::async_trait;
use gitbarge_core::{
    Address, Connection, Error, LfsServer, Problem, RemoteEnd, Result, Run, Service, Source,
};
use reqwest::Client;
use reqwest::Url;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use tracing::warn;

use crate::HttpConfig;
use crate::client::{Caller, new_client};
use crate::credentials::Credentials;
use crate::transport::{Exchange, HttpTransport};
use crate::url::{HttpUrl, server};

/// Reads a git repository over HTTP.
pub struct HttpSource {
    config: HttpConfig,
    url: HttpUrl,
    credentials: Credentials,
    client: OnceCell<Client>,
}

impl HttpSource {
    /// Checks the configuration; touches neither network nor files.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn new(config: HttpConfig) -> Result<Self, Vec<Problem>> {
        let (url, credentials) = config.checked()?;
        Ok(Self {
            config,
            url,
            credentials,
            client: OnceCell::new(),
        })
    }

    async fn open(&self, service: Service, run: &Run) -> Result<Connection> {
        let credentials = self.credentials.clone();
        let headers = run.blocking("reading the credentials", move |_| credentials.read());
        let caller = Caller {
            headers: headers.await?,
            hint: self.credentials.hint(),
            client: self.client(run).await?.clone(),
            connect_timeout: self.config.connect_timeout,
            idle_timeout: self.config.idle_timeout,
        };
        let (base, handshake) = caller.discover(&self.url.base, service).await?;
        let exchange = Exchange {
            caller,
            base,
            service,
            run: run.clone(),
            runtime: Handle::current(),
        };
        let remote = RemoteEnd::default();
        // The other side has nothing to say beside the protocol.
        remote.close();
        Ok(Connection {
            transport: Box::new(HttpTransport::new(exchange, handshake)),
            remote,
        })
    }

    /// Made on first use, and off the async workers.
    async fn client(&self, run: &Run) -> Result<&Client> {
        let make = || {
            if self.credentials.are_given() && is_open(&self.url.base) {
                let server = server(&self.url.base);
                warn!(
                    server,
                    "Credentials are sent over http, which others can read."
                );
            }
            let connect_timeout = self.config.connect_timeout;
            run.blocking("reading the system's certificates", move |_| {
                new_client(connect_timeout)
            })
        };
        self.client.get_or_try_init(make).await
    }
}

#[async_trait]
impl Source for HttpSource {
    async fn connect(&self, service: Service, run: &Run) -> Result<Connection> {
        tokio::select! {
            biased;
            () = run.cancelled() => {
                Err(Error::cancelled(format!("connecting to `{}`", server(&self.url.base))))
            }
            connection = self.open(service, run) => connection,
        }
    }

    fn address(&self) -> Address {
        Address::new(&self.config.url)
    }

    async fn lfs(&self, run: &Run) -> Result<Option<LfsServer>> {
        let credentials = self.credentials.clone();
        let headers = run.blocking("reading the credentials", move |_| credentials.read_pairs());
        Ok(Some(LfsServer {
            url: self.url.lfs(),
            headers: headers.await?,
        }))
    }
}

impl fmt::Debug for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSource")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Whether others may read along.
fn is_open(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    url.scheme() == "http" && !matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}
