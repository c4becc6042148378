//! What a delivery comes to, by itself: whether it is proved, and what it means.

use bytes::Bytes;
use http::Request;

use crate::keys::Key;
use crate::memory::{Id, id_of};
use crate::payload::{Malformed, Meaning, meaning};
use crate::proof::{Scheme, Unproved};
use crate::provider::Provider;
use crate::wanted::Wanted;

/// Judges the deliveries of one pipeline. Pure: it knows no clock, file or memory.
#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) provider: Provider,
    pub(crate) scheme: Scheme,
    pub(crate) wanted: Wanted,
}

/// What a delivery comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Unproved(Unproved),
    Malformed(String),
    /// There is nothing to do, and why.
    Nothing(String),
    /// There may be something to carry, and why; and what tells the delivery from others, where its forge says so.
    Push(String, Option<Id>),
}

impl Judge {
    /// Judges a delivery at a time in seconds since 1970.
    pub(crate) fn judge(&self, delivery: &Request<Bytes>, keys: &[Key], now: i64) -> Verdict {
        let (headers, body) = (delivery.headers(), delivery.body());
        if let Err(unproved) = self.scheme.prove(headers, body, keys, now) {
            return Verdict::Unproved(unproved);
        }
        match self.read(delivery) {
            Ok(verdict) => verdict,
            Err(Malformed(reason)) => Verdict::Malformed(reason),
        }
    }

    fn read(&self, delivery: &Request<Bytes>) -> Result<Verdict, Malformed> {
        let headers = delivery.headers();
        let id = self.provider.delivery(headers)?.map(id_of);
        let meaning = meaning(self.provider, headers, delivery.body(), &self.wanted)?;
        Ok(match meaning {
            Meaning::Push(reason) => Verdict::Push(reason, id),
            Meaning::Nothing(reason) => Verdict::Nothing(reason),
        })
    }
}
