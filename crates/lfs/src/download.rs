//! Where an object can be had.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use gitbarge_core::{Error, ErrorKind, Result};
use reqwest::Url;
use reqwest::header::HeaderMap;

use crate::Object;
use crate::hosts::header;

/// What expires within this is not begun with.
const MARGIN: Duration = Duration::from_secs(5);

/// An object that the server has, and the way to it.
///
/// The way may hold credentials: `Debug` shows the object only.
#[derive(Clone)]
pub struct Download {
    pub(crate) object: Object,
    pub(crate) place: Place,
}

#[derive(Clone)]
pub(crate) enum Place {
    Href(Action),
    File(PathBuf),
}

/// A request that the server offers.
#[derive(Clone)]
pub(crate) struct Action {
    pub(crate) href: Url,
    pub(crate) headers: HeaderMap,
    /// Whether it needs nothing besides its own headers.
    pub(crate) authenticated: bool,
    pub(crate) expires: Option<SystemTime>,
}

impl Download {
    /// The object that it brings.
    pub fn object(&self) -> Object {
        self.object
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("oid", &self.object.hex())
            .field("size", &self.object.size)
            .finish_non_exhaustive()
    }
}

impl Action {
    /// Checks the address that a server offers: whole, and of the web.
    ///
    /// # Errors
    /// `protocol`.
    pub(crate) fn to(href: &str) -> Result<Self> {
        let usable = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        let href = Url::parse(href).ok().filter(usable).ok_or_else(|| {
            let message = "the LFS server offers a download whose address is no http(s) URL";
            Error::new(ErrorKind::Protocol, message)
        })?;
        Ok(Self {
            href,
            headers: HeaderMap::new(),
            authenticated: false,
            expires: None,
        })
    }

    /// Adds a header to send with it.
    ///
    /// # Errors
    /// `protocol` if it cannot be sent; its value is not quoted.
    pub(crate) fn add_header(&mut self, name: &str, value: &str) -> Result<()> {
        let (name, value) = header(name, value).ok_or_else(|| {
            let message = "the LFS server offers a download with a header that cannot be sent";
            Error::new(ErrorKind::Protocol, message)
        })?;
        self.headers.insert(name, value);
        Ok(())
    }

    pub(crate) fn has_expired(&self) -> bool {
        self.expires
            .is_some_and(|expires| expires <= SystemTime::now() + MARGIN)
    }
}
