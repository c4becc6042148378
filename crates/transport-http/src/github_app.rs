//! Tokens of a GitHub App's installation, which live for an hour:
//! <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-an-installation-access-token-for-a-github-app>.

use std::fmt;
use std::time::Duration;

use gitbarge_core::{Error, ErrorKind, Problem, Result, Run, Secret, SecretText, retry_after};
use gitbarge_http_client::{server, unanswered};
use jiff::Timestamp;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::jwt;
use crate::login::basic;

/// A token that has less time left than this, in seconds, is not used any more.
const LEAST_LIFE: i64 = 60;
/// The longest answer, in bytes.
const LONGEST_ANSWER: usize = 256 << 10;

/// A GitHub App, as which the repository is read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "github_app")]
pub struct GithubAppConfig {
    /// The app's client id, such as `Iv23li…`; or `app_id`.
    #[serde(default)]
    pub client_id: Option<String>,
    /// The app's number; or `client_id`.
    #[serde(default)]
    pub app_id: Option<u64>,
    /// The number of the app's installation in the organisation or account.
    pub installation_id: u64,
    /// The app's private key, in PEM.
    pub private_key: Secret,
    /// The address of GitHub's API; for GitHub Enterprise Server `https://HOST/api/v3`.
    #[serde(default = "default_api")]
    pub api: String,
}

fn default_api() -> String {
    "https://api.github.com".to_owned()
}

/// A GitHub App, and its last token.
pub(crate) struct GithubApp {
    issuer: String,
    private_key: Secret,
    /// Where tokens are made.
    url: Url,
    /// Whoever needs a new one while it is being made waits for that one.
    token: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    text: SecretText,
    expires_at: Timestamp,
}

/// A token for one operation.
pub(crate) struct Lent {
    text: SecretText,
    /// Whether it was made for this operation.
    pub(crate) is_new: bool,
}

#[derive(Deserialize)]
struct Made {
    /// Read so, the text is in no error and wiped.
    token: Secret,
    expires_at: Timestamp,
}

