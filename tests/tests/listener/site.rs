//! A daemon that listens, with one pipeline, and HTTP/1 by hand.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use gitbarge_testkit::repository::Repository;
use gitbarge_tests::{Running, World, until};
use serde_json::Value;

/// A world with the pipeline `site`, which polls, and its repository.
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) repository: Repository,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self {
            world: World::new(),
            repository: Repository::with_one_commit(),
        }
    }

    /// Writes a file with these keys of `[http]`, none of them for no listener, and more keys of the pipeline.
    pub(crate) fn configure(&self, http: &str, pipeline: &str) {
        let http = match http {
            "" => String::new(),
            keys => format!("[http]\n{keys}\n"),
        };
        self.world.configure(&format!(
            r#"
            {http}
            [pipeline.site]
            {pipeline}
            [pipeline.site.source]
            type = "local"
            url = "{source}"
            [pipeline.site.trigger.clock]
            type = "poll"
            every = "200ms"
            [pipeline.site.sink.runner]
            type = "checkout"
            path = "{target}"
            "#,
            source = self.repository.path().display(),
            target = self.world.path("site").display(),
        ));
    }

    /// Starts the daemon, and waits until it listens; the port is the system's choice.
    pub(crate) fn start(&self, http: &str, pipeline: &str) -> (Running, SocketAddr) {
        self.configure(&format!("listen = \"127.0.0.1:0\"\n{http}"), pipeline);
        let daemon = self.world.start(&["run"]);
        (daemon, self.address(0))
    }

    /// Where it listens, as its log has said for the last time after the first `seen` bytes.
    pub(crate) fn address(&self, seen: usize) -> SocketAddr {
        let mut found = None;
        until("it listens", || {
            let log = self.log();
            let mut lines = log[seen..].lines().rev();
            let line = lines.find(|line| line.contains("Listening."));
            found = line.and_then(|line| {
                line.split("address=")
                    .nth(1)?
                    .split(' ')
                    .next()?
                    .parse()
                    .ok()
            });
            found.is_some()
        });
        found.expect("it was found")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.world.path("log")).unwrap_or_default()
    }
}

/// One request, over a connection of its own; `None` if the connection ends without an answer.
pub(crate) fn try_ask(address: SocketAddr, request: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text).ok()?;
    let text = String::from_utf8(text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some(Answer {
        status: head.split(' ').nth(1)?.parse().ok()?,
        head: head.to_lowercase(),
        body: body.to_owned(),
    })
}

/// One request with more header lines.
pub(crate) fn ask(address: SocketAddr, method: &str, path: &str, headers: &[&str]) -> Answer {
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n");
    try_ask(address, &request).expect("an answer")
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path, &[])
}

/// Waits until a path answers with a status.
pub(crate) fn answers(address: SocketAddr, path: &str, status: u16) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    until(&format!("{path} is {status}"), || {
        try_ask(address, &request).is_some_and(|answer| answer.status == status)
    });
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
