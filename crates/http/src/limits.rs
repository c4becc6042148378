//! What senders may make the listener spend.

use std::time::Duration;

use rustix::process::{Resource, getrlimit};

/// What senders may make the listener spend.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How many connections may be open; more wait until one has ended.
    pub connections: usize,
    /// How many of them one address may have; more are closed at once. An IPv6 network of 64 bits counts as one address.
    pub connections_of_one: usize,
    /// How long the first request's head may take, a TLS handshake included.
    pub first_request: Duration,
    /// How long a connection may stay open between two requests, the next one's head included.
    pub idle: Duration,
    /// The same for both while no more connections can be taken.
    pub idle_when_full: Duration,
    /// The largest head of a request, in bytes.
    pub head: usize,
    /// How many header lines it may have.
    pub header_lines: usize,
    /// How many requests one HTTP/2 connection may have open.
    pub streams: u32,
    /// How long a body may take altogether.
    pub body: Duration,
    /// How long a body may pause.
    pub body_pause: Duration,
    /// How much all bodies that are held may have together, in bytes.
    pub bodies: u64,
    /// How much of it the bodies of one sender may have, in bytes.
    pub bodies_of_one: u64,
    /// How long an endpoint may take to answer.
    pub answer: Duration,
    /// How long the state store and the file of a secret may take.
    pub store: Duration,
}

impl Default for Limits {
    /// Those of the daemon: half of the files that the process may open, and at most 1024 connections.
    fn default() -> Self {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let connections = usize::try_from(files / 2).unwrap_or(usize::MAX);
        let connections = connections.clamp(8, 1024);
        Self {
            connections,
            connections_of_one: connections / 2,
            first_request: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            idle_when_full: Duration::from_secs(1),
            head: 64 << 10,
            header_lines: 100,
            streams: 32,
            body: Duration::from_secs(60),
            body_pause: Duration::from_secs(10),
            bodies: 64 << 20,
            bodies_of_one: 56 << 20,
            answer: Duration::from_secs(1),
            store: Duration::from_millis(80),
        }
    }
}
