//! HTTP/1 by hand.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::lab::PATIENCE;

/// A connection.
pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("it listens");
        Self {
            stream,
            read: Vec::new(),
        }
    }

    /// Connects from another address of this machine.
    pub(crate) async fn from(own: IpAddr, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((own, 0).into()).unwrap();
        let stream = socket.connect(address).await.expect("it listens");
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// A whole request, and its answer.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n");
        if !body.is_empty() || method == "POST" {
            let length = body.len().to_string();
            head.extend(["Content-Length: ", &length, "\r\n"]);
        }
        for (name, value) in headers {
            head.extend([*name, ": ", *value, "\r\n"]);
        }
        let request = [head.as_bytes(), b"\r\n", body].concat();
        self.send(request).await;
        self.answer_to(method).await
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        self.answer_to("GET").await
    }

    async fn answer_to(&mut self, method: &str) -> Answer {
        let answer = self.try_answer(method).await;
        answer.expect("an answer, not the connection's end")
    }

    /// The next answer; `None` if the connection ends before it.
    pub(crate) async fn try_answer(&mut self, method: &str) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more().await {
                return None;
            }
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_lowercase(), value.trim().to_owned()))
        });
        let headers: BTreeMap<_, _> = headers.collect();
        let length = headers
            .get("content-length")
            .map(|text| text.parse().unwrap());
        let length: usize = if method == "HEAD" {
            0
        } else {
            length.unwrap_or(0)
        };
        while self.read.len() < length {
            assert!(self.more().await, "the body ends early");
        }
        let body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        Some(Answer {
            status,
            headers,
            body,
        })
    }

    async fn more(&mut self) -> bool {
        let mut buffer = vec![0; 65536];
        let read = timeout(PATIENCE, self.stream.read(&mut buffer)).await;
        let count = read.expect("something within the patience").unwrap_or(0);
        self.read.extend_from_slice(&buffer[..count]);
        count > 0
    }

    /// Waits until the other end closes; what comes before is thrown away.
    pub(crate) async fn closed(&mut self) {
        while self.more().await {}
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Asserts that nothing was done, and that the answer says why.
    pub(crate) fn assert_refused(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        let reply = self.json();
        assert_eq!(reply["accepted"], false);
        assert!(reply["run"].is_null());
        assert!(!reply["reason"].as_str().unwrap().is_empty());
    }

    pub(crate) fn assert_accepted(&self) {
        assert_eq!(self.status, 202, "{self:?}");
        let reply = self.json();
        assert_eq!(reply["accepted"], true);
        assert!(!reply["run"].as_str().unwrap().is_empty());
    }
}
