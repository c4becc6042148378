//! Whether a delivery is proved: that its sender knows a secret.

use std::fmt;

use http::HeaderMap;

use crate::keys::Key;
use crate::parts::{Twice, single};
use crate::provider::Provider;
use crate::signature::{self, Timed};

/// How old a signature with a time may be, in seconds.
const OLDEST: i64 = 300;
/// How far the clocks of Pierre's code storage may be ahead, in seconds; Standard Webhooks allow as much either way.
const AHEAD: i64 = 60;

/// How senders prove that they know a secret.
#[derive(Debug, Clone)]
pub(crate) enum Scheme {
    /// They say it.
    Said { header: String, prefix: String },
    /// They sign the body; of several names of one header, each that is there must fit.
    Signed {
        headers: Vec<String>,
        prefix: String,
    },
    /// They sign the time and the body.
    Pierre,
    /// They sign an id, the time and the body.
    Standard,
}

/// Why a delivery is not proved. It never says how near a guess was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unproved {
    why: Why,
    header: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Missing,
    Twice,
    Unreadable,
    Wrong,
    Old,
    Early,
}

impl Scheme {
    /// A provider's. `header` and `prefix` are for those that leave them open.
    pub(crate) fn of(provider: Provider, header: Option<&str>, prefix: Option<&str>) -> Self {
        let signed = |headers: &[&str], prefix: &str| Self::Signed {
            headers: headers.iter().map(|&name| name.to_owned()).collect(),
            prefix: prefix.to_owned(),
        };
        let said = |header: &str, prefix: &str| Self::Said {
            header: header.to_owned(),
            prefix: prefix.to_owned(),
        };
        // The usual prefix belongs to the usual header.
        let usual = |usual| prefix.unwrap_or(if header.is_some() { "" } else { usual });
        match provider {
            Provider::Github => signed(&["x-hub-signature-256"], "sha256="),
            Provider::Gitlab => said("x-gitlab-token", ""),
            Provider::Gitea => signed(&["x-gitea-signature", "x-forgejo-signature"], ""),
            Provider::Bitbucket => signed(&["x-hub-signature"], "sha256="),
            Provider::Pierre => Self::Pierre,
            Provider::Standard => Self::Standard,
            Provider::Token => said(header.unwrap_or("authorization"), usual("Bearer ")),
            Provider::Signature => {
                signed(&[header.unwrap_or("x-hub-signature-256")], usual("sha256="))
            }
        }
    }

    /// Judges a delivery at a time in seconds since 1970.
    ///
    /// # Errors
    /// Why no key fits.
    pub(crate) fn prove(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        keys: &[Key],
        now: i64,
    ) -> Result<(), Unproved> {
        match self {
            Self::Said { header, prefix } => {
                let value = needed(headers, header)?;
                let said = value.strip_prefix(prefix.as_bytes());
                let said = said.ok_or(Why::Unreadable.of(header))?;
                // All of them, so that the answer takes as long for each.
                let fitting = keys.iter().filter(|key| key.is(said)).count();
                if fitting > 0 {
                    Ok(())
                } else {
                    Err(Why::Wrong.of(header))
                }
            }
            Self::Signed {
                headers: names,
                prefix,
            } => signed(names, prefix, headers, body, keys),
            Self::Pierre => {
                let header = "x-pierre-signature";
                let timed = signature::pierre(needed(headers, header)?);
                let timed = timed.ok_or(Why::Unreadable.of(header))?;
                let message = [timed.stamp, b".", body];
                timely(&timed, header, now, AHEAD)?;
                any(keys, &message, &timed.signatures, header)
            }
            Self::Standard => {
                let (id, at) = (needed(headers, "webhook-id")?, "webhook-timestamp");
                let (stamp, header) = (needed(headers, at)?, "webhook-signature");
                let timed = signature::standard(stamp, needed(headers, header)?);
                let timed = timed.ok_or(Why::Unreadable.of(header))?;
                let message = [id, b".", timed.stamp, b".", body];
                timely(&timed, at, now, OLDEST)?;
                any(keys, &message, &timed.signatures, header)
            }
        }
    }
}

fn signed(
    names: &[String],
    prefix: &str,
    headers: &HeaderMap,
    body: &[u8],
    keys: &[Key],
) -> Result<(), Unproved> {
    let mut missing = Err(Why::Missing.of(&names[0]));
    for name in names {
        let Some(value) = single(headers, name)? else {
            continue;
        };
        let signature = signature::hex(value, prefix).ok_or(Why::Unreadable.of(name))?;
        any(keys, &[body], &[signature], name)?;
        missing = Ok(());
    }
    missing
}

fn needed<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h [u8], Unproved> {
    let value = single(headers, name)?.filter(|value| !value.is_empty());
    value.ok_or(Why::Missing.of(name))
}

fn timely(timed: &Timed<'_>, header: &str, now: i64, ahead: i64) -> Result<(), Unproved> {
    match now - timed.at {
        age if age > OLDEST => Err(Why::Old.of(header)),
        age if age < -ahead => Err(Why::Early.of(header)),
        _ => Ok(()),
    }
}

fn any(
    keys: &[Key],
    message: &[&[u8]],
    signatures: &[[u8; 32]],
    header: &str,
) -> Result<(), Unproved> {
    let fits = keys.iter().any(|key| key.has_signed(message, signatures));
    if fits {
        Ok(())
    } else {
        Err(Why::Wrong.of(header))
    }
}

impl Why {
    fn of(self, header: &str) -> Unproved {
        let header = header.to_owned();
        Unproved { why: self, header }
    }
}

impl Unproved {
    /// Whether another secret might have proved it.
    pub(crate) fn may_fit_another(&self) -> bool {
        self.why == Why::Wrong
    }
}

impl fmt::Display for Unproved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = &self.header;
        match self.why {
            Why::Missing => write!(f, "`{header}` is missing"),
            Why::Twice => write!(f, "`{header}` stands more than once"),
            Why::Unreadable => write!(f, "`{header}` cannot be read"),
            Why::Wrong => write!(f, "`{header}` fits no secret"),
            Why::Old => write!(f, "the time in `{header}` is too long ago"),
            Why::Early => write!(f, "the time in `{header}` is still to come"),
        }
    }
}

impl From<Twice> for Unproved {
    fn from(Twice(header): Twice) -> Self {
        Why::Twice.of(&header)
    }
}
