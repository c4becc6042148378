//! Headers that open doors, by the server that they are for.

use gitbarge_core::{Error, ErrorKind, HostHeaders, Result, SecretText};
use gitbarge_http_client::server;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Headers for servers other than the repository's own.
#[derive(Clone, Default)]
pub(crate) struct Hosts {
    headers: Vec<(String, HeaderMap)>,
    /// Whether they may be sent so that others can read them: the repository's own are, too.
    may_be_open: bool,
}

impl Hosts {
    /// For whoever begins at a URL.
    ///
    /// # Errors
    /// `config` if a header cannot be sent.
    pub(crate) fn new(home: &Url, hosts: &[HostHeaders]) -> Result<Self> {
        let hosts = hosts.iter();
        let hosts = hosts.map(|host| Ok((host.host.clone(), headers(&host.headers)?)));
        Ok(Self {
            headers: hosts.collect::<Result<_>>()?,
            may_be_open: home.scheme() == "http",
        })
    }

    /// Those for the server of a URL; none if it is not known.
    pub(crate) fn of(&self, url: &Url) -> HeaderMap {
        if url.scheme() != "https" && !self.may_be_open {
            return HeaderMap::new();
        }
        let name = server(url);
        let mut hosts = self.headers.iter();
        let found = hosts.find(|(host, _)| *host == name);
        found
            .map(|(_, headers)| headers.clone())
            .unwrap_or_default()
    }
}

/// Headers whose values are not shown by `Debug`.
///
/// # Errors
/// `config` if one cannot be sent; it is not quoted.
pub(crate) fn headers(pairs: &[(String, SecretText)]) -> Result<HeaderMap> {
    let pairs = pairs.iter();
    let headers = pairs.map(|(name, value)| {
        header(name, value.expose_line()).ok_or_else(|| {
            let message = "a header for the LFS server cannot be sent: its name or value has characters that headers must not have";
            Error::new(ErrorKind::Config, message)
        })
    });
    headers.collect()
}

/// A header whose value is not shown by `Debug`; `None` if it cannot be sent.
pub(crate) fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = name.parse::<HeaderName>().ok()?;
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}
