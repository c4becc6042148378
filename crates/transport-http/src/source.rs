//! The source `http`: one client, whose connections stay open between operations.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use gitbarge_core::{
    Address, Connection, Error, LfsServer, Network, Problem, RemoteEnd, Result, Run, Service,
    Source,
};
use gitbarge_http_client::server;
use reqwest::{Client, Response, Url};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tracing::{debug, warn};

use crate::HttpConfig;
use crate::client::{Caller, new_client, new_direct_client};
use crate::config::Checked;
use crate::credentials::{Credentials, Headers};
use crate::github_app::Lent;
use crate::network::Ways;
use crate::transport::{Exchange, HttpTransport};
use crate::url::HttpUrl;

/// Reads a git repository over HTTP.
pub struct HttpSource {
    config: HttpConfig,
    url: HttpUrl,
    credentials: Credentials,
    ways: Ways,
    /// With the ways that they were made for.
    clients: Mutex<Option<(Network, Clients)>>,
}

/// Whoever asks the repository's server, and whoever asks for its credentials.
#[derive(Clone)]
struct Clients {
    main: Client,
    direct: Option<Client>,
}

/// What one operation needs.
struct Ready {
    headers: Headers,
    network: Network,
    client: Client,
    lent: Option<Lent>,
}

impl HttpSource {
    /// Checks the configuration; touches neither network nor files.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn new(config: HttpConfig) -> Result<Self, Vec<Problem>> {
        let Checked {
            url,
            credentials,
            ways,
        } = config.checked()?;
        Ok(Self {
            config,
            url,
            credentials,
            ways,
            clients: Mutex::default(),
        })
    }

    async fn open(&self, service: Service, run: &Run) -> Result<Connection> {
        let (caller, found) = self.discover(service, run).await?;
        let (base, handshake) = found;
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

    /// A token that was lent before may have been revoked since: then a new one is tried, once.
    async fn discover(&self, service: Service, run: &Run) -> Result<(Caller, (Url, Response))> {
        loop {
            let ready = self.ready(run).await?;
            let caller = Caller {
                client: ready.client,
                headers: ready.headers,
                hint: self.credentials.hint(),
                connect_timeout: self.config.connect_timeout,
                idle_timeout: self.config.idle_timeout,
                was_unknown: AtomicBool::new(false),
            };
            let found = caller.discover(&self.url.base, service).await;
            let lent = ready
                .lent
                .filter(|_| caller.was_unknown.load(Ordering::Relaxed));
            match (found, lent) {
                (Err(error), Some(lent)) => {
                    self.credentials.forget(&lent).await;
                    if lent.is_new {
                        return Err(error);
                    }
                    debug!(
                        "The server does not know the app's token any more; asking for a new one."
                    );
                }
                (found, _) => return Ok((caller, found?)),
            }
        }
    }

    /// Reads all secrets and files, and asks whoever has to be asked.
    async fn ready(&self, run: &Run) -> Result<Ready> {
        let (credentials, ways) = (self.credentials.clone(), self.ways.clone());
        let reading = run.blocking("reading the credentials", move |_| {
            Ok((credentials.read()?, ways.read()?))
        });
        let (mut headers, network) = reading.await?;
        let clients = self.clients(&network, run).await?;
        let asking = clients.direct.as_ref().unwrap_or(&clients.main);
        let patience = self.config.connect_timeout + self.config.idle_timeout;
        let lent = self.credentials.ask(&mut headers, asking, patience, run);
        Ok(Ready {
            lent: lent.await?,
            headers,
            network,
            client: clients.main,
        })
    }

    /// Made on first use and when a file has changed, and off the async workers. Connections stay open as long.
    async fn clients(&self, network: &Network, run: &Run) -> Result<Clients> {
        let mut held = self.clients.lock().await;
        if let Some((_, clients)) = held
            .as_ref()
            .filter(|(made_for, _)| made_for.is_same(network))
        {
            return Ok(clients.clone());
        }
        if held.is_none() && self.credentials.are_given() && is_open(&self.url.base) {
            let server = server(&self.url.base);
            warn!(
                server,
                "Credentials are sent over http, which others can read."
            );
        }
        let (made_for, connect_timeout) = (network.clone(), self.config.connect_timeout);
        let is_direct = self.credentials.ask_directly();
        let making = run.blocking("reading the system's certificates", move |_| {
            let direct = is_direct.then(|| new_direct_client(&made_for, connect_timeout));
            let direct = direct.transpose()?;
            let main = new_client(&made_for, connect_timeout)?;
            Ok(Clients { main, direct })
        });
        let clients = making.await?;
        *held = Some((network.clone(), clients.clone()));
        Ok(clients)
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
        let ready = tokio::select! {
            biased;
            () = run.cancelled() => return Err(Error::cancelled("looking for the LFS server")),
            ready = self.ready(run) => ready?,
        };
        let url = self.url.lfs();
        Ok(Some(LfsServer {
            headers: ready.headers.for_lfs(&url),
            hosts: ready.headers.for_hosts(),
            network: ready.network,
            url: url.into(),
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
