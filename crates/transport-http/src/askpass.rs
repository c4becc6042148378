//! A server that says who asks: `askpass_url`.

use std::fmt;
use std::time::Duration;

use gitbarge_core::{Address, Error, ErrorKind, Problem, Result, retry_after};
use gitbarge_http_client::{server, unanswered};
use reqwest::{Client, Response, StatusCode, Url};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::login::basic;

/// The longest answer, in bytes.
const LONGEST_ANSWER: usize = 64 << 10;

/// Where a user and a password are asked for, before each operation.
#[derive(Clone)]
pub(crate) struct Askpass(Url);

impl Askpass {
    /// Checks the address.
    ///
    /// # Errors
    /// What is wrong with it; nothing of it is quoted.
    pub(crate) fn new(url: &str) -> Result<Self, Problem> {
        let parsed = Url::parse(url).ok();
        let is_usable = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        parsed
            .filter(is_usable)
            .map(Self)
            .ok_or_else(|| Problem::new("askpass_url", "the address is no http(s) URL"))
    }

    pub(crate) fn address(&self) -> Address {
        Address::new(self.0.as_str())
    }

    /// Asks, and returns the value of `Authorization`. Redirects are not followed.
    ///
    /// # Errors
    /// `unreachable`, `timeout`; `auth_failed` if it does not say; `protocol` if what it says cannot be used.
    pub(crate) async fn ask(
        &self,
        client: &Client,
        patience: Duration,
    ) -> Result<Zeroizing<String>> {
        let name = server(&self.0);
        let asking = async {
            let answer = client.get(self.0.clone()).send().await;
            let answer = answer.map_err(|error| unanswered(&error, &name, patience))?;
            self.read(answer).await
        };
        timeout(patience, asking).await.unwrap_or_else(|_| {
            let message = format!("`askpass_url` at `{name}` did not answer within {patience:?}");
            Err(Error::new(ErrorKind::Timeout, message))
        })
    }

    async fn read(&self, mut answer: Response) -> Result<Zeroizing<String>> {
        if answer.status() != StatusCode::OK {
            return Err(self.refusal(&answer));
        }
        let mut text = Zeroizing::new(Vec::with_capacity(LONGEST_ANSWER));
        loop {
            let part = answer.chunk().await;
            let lost = |_| self.error(ErrorKind::Unreachable, "broke off its answer");
            let Some(part) = part.map_err(lost)? else {
                break;
            };
            if text.len() + part.len() > LONGEST_ANSWER {
                return Err(self.error(ErrorKind::Protocol, "answered with more than 64 KiB"));
            }
            text.extend_from_slice(&part);
        }
        let text = std::str::from_utf8(&text).unwrap_or_default();
        let value = |key: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once('='));
            lines.find(|(name, _)| *name == key).map(|(_, value)| value)
        };
        match (value("username"), value("password")) {
            (Some(username), Some(password)) if !username.contains(':') => {
                Ok(basic(username, password))
            }
            _ => {
                let what = "did not answer with the lines `username=…` and `password=…`";
                Err(self.error(ErrorKind::Protocol, what))
            }
        }
    }

    fn refusal(&self, answer: &Response) -> Error {
        let status = answer.status();
        let passes = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        let kind = match passes {
            true => ErrorKind::Unreachable,
            false => ErrorKind::AuthFailed,
        };
        let error = self.error(kind, &format!("answered {}", status.as_u16()));
        match retry_after(answer.headers()) {
            Some(wait) => error.with_retry_after(wait),
            None => error,
        }
    }

    fn error(&self, kind: ErrorKind, what: &str) -> Error {
        let message = format!("`askpass_url` at `{}` {what}", server(&self.0));
        Error::new(kind, message)
    }
}

impl fmt::Debug for Askpass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Askpass({})", self.address())
    }
}
