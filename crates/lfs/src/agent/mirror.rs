//! Where the objects of a mirror are.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use gitbarge_core::{Error, ErrorKind, Network, Result, Run};
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};

use crate::hosts::Hosts;
use crate::http::{Http, Request};
use crate::{Object, ObjectStream, folder, server};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// A mirror that is read.
pub(super) enum Mirror {
    Web { base: Url, http: Box<Http> },
    Folder(PathBuf),
}

impl Mirror {
    /// # Errors
    /// `config` if the address is not one of `http`, `https` or `file`.
    pub(super) fn new(base_url: &str) -> Result<Self> {
        let base = Url::parse(base_url).ok();
        match base.as_ref().map(Url::scheme) {
            Some("http" | "https") => Ok(Self::Web {
                base: base.expect("it has a scheme"),
                http: Box::new(Http::new(
                    Network::default(),
                    Hosts::default(),
                    CONNECT_TIMEOUT,
                    IDLE_TIMEOUT,
                )),
            }),
            Some("file") => Ok(Self::Folder(folder::of_url(base_url)?)),
            _ => {
                let message = "the mirror's address is no `http`, `https` or `file` URL";
                Err(Error::new(ErrorKind::Config, message))
            }
        }
    }

    /// Begins to read an object.
    ///
    /// # Errors
    /// Those of [`crate::Client::download`].
    pub(super) async fn open(&self, object: Object, run: &Run) -> Result<ObjectStream> {
        let (base, http) = match self {
            Self::Folder(path) => {
                return folder::open(&path.join(object.path()), object, run).await;
            }
            Self::Web { base, http } => (base, http),
        };
        let request = Request {
            method: Method::GET,
            url: below(base, object),
            headers: HeaderMap::new(),
            credentials: HeaderMap::new(),
            body: Bytes::new(),
        };
        let opened = server::get(http, &request, object, run).await;
        opened.map_err(|error| match error.kind() {
            ErrorKind::AuthFailed => error.with_hint(
                "a bucket whose readers may not list it answers so for objects that are missing, too",
            ),
            ErrorKind::RemoteMissing => {
                error.with_hint("the mirror does not have the object: check its `lfs` setting and its last run")
            }
            _ => error,
        })
    }
}

/// What authorises may stand in the base's user info or query, which stay.
fn below(base: &Url, object: Object) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(object.path().split('/'));
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_below_the_base() {
        let object = Object {
            oid: [0xab; 32],
            size: 1,
        };
        let name = "ab".repeat(32);
        for (base, url) in [
            (
                "https://h/site",
                format!("https://h/site/lfs/objects/ab/ab/{name}"),
            ),
            (
                "https://h/site/",
                format!("https://h/site/lfs/objects/ab/ab/{name}"),
            ),
            ("https://h", format!("https://h/lfs/objects/ab/ab/{name}")),
            (
                "https://h/s?sig=1",
                format!("https://h/s/lfs/objects/ab/ab/{name}?sig=1"),
            ),
        ] {
            assert_eq!(below(&Url::parse(base).unwrap(), object).as_str(), url);
        }
    }

    #[test]
    fn other_addresses_are_refused_without_quoting_them() {
        for url in ["", "s3://hush", "hush", "file://hush/x"] {
            let error = Mirror::new(url).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }
}
