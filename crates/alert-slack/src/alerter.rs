//! Posts alerts to an incoming webhook.

use std::time::Duration;

use async_trait::async_trait;
use gitbarge_core::{Alert, Alerter, Error, ErrorKind, Result, Run, Secret};
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use tokio::sync::OnceCell;

use crate::answer::{judge, unanswered};
use crate::message::payload;

/// Posts alerts to a Slack incoming webhook, one message each.
#[derive(Debug)]
pub struct SlackAlerter {
    webhook_url: Secret,
    timeout: Duration,
    client: OnceCell<Client>,
}

impl SlackAlerter {
    /// Posts to this webhook; the URL is read at each use. One message may take as long as `timeout`.
    pub fn new(webhook_url: Secret, timeout: Duration) -> Self {
        Self {
            webhook_url,
            timeout,
            client: OnceCell::new(),
        }
    }

    async fn send(&self, request: RequestBuilder, host: &str, run: &Run) -> Result<Response> {
        let answer = tokio::select! {
            biased;
            () = run.cancelled() => return Err(Error::cancelled("talking to Slack")),
            answer = request.timeout(self.timeout).send() => answer,
        };
        answer.map_err(|error| unanswered(error, host))
    }

    /// Made on first use, and off the async workers: it reads the system's certificates.
    async fn client(&self, run: &Run) -> Result<&Client> {
        let make = || run.blocking("reading the system's certificates", |_| new_client());
        self.client.get_or_try_init(make).await
    }
}

#[async_trait]
impl Alerter for SlackAlerter {
    async fn alert(&self, alert: &Alert, run: &Run) -> Result<()> {
        let url = webhook(&self.webhook_url)?;
        let host = host(&url);
        let request = self.client(run).await?.post(url).json(&payload(alert));
        let answer = self.send(request, &host, run).await?;
        tokio::select! {
            biased;
            () = run.cancelled() => Err(Error::cancelled("talking to Slack")),
            result = judge(answer, &host, &self.webhook_url) => result,
        }
    }

    /// Asks for the server's root, without the secret path. Any answer shows that it can be reached.
    async fn probe(&self, run: &Run) -> Result<()> {
        let mut url = webhook(&self.webhook_url)?;
        let host = host(&url);
        url.set_path("/");
        url.set_query(None);
        let request = self.client(run).await?.request(Method::HEAD, url);
        self.send(request, &host, run).await?;
        Ok(())
    }
}

/// Reads the webhook's URL.
///
/// # Errors
/// `config`, without quoting it.
pub(crate) fn webhook(secret: &Secret) -> Result<Url> {
    let text = secret.read()?;
    let url = Url::parse(text.expose().trim()).ok();
    let usable = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    let written_out = text.expose().contains("://");
    url.filter(|url| written_out && usable(url)).ok_or_else(|| {
        Error::new(
            ErrorKind::Config,
            format!("{} is no http(s) URL", secret.place()),
        )
        .with_hint(
            "copy the webhook's URL from your Slack app; it begins with https://hooks.slack.com/",
        )
    })
}

/// The server's name and port: all of the URL that may be shown.
fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    }
}

/// A redirect would hand the message, and maybe the secret path, to whoever is named in it.
fn new_client() -> Result<Client> {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("gitbarge/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| {
            Error::new(ErrorKind::Internal, "failed to set up the https client").with_source(error)
        })
}
