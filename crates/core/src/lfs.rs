//! Where a repository's LFS objects are.

use crate::{Network, SecretText};

/// An LFS server, as git-lfs would find it: the batch API is at `<url>/objects/batch`.
///
/// Credentials are in the headers only.
pub struct LfsServer {
    /// The endpoint, without credentials, such as `https://host/site.git/info/lfs`; `file:///path` for a repository on this machine.
    pub url: String,
    /// Headers for requests to the endpoint; not for those to which its answers lead.
    pub headers: Vec<(String, SecretText)>,
    /// How it is reached, and every server that its answers lead to.
    pub network: Network,
    /// Headers for other servers, to which its answers may lead.
    pub hosts: Vec<HostHeaders>,
}

/// Headers for requests to one server.
pub struct HostHeaders {
    /// Its name, and its port if that is not the scheme's own, such as `lfs.example.org` or `lfs.example.org:8443`.
    pub host: String,
    /// The headers.
    pub headers: Vec<(String, SecretText)>,
}

impl LfsServer {
    /// A server that is reached in the system's own way.
    pub fn new(url: impl Into<String>, headers: Vec<(String, SecretText)>) -> Self {
        Self {
            url: url.into(),
            headers,
            network: Network::default(),
            hosts: Vec::new(),
        }
    }
}
