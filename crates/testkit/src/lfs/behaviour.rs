//! How an LFS server behaves.

use axum::body::Bytes;

/// How the server behaves from now on.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// The batch API's answer.
    pub batch: Answer,
    /// The downloads' answer.
    pub download: Answer,
    /// What comes with a download that is answered well.
    pub content: Content,
    /// Whether downloads have an action header that opens them; otherwise the server's credentials do.
    pub tickets: bool,
    /// In how many seconds offers expire.
    pub expires_in: Option<i64>,
    /// The error of each object.
    pub object_error: Option<u16>,
    /// Stands before `/<name>` in the offered addresses, instead of the server's own.
    pub href: Option<String>,
}

/// An answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// As it should be.
    Well,
    /// This status; the body quotes the credentials.
    Status(u16),
    /// The same, so many times; then well.
    Times(usize, u16),
    /// `429` with this `Retry-After`, so many times; then well.
    SlowDown(usize, &'static str),
    /// A redirect to this address, followed by the object's name.
    Redirect(String),
    /// `200` with this body.
    Body(Bytes),
    /// None at all.
    Hang,
}

/// What an object's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// As it should be.
    Right,
    /// The last byte is another one.
    Flipped,
    /// A byte is missing at its end, or more; without a length in the head.
    Short,
    /// It has one more byte; without a length in the head.
    Long,
    /// It has one more byte, and the head says so.
    LongAndSaysSo,
    /// After the half, the connection ends.
    Cut,
    /// After the half, nothing comes any more.
    Stalls,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            batch: Answer::Well,
            download: Answer::Well,
            content: Content::Right,
            tickets: true,
            expires_in: None,
            object_error: None,
            href: None,
        }
    }
}
