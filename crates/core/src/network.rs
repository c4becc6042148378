//! How servers are reached, where that is not the system's own way.

use bytes::Bytes;

use crate::SecretText;

/// How the servers of a source are reached, beyond what the system says. The default is the system's own way.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// Certificates in PEM that are trusted besides the system's.
    pub ca: Option<Bytes>,
    /// A certificate, with its chain, and its private key, in PEM: shown to servers that ask for one.
    pub identity: Option<SecretText>,
    /// The proxy for all connections; those of the environment do not count then.
    pub proxy: Option<HttpProxy>,
}

/// An HTTP proxy.
#[derive(Debug, Clone)]
pub struct HttpProxy {
    /// Its `http` or `https` URL, without user info.
    pub url: String,
    /// The value of `Proxy-Authorization`.
    pub authorization: Option<SecretText>,
}

impl Network {
    /// Whether both lead to the same connections.
    pub fn is_same(&self, other: &Self) -> bool {
        self.ca == other.ca
            && text(self.identity.as_ref()) == text(other.identity.as_ref())
            && self.proxy.as_ref().map(HttpProxy::texts)
                == other.proxy.as_ref().map(HttpProxy::texts)
    }
}

impl HttpProxy {
    fn texts(&self) -> (&str, Option<&str>) {
        (&self.url, text(self.authorization.as_ref()))
    }
}

fn text(secret: Option<&SecretText>) -> Option<&str> {
    secret.map(SecretText::expose)
}
