//! What a proved delivery means.

mod bitbucket;
mod bounded;
mod pushed;

use std::borrow::Cow;

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::parts::{Twice, quoted, single};
use crate::provider::Provider;
use crate::wanted::Wanted;

/// What a delivery means for a pipeline, and how an answer says that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// There may be something to carry.
    Push(String),
    /// There is nothing to do.
    Nothing(String),
}

/// A delivery that is not what its forge would send, and how an answer says that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) String);

impl From<Twice> for Malformed {
    fn from(Twice(header): Twice) -> Self {
        Self(format!("`{header}` stands more than once"))
    }
}

/// A ref that a push has moved, made or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    full_name: String,
    is_deletion: bool,
}

/// What all forges say of a push.
#[derive(Debug)]
struct Push {
    changes: Vec<Change>,
    /// There are more than anybody looks at.
    has_more: bool,
    default_branch: Option<String>,
}

/// Reads a delivery.
///
/// # Errors
/// Why its forge would not have sent it.
pub(crate) fn meaning(
    provider: Provider,
    headers: &HeaderMap,
    body: &[u8],
    wanted: &Wanted,
) -> Result<Meaning, Malformed> {
    let Some(event) = event(provider, headers)? else {
        return Ok(Meaning::Push("a verified request".to_owned()));
    };
    let push = match (provider, event.as_ref()) {
        (Provider::Github, "push") => pushed::read(&json(headers, body)?)?,
        (Provider::Gitlab, "Push Hook" | "Tag Push Hook") | (Provider::Gitea, "push") => {
            pushed::read(body)?
        }
        (Provider::Pierre, "push") => pushed::read(body)?.with_full_names(),
        (Provider::Bitbucket, "repo:push") => bitbucket::cloud(body)?,
        (Provider::Bitbucket, "repo:refs_changed") => bitbucket::data_center(body)?,
        (_, "ping" | "diagnostics:ping") => return Ok(Meaning::Nothing("ping".to_owned())),
        (_, other) => {
            return Ok(Meaning::Nothing(format!(
                "the event {} is no push",
                quoted(other)
            )));
        }
    };
    Ok(push.meaning(wanted))
}

/// The event's name; `None` where nobody names one.
fn event(provider: Provider, headers: &HeaderMap) -> Result<Option<Cow<'_, str>>, Malformed> {
    let names = provider.event_headers();
    for name in names {
        if let Some(event) = single(headers, name)? {
            return Ok(Some(String::from_utf8_lossy(event)));
        }
    }
    match names.first() {
        Some(name) => Err(Malformed(format!("`{name}` is missing"))),
        None => Ok(None),
    }
}

/// The JSON of a body, which may be the field `payload` of a form.
fn json<'b>(headers: &HeaderMap, body: &'b [u8]) -> Result<Cow<'b, [u8]>, Malformed> {
    let kind = headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes());
    let essence = kind.and_then(|kind| kind.split(|byte| *byte == b';').next());
    let is_form = essence.is_some_and(|essence| {
        essence
            .trim_ascii()
            .eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
    });
    if !is_form {
        return Ok(Cow::Borrowed(body));
    }
    let mut fields = form_urlencoded::parse(body);
    match fields.find(|(name, _)| name == "payload") {
        Some((_, payload)) => Ok(Cow::Owned(payload.into_owned().into_bytes())),
        None => Err(Malformed("the form has no field `payload`".to_owned())),
    }
}

/// Reads an object. What is wrong with it is told by its place only.
fn object<'b, T: serde::Deserialize<'b>>(json: &'b [u8]) -> Result<T, Malformed> {
    // Serde would take the fields in an array too.
    if json.trim_ascii_start().first() != Some(&b'{') {
        return Err(Malformed("the body is no JSON object".to_owned()));
    }
    serde_json::from_slice(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let what = if error.is_data() {
            "does not describe a push"
        } else {
            "is not JSON"
        };
        Malformed(format!("the body {what}: line {line}, column {column}"))
    })
}

impl Push {
    /// A forge that may leave out what every branch's name begins with.
    fn with_full_names(mut self) -> Self {
        for change in &mut self.changes {
            if !change.full_name.starts_with("refs/") {
                change.full_name.insert_str(0, "refs/heads/");
            }
        }
        self
    }

    fn meaning(&self, wanted: &Wanted) -> Meaning {
        let default_branch = self.default_branch.as_deref();
        let own = |change: &&Change| wanted.counts(&change.full_name, default_branch);
        let moved = self
            .changes
            .iter()
            .filter(|change| !change.is_deletion)
            .find(own);
        if let Some(change) = moved {
            return Meaning::Push(format!("push to {}", quoted(&change.full_name)));
        }
        if self.has_more {
            return Meaning::Push("push to so many refs that not all were looked at".to_owned());
        }
        let reason = match self.changes.as_slice() {
            [] => "nothing has changed".to_owned(),
            [change] if change.is_deletion => format!("{} was deleted", quoted(&change.full_name)),
            [change] => format!("{} is another ref", quoted(&change.full_name)),
            [first, ..] => {
                let (name, more) = (quoted(&first.full_name), self.changes.len() - 1);
                format!("{name} and {more} more are other refs, or deleted ones")
            }
        };
        Meaning::Nothing(reason)
    }
}

/// Whether an object id is the one that stands for none, of either hash.
fn is_zero(id: &str) -> bool {
    matches!(id.len(), 40 | 64) && id.bytes().all(|digit| digit == b'0')
}

#[cfg(test)]
mod tests;
