//! The JSON of the batch API.
//!
//! Its description: <https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md>.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use gitbarge_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::Object;
use crate::download::Action;

/// The media type of requests and answers.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.git-lfs+json";

/// The body of a request for downloads.
pub(crate) fn question(objects: &[Object], reference: Option<&str>) -> Vec<u8> {
    let objects = objects.iter().map(|object| Asked {
        oid: object.hex(),
        size: object.size,
    });
    let question = Question {
        operation: "download",
        transfers: ["basic"],
        reference: reference.map(|name| Reference { name }),
        objects: objects.collect(),
        hash_algo: "sha256",
    };
    serde_json::to_vec(&question).expect("strings and numbers are JSON")
}

/// What the server says about objects, by their names.
///
/// # Errors
/// `protocol`; the text is not quoted, for it has credentials.
pub(crate) fn read(body: &[u8]) -> Result<HashMap<[u8; 32], Entry>> {
    let broken = |what: String| {
        Error::new(
            ErrorKind::Protocol,
            format!("the LFS server's answer {what}"),
        )
    };
    let answer: Answer = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        broken(format!(
            "is not that of the batch API (line {line}, column {column})"
        ))
    })?;
    if answer.transfer.is_some_and(|transfer| transfer != "basic") {
        return Err(broken("wants another transfer than `basic`".to_owned()));
    }
    if answer.hash_algo.is_some_and(|hash| hash != "sha256") {
        return Err(broken("is about another hash than SHA-256".to_owned()));
    }
    let entries = answer.objects.into_iter();
    let named = entries.filter_map(|entry| Some((Object::parse(&entry.oid, 0)?.oid, entry)));
    Ok(named.collect())
}

#[derive(Serialize)]
struct Question<'q> {
    operation: &'static str,
    transfers: [&'static str; 1],
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<Reference<'q>>,
    objects: Vec<Asked>,
    hash_algo: &'static str,
}

#[derive(Serialize)]
struct Reference<'q> {
    name: &'q str,
}

#[derive(Serialize)]
struct Asked {
    oid: String,
    size: u64,
}

#[derive(Deserialize)]
struct Answer {
    transfer: Option<String>,
    objects: Vec<Entry>,
    hash_algo: Option<String>,
}

/// What is said about one object.
#[derive(Deserialize)]
pub(crate) struct Entry {
    oid: String,
    authenticated: Option<bool>,
    actions: Option<Actions>,
    pub(crate) error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Actions {
    download: Option<Offer>,
}

#[derive(Deserialize)]
struct Offer {
    href: String,
    header: Option<BTreeMap<String, String>>,
    expires_in: Option<i64>,
    expires_at: Option<String>,
}

/// Why an object cannot be had.
#[derive(Deserialize)]
pub(crate) struct Refusal {
    #[serde(default)]
    pub(crate) code: u16,
    #[serde(default)]
    pub(crate) message: String,
}

impl Entry {
    /// The request that brings the object; `None` if the server offers none.
    ///
    /// # Errors
    /// `protocol` if it cannot be sent.
    pub(crate) fn action(&self) -> Result<Option<Action>> {
        let Some(offer) = self.actions.as_ref().and_then(|all| all.download.as_ref()) else {
            return Ok(None);
        };
        let mut action = Action::to(&offer.href)?;
        for (name, value) in offer.header.iter().flatten() {
            action.add_header(name, value)?;
        }
        action.authenticated = self.authenticated.unwrap_or(false);
        action.expires = offer.expires();
        Ok(Some(action))
    }
}

impl Offer {
    /// The seconds count for more than the time: clocks differ. Servers in Go write the year 1 for never.
    fn expires(&self) -> Option<SystemTime> {
        let now = SystemTime::now();
        match self.expires_in {
            Some(seconds) if seconds != 0 => {
                let seconds = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
                now.checked_add(seconds)
            }
            _ => {
                let at: jiff::Timestamp = self.expires_at.as_ref()?.parse().ok()?;
                (at > jiff::Timestamp::UNIX_EPOCH).then(|| at.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OID: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

    fn entry(rest: &str) -> Entry {
        let body = format!(r#"{{"objects":[{{"oid":"{OID}","size":1{rest}}}]}}"#);
        let oid = Object::parse(OID, 1).unwrap().oid;
        read(body.as_bytes()).unwrap().remove(&oid).unwrap()
    }

    fn offer(rest: &str) -> Result<Option<Action>> {
        entry(&format!(
            r#","actions":{{"download":{{"href":"https://h/x"{rest}}}}}"#
        ))
        .action()
    }

    #[test]
    fn the_question_is_as_described() {
        let object = Object::parse(OID, 5).unwrap();
        let text = String::from_utf8(question(&[object], Some("refs/heads/main"))).unwrap();
        let expected = format!(
            r#"{{"operation":"download","transfers":["basic"],"ref":{{"name":"refs/heads/main"}},"objects":[{{"oid":"{OID}","size":5}}],"hash_algo":"sha256"}}"#
        );
        assert_eq!(text, expected);
        let without = String::from_utf8(question(&[object], None)).unwrap();
        assert!(!without.contains("ref"), "{without}");
    }

    #[test]
    fn an_offer_expires_when_it_says() {
        for (rest, expired) in [
            ("", false),
            (r#","expires_in":0"#, false),
            (r#","expires_in":3600"#, false),
            (
                r#","expires_in":3600,"expires_at":"2001-01-01T00:00:00Z""#,
                false,
            ),
            (r#","expires_in":9223372036854775807"#, false),
            (r#","expires_in":2"#, true),
            (r#","expires_in":-5"#, true),
            (r#","expires_at":"2001-01-01T00:00:00Z""#, true),
            (r#","expires_at":"2099-01-01T00:00:00+02:00""#, false),
            (r#","expires_at":"0001-01-01T00:00:00Z""#, false),
            (r#","expires_at":"someday""#, false),
        ] {
            let action = offer(rest).unwrap().unwrap();
            assert_eq!(action.has_expired(), expired, "{rest}");
        }
    }

    #[test]
    fn an_answer_that_cannot_be_used_is_refused_without_quoting_it() {
        for body in [
            "",
            "<html>hush</html>",
            r#"{"objects":[{"oid":"hush","size":1,"actions":{"download":{"href":4}}}]}"#,
            r#"{"objects":[{"oid":4711}]}"#,
            r#"{"transfer":"hush","objects":[]}"#,
            r#"{"hash_algo":"hush","objects":[]}"#,
        ] {
            let error = read(body.as_bytes()).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{body}");
            let shown = format!("{error:?}");
            assert!(
                !shown.contains("hush") && !shown.contains("4711"),
                "{shown}"
            );
        }
    }

    #[test]
    fn an_offer_that_cannot_be_sent_is_refused() {
        for href in [
            "/objects/x",
            "x",
            "//h/x",
            "file:///etc/passwd",
            "ftp://h/x",
            "",
        ] {
            let rest = format!(r#","actions":{{"download":{{"href":"{href}"}}}}"#);
            let error = entry(&rest).action().err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{href}");
        }
        let split = offer(r#","header":{"X-A":"hush\r\nX-B: y"}"#)
            .err()
            .unwrap();
        assert!(!format!("{split:?}").contains("hush"));
        assert!(entry("").action().unwrap().is_none());
        assert!(entry(r#","actions":{}"#).action().unwrap().is_none());
    }
}
