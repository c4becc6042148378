//! Which requests fail, and how.

use axum::http::header;

use super::Asked;

/// What happens to a request instead of what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this status and this code.
    Status(u16, &'static str),
    /// It gets no answer.
    Hang,
    /// Its connection ends, and nothing was done.
    Drop,
    /// Its connection ends, and what it asks for was done.
    DropAfter,
    /// It is done when [`super::S3Server::heal`] is called; until then it counts as one without an answer.
    Pause,
}

/// Which requests meet a fault.
#[derive(Debug, Clone)]
pub struct Rule {
    method: &'static str,
    key: String,
    pub(super) fault: Fault,
    skip: usize,
    times: usize,
    is_conditional: bool,
}

impl Rule {
    /// All requests with this method (empty: any) whose key contains this text.
    pub fn new(method: &'static str, key: &str, fault: Fault) -> Self {
        Self {
            method,
            key: key.to_owned(),
            fault,
            skip: 0,
            times: usize::MAX,
            is_conditional: false,
        }
    }

    /// Only so many of them.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// Not the first few of them.
    #[must_use]
    pub fn after(self, skip: usize) -> Self {
        Self { skip, ..self }
    }

    /// Only those with `If-Match` or `If-None-Match`.
    #[must_use]
    pub fn conditional(self) -> Self {
        Self {
            is_conditional: true,
            ..self
        }
    }

    pub(super) fn takes(&mut self, asked: &Asked) -> bool {
        let conditions = [header::IF_MATCH, header::IF_NONE_MATCH];
        let has_condition = conditions
            .iter()
            .any(|name| asked.headers.contains_key(name));
        let is_meant = (self.method.is_empty() || self.method == asked.method)
            && asked.key.contains(&self.key)
            && (has_condition || !self.is_conditional);
        if !is_meant || self.times == 0 {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.times -= 1;
        true
    }
}
