//! Objects are brought whole from a server, or not at all, and nothing secret goes astray.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod batches;
mod credentials;
mod folders;
mod streams;
mod ways;

use std::time::Duration;

use gitbarge_core::{Error, ErrorKind, LfsServer, Result, Run};
use gitbarge_lfs::{Client, Download, Object};
use gitbarge_testkit::lfs::{CREDENTIALS, LfsHost, TICKET};

/// Longer than a test takes that does not wait for it.
const LONG: Duration = Duration::from_secs(60);

/// A host with one object, and a client for it.
struct Lab {
    host: LfsHost,
    client: Client,
    object: Object,
    content: Vec<u8>,
    run: Run,
}

impl Lab {
    async fn new() -> Self {
        let host = LfsHost::start().await;
        let content: Vec<u8> = (0..200_000_u32).map(|n| (n % 253) as u8).collect();
        let object = add(&host, &content);
        Self {
            client: client(host.server()),
            host,
            object,
            content,
            run: Run::standalone("lfs"),
        }
    }

    async fn offer(&self) -> Result<Download> {
        let offers = self.client.batch(&[self.object], &self.run).await?;
        offers.into_iter().next().unwrap()
    }

    /// Asks, downloads and reads to the end.
    async fn bring(&self) -> Result<Vec<u8>> {
        self.read(&self.offer().await?).await
    }

    async fn read(&self, download: &Download) -> Result<Vec<u8>> {
        read(&self.client, download, &self.run).await
    }

    /// Brings what cannot be brought whole, and returns why. The last bytes must not come.
    async fn failure(&self) -> Error {
        let error = self.bring().await.unwrap_err();
        let shown = format!("{error:?} {:?}", error.failure());
        for secret in [CREDENTIALS, &CREDENTIALS[6..], TICKET] {
            assert!(!shown.contains(secret), "{shown}");
        }
        error
    }
}

fn client(server: LfsServer) -> Client {
    Client::new(server, LONG, LONG).unwrap()
}

fn impatient(server: LfsServer) -> Client {
    Client::new(server, LONG, Duration::from_millis(200)).unwrap()
}

fn add(host: &LfsHost, content: &[u8]) -> Object {
    let oid = host.add(content.to_vec());
    let size = content.len() as u64;
    Object { oid, size }
}

async fn read(client: &Client, download: &Download, run: &Run) -> Result<Vec<u8>> {
    let size = usize::try_from(download.object().size).unwrap();
    let mut stream = client.download(download, run).await?;
    let mut content = Vec::new();
    loop {
        match stream.next().await {
            Ok(Some(bytes)) => content.extend_from_slice(&bytes),
            Ok(None) => return Ok(content),
            Err(error) => {
                assert!(
                    content.len() < size.max(1),
                    "the last bytes of a bad object were handed out"
                );
                let again = stream.next().await.unwrap_err();
                assert_eq!(again.kind(), ErrorKind::Internal);
                return Err(error);
            }
        }
    }
}
