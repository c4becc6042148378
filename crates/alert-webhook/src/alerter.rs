//! Calls the webhook, once for each notice.

use std::time::Duration;

use async_trait::async_trait;
use gitbarge_core::{
    Alert, Alerter, Error, ErrorKind, Network, Notice, Problem, Result, Run, Secret,
};
use gitbarge_http_client::{builder, server, unanswered};
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, RequestBuilder, Response, Url};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::answer::judge;
use crate::headers::{HASH, Headers};
use crate::message::{body, id};
use crate::signature::SigningKey;
use crate::{Method, WebhookConfig};

/// Calls a URL for each notice.
#[derive(Debug)]
pub struct WebhookAlerter {
    config: WebhookConfig,
    headers: Headers,
    client: OnceCell<Client>,
}

/// What the secrets say at the moment.
struct Target {
    url: Url,
    headers: HeaderMap,
    key: Option<SigningKey>,
}

impl WebhookAlerter {
    /// Checks the configuration; touches neither network nor files.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn new(config: WebhookConfig) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let headers = Headers::new(&config.headers);
        let headers = headers.map_err(|found| problems.extend(found)).ok();
        if config
            .success_status
            .is_some_and(|status| !(200..=599).contains(&status))
        {
            let message = "the status is not between 200 and 599";
            problems.push(Problem::new("success_status", message));
        }
        match headers {
            Some(headers) if problems.is_empty() => Ok(Self {
                config,
                headers,
                client: OnceCell::new(),
            }),
            _ => Err(problems),
        }
    }

    async fn tell(&self, notice: &Notice, run: &Run) -> Result<()> {
        let Target { url, headers, key } = self.target(run).await?;
        let (id, body, server) = (id(notice), body(notice), server(&url));
        let mut request = self
            .client(run)
            .await?
            .request(self.config.method.into(), url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &id);
        let now = Timestamp::now().as_second();
        if let Some(key) = key {
            request = request.header("webhook-signature", key.sign(&id, now, &body));
        }
        if let Some(commit) = &notice.commit {
            request = request.header(HASH, commit);
        }
        let request = request.header("webhook-timestamp", now).headers(headers);
        let answer = self.send(request.body(body), &server).await?;
        judge(&answer, self.config.success_status, &server)
    }

    /// Read off the async workers: secrets may lie in files.
    async fn target(&self, run: &Run) -> Result<Target> {
        let (url, headers) = (self.config.url.clone(), self.headers.clone());
        let secret = self.config.secret.clone();
        let read = move |_: &_| {
            Ok(Target {
                url: target(&url)?,
                headers: headers.read()?,
                key: secret.as_ref().map(SigningKey::read).transpose()?,
            })
        };
        run.blocking("reading the webhook's secrets", read).await
    }

    async fn send(&self, request: RequestBuilder, server: &str) -> Result<Response> {
        let limit = self.config.timeout;
        match timeout(limit, request.send()).await {
            Ok(answer) => answer.map_err(|error| unanswered(&error, server, limit)),
            Err(_) => {
                let message = format!("the webhook at `{server}` did not answer within {limit:?}");
                Err(Error::new(ErrorKind::Timeout, message))
            }
        }
    }

    /// Made on first use, and off the async workers: it reads the system's certificates.
    async fn client(&self, run: &Run) -> Result<&Client> {
        let make = || {
            run.blocking("reading the system's certificates", |_| {
                builder(&Network::default())?.build().map_err(|error| {
                    let message = "failed to set up the http client";
                    Error::new(ErrorKind::Internal, message).with_source(error)
                })
            })
        };
        self.client.get_or_try_init(make).await
    }
}

#[async_trait]
impl Alerter for WebhookAlerter {
    async fn alert(&self, alert: &Alert, run: &Run) -> Result<()> {
        for notice in &alert.notices {
            unless_cancelled(self.tell(notice, run), run).await?;
        }
        Ok(())
    }

    fn most_together(&self) -> usize {
        1
    }

    fn patience(&self) -> Duration {
        self.config.timeout
    }

    /// Asks for the server's root, without path, headers and credentials. Any answer shows that it can be reached.
    async fn probe(&self, run: &Run) -> Result<()> {
        let asking = async {
            let mut url = self.target(run).await?.url;
            let server = server(&url);
            url.set_path("/");
            url.set_query(None);
            // They fail for URLs without a host only.
            url.set_username("").ok();
            url.set_password(None).ok();
            let request = self.client(run).await?.head(url);
            self.send(request, &server).await.map(drop)
        };
        unless_cancelled(asking, run).await
    }
}

async fn unless_cancelled<T>(work: impl Future<Output = Result<T>>, run: &Run) -> Result<T> {
    tokio::select! {
        biased;
        () = run.cancelled() => Err(Error::cancelled("calling the webhook")),
        result = work => result,
    }
}

/// Reads the webhook's URL.
///
/// # Errors
/// `config`, without quoting it.
pub(crate) fn target(secret: &Secret) -> Result<Url> {
    let text = secret.read()?;
    let url = Url::parse(text.expose().trim()).ok();
    let is_usable = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    let is_written_out = text.expose().contains("://");
    url.filter(|url| is_written_out && is_usable(url))
        .ok_or_else(|| {
            let message = format!("{} is no http(s) URL", secret.place());
            Error::new(ErrorKind::Config, message)
                .with_hint("write the whole URL, such as https://example.org/hook")
        })
}

impl From<Method> for reqwest::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::GET,
            Method::Post => Self::POST,
            Method::Put => Self::PUT,
            Method::Patch => Self::PATCH,
            Method::Delete => Self::DELETE,
        }
    }
}
