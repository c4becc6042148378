//! A daemon with a webhook and nothing else that would make it run.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use gitbarge_testkit::repository::Repository;
use gitbarge_tests::{Running, World, until};
use serde_json::Value;

use crate::forge::Delivery;

/// What the forge and the daemon share.
pub(crate) const SECRET: &str = "hush-4711-größe";

/// A world with the pipeline `site`, its repository, and the daemon.
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) repository: Repository,
    pub(crate) daemon: Running,
    pub(crate) address: SocketAddr,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) json: Value,
}

/// The file with one webhook, whose table has these keys too, and more tables.
pub(crate) fn configure(world: &World, source: &str, hook: &str, more: &str) {
    world.configure(&format!(
        r#"
        [http]
        listen = "127.0.0.1:0"
        [pipeline.site]
        ref = "main"
        [pipeline.site.source]
        {source}
        [pipeline.site.trigger.push]
        type = "webhook"
        {hook}
        [pipeline.site.sink.runner]
        type = "checkout"
        path = "{target}"
        {more}
        "#,
        target = world.path("site").display(),
    ));
}

/// The keys of a source on this machine.
pub(crate) fn local(repository: &Repository) -> String {
    format!(
        "type = \"local\"\nurl = \"{}\"",
        repository.path().display()
    )
}

/// The keys of a webhook of GitHub.
pub(crate) fn github() -> String {
    format!("provider = \"github\"\nsecret = \"{SECRET}\"")
}

impl Site {
    /// Starts it, and waits for the first run.
    pub(crate) fn start(hook: &str, more: &str) -> Self {
        let (world, repository) = (World::new(), Repository::with_one_commit());
        configure(&world, &local(&repository), hook, more);
        Self::configured(world, repository)
    }

    /// Starts what is configured, and waits for the first run.
    pub(crate) fn configured(world: World, repository: Repository) -> Self {
        let daemon = world.start(&["run"]);
        let address = address(&world, 0);
        let site = Self {
            world,
            repository,
            daemon,
            address,
        };
        site.follows();
        site
    }

    /// Reads another file. The listener stays where it is, for its key is the same.
    pub(crate) fn reload(&self, hook: &str) {
        configure(&self.world, &local(&self.repository), hook, "");
        self.daemon.signal("HUP");
    }

    /// Kills it and starts it again.
    pub(crate) fn restart(&mut self) {
        let seen = self.log().len();
        assert!(self.daemon.kill());
        self.daemon = self.world.start(&["run"]);
        self.listens_after(seen);
        self.runs_are(1);
    }

    /// Waits until a new process listens, whose log begins there.
    pub(crate) fn listens_after(&mut self, seen: usize) {
        self.address = address(&self.world, seen);
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.world.path("log")).unwrap_or_default()
    }

    pub(crate) fn push(&self, content: &str) -> String {
        let commit = self.repository.commit("main").write("file", content);
        commit.push().to_string()
    }

    /// Waits until the remote's tip is on disk.
    pub(crate) fn follows(&self) {
        let tip = self.repository.id("main").expect("it has commits");
        let head = self.world.path("site/.git/refs/heads/main");
        until("the tip is on disk", || {
            fs::read_to_string(&head).is_ok_and(|id| tip == id.trim())
        });
    }

    /// How many runs of this process have ended.
    pub(crate) fn runs(&self) -> usize {
        let lines = self.get("/metrics");
        let counted = lines
            .lines()
            .filter(|line| line.starts_with("gitbarge_runs_total{"));
        let numbers = counted.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok());
        numbers.sum()
    }

    /// Waits until so many runs have ended.
    pub(crate) fn runs_are(&self, count: usize) {
        until("the runs have ended", || self.runs() >= count);
        assert_eq!(self.runs(), count);
    }

    pub(crate) fn send(&self, delivery: &Delivery) -> Answer {
        self.send_to("/hooks/site", delivery)
    }

    pub(crate) fn send_to(&self, path: &str, delivery: &Delivery) -> Answer {
        let length = delivery.body.len();
        let lines: String = delivery
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{lines}\r\n"
        );
        self.ask(&[head.as_bytes(), &delivery.body].concat())
    }

    /// One request as it goes over the wire.
    pub(crate) fn ask(&self, request: &[u8]) -> Answer {
        let text = self.exchange(request);
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole answer");
        let json = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}"));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Answer {
            status: status.expect("a status"),
            head: head.to_lowercase(),
            json,
        }
    }

    pub(crate) fn get(&self, path: &str) -> String {
        self.exchange(
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes(),
        )
    }

    fn exchange(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        let patience = Some(Duration::from_secs(60));
        stream.set_read_timeout(patience).expect("it is not zero");
        stream.write_all(request).expect("it reads");
        let mut text = Vec::new();
        stream.read_to_end(&mut text).expect("it answers");
        String::from_utf8(text).expect("answers are text")
    }
}

/// Where the daemon listens, as its log says after the first `seen` bytes.
fn address(world: &World, seen: usize) -> SocketAddr {
    let mut found = None;
    until("it listens", || {
        let log = fs::read_to_string(world.path("log")).unwrap_or_default();
        let line = log[seen..].lines().find(|line| line.contains("Listening."));
        let word = line.and_then(|line| line.split("address=").nth(1)?.split(' ').next());
        found = word.and_then(|word| word.parse().ok());
        found.is_some()
    });
    found.expect("it was found")
}
