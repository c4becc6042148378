//! Where a repository's LFS objects are.

use crate::SecretText;

/// An LFS server, as git-lfs would find it: the batch API is at `<url>/objects/batch`.
///
/// Credentials are in the headers only.
pub struct LfsServer {
    /// The endpoint, without credentials, such as `https://host/site.git/info/lfs`; `file:///path` for a repository on this machine.
    pub url: String,
    /// Headers for requests to the endpoint; not for those to which its answers lead.
    pub headers: Vec<(String, SecretText)>,
}
