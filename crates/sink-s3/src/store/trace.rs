//! What the store said to one operation: object_store's own errors keep too little of it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

tokio::task_local! {
    static CURRENT: Arc<Trace>;
}

/// The last word on one operation, and how often it was tried.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    attempts: AtomicU32,
    last: Mutex<Option<Outcome>>,
}

/// How one request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered(Answer),
    /// The connection could not be made, or was lost.
    Lost(String),
    /// Nothing came for so long.
    Silent(String),
    /// There was no request, because whoever hands out credentials did not.
    NoCredentials(String),
}

/// An answer's status, and what its body or its headers say about an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Such as `NoSuchBucket`.
    pub(crate) code: Option<String>,
    pub(crate) region: Option<String>,
}

impl Trace {
    /// Runs one operation; all its requests are noted.
    pub(crate) async fn of<F: Future>(operation: F) -> (F::Output, Arc<Self>) {
        let trace = Arc::new(Self::default());
        let output = CURRENT.scope(trace.clone(), operation).await;
        (output, trace)
    }

    /// Runs a part of an operation, whose requests are noted here.
    pub(crate) async fn again<F: Future>(self: Arc<Self>, part: F) -> F::Output {
        CURRENT.scope(self, part).await
    }

    /// The trace of the operation that runs in this task; a new one if none does.
    pub(crate) fn current() -> Arc<Self> {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    pub(crate) fn attempt(&self) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether more than one request was sent.
    pub(crate) fn was_repeated(&self) -> bool {
        self.attempts.load(Ordering::Relaxed) > 1
    }

    pub(crate) fn note(&self, outcome: Outcome) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }

    pub(crate) fn last(&self) -> Option<Outcome> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Answer {
    /// Reads an error's code: from XML as S3, Google and Azure send it.
    pub(crate) fn read(status: u16, headers: &http::HeaderMap, body: &[u8]) -> Self {
        let header = |name: &str| {
            let value = headers.get(name)?.to_str().ok()?;
            is_word(value).then(|| value.to_owned())
        };
        Self {
            status,
            code: element(body, "Code").or_else(|| header("x-ms-error-code")),
            region: header("x-amz-bucket-region").or_else(|| element(body, "Region")),
        }
    }

    /// Whether the code is one of these.
    pub(crate) fn says(&self, codes: &[&str]) -> bool {
        self.code
            .as_deref()
            .is_some_and(|code| codes.contains(&code))
    }
}

/// The text of the first such element, if it is one word: anything else is not ours to show.
fn element(body: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (word, _) = rest.split_once('<')?;
    is_word(word).then(|| word.to_owned())
}

fn is_word(text: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=80).contains(&text.len()) && text.chars().all(is_fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_regions_are_read_and_other_text_is_not() {
        let body = b"<?xml version=\"1.0\"?><Error><Code>PermanentRedirect</Code><Region>eu-west-1</Region></Error>";
        let answer = Answer::read(301, &http::HeaderMap::new(), body);
        assert_eq!(answer.code.as_deref(), Some("PermanentRedirect"));
        assert_eq!(answer.region.as_deref(), Some("eu-west-1"));
        for body in [
            &b"<Code>a b</Code>"[..],
            b"<Code></Code>",
            b"<Code>x",
            b"\xff",
            b"",
        ] {
            assert_eq!(Answer::read(400, &http::HeaderMap::new(), body).code, None);
        }
    }

    #[tokio::test]
    async fn the_last_word_counts() {
        let (_, trace) = Trace::of(async {
            Trace::current().attempt();
            Trace::current().note(Outcome::Lost("reset".into()));
            Trace::current().attempt();
            Trace::current().note(Outcome::Silent("60s".into()));
        })
        .await;
        assert!(trace.was_repeated());
        assert_eq!(trace.last(), Some(Outcome::Silent("60s".into())));
    }
}
