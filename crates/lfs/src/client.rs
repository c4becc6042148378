//! Asks for objects, and brings them.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use gitbarge_core::{Error, ErrorKind, LfsServer, Result, Run};
use reqwest::Url;

use crate::download::Place;
use crate::server::Server;
use crate::{Download, Object, ObjectStream, folder};

/// Brings the LFS objects of one repository.
pub struct Client {
    home: Home,
}

enum Home {
    Server(Box<Server>),
    /// The folder that has `lfs/objects`.
    Folder(PathBuf),
}

impl Client {
    /// For one server; touches neither network nor files.
    ///
    /// `connect_timeout` is for one connection, with its TLS; `idle_timeout` is how long the server may say nothing.
    ///
    /// # Errors
    /// `config` if the address is not one of `http`, `https` or `file`, or a header cannot be sent.
    pub fn new(
        server: LfsServer,
        connect_timeout: Duration,
        idle_timeout: Duration,
    ) -> Result<Self> {
        let url = Url::parse(&server.url).ok();
        let home = match url.as_ref().map(Url::scheme) {
            Some("http" | "https") => {
                let url = url.expect("it has a scheme");
                let server = Server::new(url, server, connect_timeout, idle_timeout)?;
                Home::Server(Box::new(server))
            }
            Some("file") => Home::Folder(folder::of_url(&server.url)?),
            _ => {
                let message = "the LFS server's address is no `http`, `https` or `file` URL";
                return Err(Error::new(ErrorKind::Config, message));
            }
        };
        Ok(Self { home })
    }

    /// Says which ref the objects belong to: some servers grant access by it.
    #[must_use]
    pub fn for_ref(mut self, name: &str) -> Self {
        if let Home::Server(server) = &mut self.home {
            server.reference = Some(name.to_owned());
        }
        self
    }

    /// Asks where objects can be had, 100 with each request. The answers are in the order of the objects.
    ///
    /// # Errors
    /// Of the whole: `remote_missing` if the server has no LFS, `auth_failed`, `unreachable`, `timeout`, `protocol`,
    /// `cancelled`. Of one object: `remote_missing`, naming it, and the same. Cancel safe.
    pub async fn batch(&self, objects: &[Object], run: &Run) -> Result<Vec<Result<Download>>> {
        match &self.home {
            Home::Server(server) => server.batch(objects, run).await,
            Home::Folder(path) => folder::batch(path.clone(), objects, run).await,
        }
    }

    /// Begins to bring one object. If what the server said about it has expired, it is asked again.
    ///
    /// # Errors
    /// `remote_missing`, naming the object; `corrupt` if it has not the size that its pointer says; `auth_failed`,
    /// `unreachable`, `timeout`, `protocol`, `cancelled`. Later ones are errors of the stream. Cancel safe.
    pub async fn download(&self, download: &Download, run: &Run) -> Result<ObjectStream> {
        match (&download.place, &self.home) {
            (Place::File(path), _) => folder::open(path, download.object, run).await,
            (Place::Href(action), Home::Server(server)) => {
                server.download(download.object, action, run).await
            }
            (Place::Href(_), Home::Folder(_)) => {
                let message = "the download was offered to another client";
                Err(Error::new(ErrorKind::Internal, message))
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Client");
        match &self.home {
            Home::Server(server) => shown.field("server", &server.name()),
            Home::Folder(path) => shown.field("folder", path),
        };
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use gitbarge_core::Secret;

    use super::*;

    fn client(url: &str, header: (&str, &str)) -> Result<Client> {
        let value = Secret::literal(header.1).read()?;
        let server = LfsServer::new(url, vec![(header.0.to_owned(), value)]);
        Client::new(server, Duration::from_secs(1), Duration::from_secs(1))
    }

    #[test]
    fn other_addresses_and_impossible_headers_are_refused_without_quoting_them() {
        let good = ("Authorization", "Basic hush");
        for (url, header) in [
            ("ssh://hush@host/x", good),
            ("host/hush", good),
            ("", good),
            ("file://host/hush", good),
            ("https://host/x", ("Authorization", "hush\nX: y")),
            ("https://host/x", ("Bad name", "hush")),
        ] {
            let error = client(url, header).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            let shown = format!("{error:?} {}", error.failure().message);
            assert!(!shown.contains("hush"), "{shown}");
        }
    }

    #[test]
    fn a_client_does_not_show_its_headers() {
        let client = client("https://me:hush@host/x", ("Authorization", "Basic hush")).unwrap();
        let shown = format!("{client:?}");
        assert!(
            shown.contains("`host`") && !shown.contains("hush"),
            "{shown}"
        );
    }
}
