//! Who sends: what each forge calls its headers.

use http::HeaderMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::parts::{Twice, single};

/// Who sends the deliveries, and so how they are proved and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Provider {
    /// GitHub: `X-Hub-Signature-256`; JSON or form bodies.
    Github,
    /// GitLab: the secret token.
    Gitlab,
    /// Gitea and Forgejo.
    Gitea,
    /// Bitbucket Cloud and Data Center.
    Bitbucket,
    /// Pierre's code storage.
    Pierre,
    /// Whoever signs by Standard Webhooks, <https://www.standardwebhooks.com>.
    Standard,
    /// Whoever can send a fixed header.
    Token,
    /// Whoever can sign the body with HMAC-SHA256.
    Signature,
}

impl Provider {
    /// The name in the configuration, in metrics and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Gitea => "gitea",
            Self::Bitbucket => "bitbucket",
            Self::Pierre => "pierre",
            Self::Standard => "standard",
            Self::Token => "token",
            Self::Signature => "signature",
        }
    }

    /// What the body's secret proof leaves open, and so may be chosen: the header that carries it.
    pub(crate) fn has_own_header(self) -> bool {
        matches!(self, Self::Token | Self::Signature)
    }

    /// The headers that may name the event, best first; none where every proved request counts.
    pub(crate) fn event_headers(self) -> &'static [&'static str] {
        match self {
            Self::Github => &["x-github-event"],
            Self::Gitlab => &["x-gitlab-event"],
            Self::Gitea => &["x-gitea-event", "x-forgejo-event"],
            Self::Bitbucket => &["x-event-key"],
            Self::Pierre => &["x-pierre-event"],
            Self::Standard | Self::Token | Self::Signature => &[],
        }
    }

    /// What tells one delivery from another, and is the same when the forge sends it again; `None` where there is nothing such.
    pub(crate) fn delivery(self, headers: &HeaderMap) -> Result<Option<&[u8]>, Twice> {
        let names: &[&str] = match self {
            Self::Github => &["x-github-delivery"],
            Self::Gitlab => &["idempotency-key"],
            Self::Gitea => &["x-gitea-delivery", "x-forgejo-delivery"],
            Self::Bitbucket => &["x-request-uuid", "x-request-id"],
            Self::Standard => &["webhook-id"],
            Self::Pierre | Self::Token | Self::Signature => &[],
        };
        for name in names {
            match single(headers, name)? {
                Some(id) if !id.is_empty() => return Ok(Some(id)),
                _ => {}
            }
        }
        Ok(None)
    }
}