impl GithubApp {
    /// Checks the keys.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn new(config: &GithubAppConfig) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let issuer = match (&config.client_id, config.app_id) {
            (Some(id), None) if !id.is_empty() => Some(id.clone()),
            (None, Some(id)) => Some(id.to_string()),
            (Some(_), Some(_)) => {
                let message = "`client_id` and `app_id` stand beside each other: set one of them";
                problems.push(Problem::new("github_app.client_id", message));
                None
            }
            _ => {
                let message = "`client_id` or `app_id` is needed";
                problems.push(Problem::new("github_app.client_id", message));
                None
            }
        };
        let url = url(&config.api, config.installation_id);
        if url.is_none() {
            let message = "the address is no http(s) URL without user info and query";
            problems.push(Problem::new("github_app.api", message));
        }
        match (issuer, url) {
            (Some(issuer), Some(url)) => Ok(Self {
                issuer,
                private_key: config.private_key.clone(),
                url,
                token: Mutex::default(),
            }),
            _ => Err(problems),
        }
    }

    /// A token that is valid for a while: the last one, or a new one.
    ///
    /// # Errors
    /// `config`, `auth_failed`, `unreachable`, `timeout`, `protocol`, `cancelled`. Cancel safe.
    pub(crate) async fn token(
        &self,
        client: &Client,
        patience: Duration,
        run: &Run,
    ) -> Result<Lent> {
        let mut held = self.token.lock().await;
        let now = Timestamp::now().as_second();
        let lives = |token: &&Token| token.expires_at.as_second() - now > LEAST_LIFE;
        if let Some(token) = held.as_ref().filter(lives) {
            let text = token.text.clone();
            return Ok(Lent {
                text,
                is_new: false,
            });
        }
        *held = None;
        let (key, issuer) = (self.private_key.clone(), self.issuer.clone());
        let sign = move |_: &_| jwt::sign(&key, &issuer, Timestamp::now());
        let jwt = run.blocking("signing a token", sign).await?;
        let making = timeout(patience, self.make(&jwt, client, patience)).await;
        let token = making.unwrap_or_else(|_| {
            let message = format!(
                "GitHub's API at `{}` did not answer within {patience:?}",
                server(&self.url)
            );
            Err(Error::new(ErrorKind::Timeout, message))
        })?;
        let text = token.text.clone();
        *held = Some(token);
        Ok(Lent { text, is_new: true })
    }

    /// The server has not taken this token: it is not lent again.
    pub(crate) async fn forget(&self, lent: &Lent) {
        let mut held = self.token.lock().await;
        let is_it = |token: &mut Token| token.text.expose() == lent.text.expose();
        held.take_if(is_it);
    }

    /// What is wrong with the key.
    pub(crate) fn inspect(&self) -> Option<Error> {
        jwt::sign(&self.private_key, &self.issuer, Timestamp::now()).err()
    }

    async fn make(&self, jwt: &str, client: &Client, patience: Duration) -> Result<Token> {
        let name = server(&self.url);
        let bearer = Zeroizing::new(format!("Bearer {jwt}"));
        let mut value = HeaderValue::from_str(&bearer).expect("a JWT is plain text");
        value.set_sensitive(true);
        let request = client
            .post(self.url.clone())
            .header(AUTHORIZATION, value)
            .header(ACCEPT, "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28");
        let answer = request.send().await;
        let answer = answer.map_err(|error| unanswered(&error, &name, patience))?;
        if answer.status() != StatusCode::CREATED {
            return Err(self.refusal(&answer));
        }
        self.read(answer).await
    }

    async fn read(&self, mut answer: Response) -> Result<Token> {
        let wrong = |kind, what: &str| {
            let message = format!("GitHub's API at `{}` {what}", server(&self.url));
            Error::new(kind, message)
        };
        let mut text = Zeroizing::new(Vec::new());
        loop {
            let part = answer.chunk().await;
            let lost = |_| wrong(ErrorKind::Unreachable, "broke off its answer");
            let Some(part) = part.map_err(lost)? else {
                break;
            };
            if text.len() + part.len() > LONGEST_ANSWER {
                return Err(wrong(ErrorKind::Protocol, "answered with too much"));
            }
            text.extend_from_slice(&part);
        }
        // The parser's error might quote what it has read.
        let made: Made = serde_json::from_slice(&text)
            .map_err(|_| wrong(ErrorKind::Protocol, "answered without a token"))?;
        Ok(Token {
            text: made.token.read()?,
            expires_at: made.expires_at,
        })
    }

    fn refusal(&self, answer: &Response) -> Error {
        let (status, name) = (answer.status(), server(&self.url));
        let answered = |kind, meaning: &str| {
            let message = format!(
                "GitHub's API at `{name}` answered {}{meaning}",
                status.as_u16()
            );
            Error::new(kind, message)
        };
        let error = match status.as_u16() {
            401 => answered(ErrorKind::AuthFailed, ": it does not know the app, or not this key").with_hint(
                "check `client_id` or `app_id`, that `private_key` is one of this app, and this machine's clock",
            ),
            403 => answered(ErrorKind::AuthFailed, ": it does not allow this")
                .with_hint("check whether the app's installation is suspended"),
            404 => answered(ErrorKind::AuthFailed, ": the app has no such installation")
                .with_hint("check `installation_id`, and that the app is installed"),
            429 | 500..=599 => answered(ErrorKind::Unreachable, ""),
            _ => answered(ErrorKind::Protocol, ""),
        };
        match retry_after(answer.headers()) {
            Some(wait) => error.with_retry_after(wait),
            None => error,
        }
    }
}

impl Lent {
    /// The value of `Authorization`: git's servers want the token as a password.
    pub(crate) fn header(&self) -> Zeroizing<String> {
        basic("x-access-token", self.text.expose())
    }
}

impl fmt::Debug for GithubApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GithubApp")
            .field("issuer", &self.issuer)
            .field("url", &self.url.as_str())
            .finish_non_exhaustive()
    }
}

fn url(api: &str, installation: u64) -> Option<Url> {
    let url = Url::parse(api).ok().filter(Url::has_host)?;
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    let mut url = Some(url).filter(|url| is_plain && matches!(url.scheme(), "http" | "https"))?;
    let installation = installation.to_string();
    let parts = ["app", "installations", &installation, "access_tokens"];
    url.path_segments_mut().ok()?.pop_if_empty().extend(parts);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_made_below_the_api() {
        let made_at = |api| url(api, 7).map(|url| url.to_string());
        for (api, expected) in [
            (
                "https://api.github.com",
                "https://api.github.com/app/installations/7/access_tokens",
            ),
            (
                "https://api.github.com/",
                "https://api.github.com/app/installations/7/access_tokens",
            ),
            (
                "https://h/api/v3",
                "https://h/api/v3/app/installations/7/access_tokens",
            ),
        ] {
            assert_eq!(made_at(api).as_deref(), Some(expected));
        }
        for bad in ["h", "ftp://h", "https://me:hush@h", "https://h?x"] {
            assert_eq!(made_at(bad), None, "{bad}");
        }
    }
}
