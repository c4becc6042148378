//! A forge's end of one connection.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::hmac;

use crate::Outcome;

pub(super) const PATH: &str = "/hooks/bench";
pub(super) const SECRET: &str = "of the bench only";
/// What GitHub sends for a push of a few commits, in bytes.
const USUAL: usize = 7_000;

static DELIVERIES: AtomicU64 = AtomicU64::new(1);

/// The body of a push, and its signature.
static PUSH: LazyLock<(String, String)> = LazyLock::new(|| {
    let body = format!(
        r#"{{"ref":"refs/heads/main","before":"{}","after":"{}","deleted":false,"commits":[{{"message":"{}"}}]}}"#,
        "1".repeat(40),
        "2".repeat(40),
        "x".repeat(USUAL)
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = hmac::sign(&key, body.as_bytes());
    let hex = tag.as_ref().iter().map(|byte| format!("{byte:02x}"));
    let signature = hex.collect();
    (body, signature)
});

/// One connection, which stays open.
pub(super) struct Sender {
    socket: BufReader<TcpStream>,
    /// The request, and a line of the answer.
    text: String,
}

impl Sender {
    pub(super) fn connect(address: SocketAddr) -> Outcome<Self> {
        let told = |e| format!("cannot connect to {address}: {e}");
        let socket = TcpStream::connect(address).map_err(told)?;
        socket.set_nodelay(true).map_err(told)?;
        let patience = Some(Duration::from_secs(10));
        socket.set_read_timeout(patience).map_err(told)?;
        Ok(Self {
            socket: BufReader::new(socket),
            text: String::new(),
        })
    }

    /// Delivers a push, as GitHub does, and waits until it is accepted.
    pub(super) fn deliver(&mut self) -> Outcome {
        let (body, signature) = &*PUSH;
        let id = DELIVERIES.fetch_add(1, Ordering::Relaxed);
        let request = format!(
            "POST {PATH} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
             X-GitHub-Event: push\r\nX-GitHub-Delivery: {id:032x}\r\n\
             X-Hub-Signature-256: sha256={signature}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answered = self
            .socket
            .get_mut()
            .write_all(request.as_bytes())
            .and_then(|()| self.status());
        match answered {
            Ok(202) => Ok(()),
            Ok(status) => Err(format!("a delivery was answered by {status}")),
            Err(e) => Err(format!("a delivery was not answered: {e}")),
        }
    }

    /// Reads an answer to its end.
    fn status(&mut self) -> std::io::Result<u16> {
        let (mut status, mut length) = (0, 0);
        loop {
            self.text.clear();
            self.socket.read_line(&mut self.text)?;
            let line = self.text.trim_end();
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest
                    .split(' ')
                    .next()
                    .and_then(|code| code.parse().ok())
                    .unwrap_or(0);
            } else if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.parse().unwrap_or(0);
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = self.socket.by_ref().take(length);
        std::io::copy(&mut body, &mut std::io::sink())?;
        Ok(status)
    }
}
