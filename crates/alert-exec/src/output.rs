//! What the command says: read as it comes, of which the end is kept.

use std::collections::VecDeque;
use std::io::{self, PipeWriter};
use std::os::fd::OwnedFd;

use gitbarge_core::redact::{redact, shorten};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use zeroize::Zeroizing;

/// How much of it is kept, in bytes.
const MOST_KEPT: usize = 8 << 10;
/// How much of that is shown.
const MOST_LINES: usize = 10;
const MOST_CHARACTERS: usize = 1_000;
/// Shorter secrets would tear words apart that merely look like them.
const SHORTEST_SECRET: usize = 4;

/// The command's standard output and standard error, in the order in which it writes them.
pub(crate) struct Output {
    pipe: Receiver,
    buffer: Vec<u8>,
    end: VecDeque<u8>,
}

impl Output {
    /// A pipe: what writes, once for each of both, and what reads.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn new() -> io::Result<(Self, PipeWriter, PipeWriter)> {
        let (reader, writer) = io::pipe()?;
        let output = Self {
            pipe: Receiver::from_owned_fd(OwnedFd::from(reader))?,
            buffer: vec![0; 16 << 10],
            end: VecDeque::with_capacity(MOST_KEPT),
        };
        Ok((output, writer.try_clone()?, writer))
    }

    /// Reads the next part; false at the end. Cancel safe.
    pub(crate) async fn next(&mut self) -> bool {
        let Ok(count @ 1..) = self.pipe.read(&mut self.buffer).await else {
            return false;
        };
        let part = &self.buffer[..count];
        let part = &part[count.saturating_sub(MOST_KEPT)..];
        let surplus = (self.end.len() + part.len()).saturating_sub(MOST_KEPT);
        self.end.drain(..surplus);
        self.end.extend(part);
        true
    }

    /// The last lines, fit to be shown: without these secrets.
    pub(crate) fn last_lines(&self, secrets: &[(String, Zeroizing<String>)]) -> String {
        let bytes: Vec<u8> = self.end.iter().copied().collect();
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        for (_, secret) in secrets {
            for line in secret.lines().filter(|line| line.len() >= SHORTEST_SECRET) {
                text = text.replace(line, "[redacted]");
            }
        }
        let text = redact(&text);
        let mut lines: Vec<&str> = text
            .lines()
            .rev()
            .filter(|line| !line.trim().is_empty())
            .take(MOST_LINES)
            .collect();
        lines.reverse();
        shorten(&lines.join("\n"), MOST_CHARACTERS)
    }
}
