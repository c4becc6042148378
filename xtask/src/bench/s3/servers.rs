//! The servers, in a process of their own: what they use is nobody's time but theirs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::{Outcome, root};

/// Git over HTTP and S3, from the crate `testkit`.
pub(super) struct Servers {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// The address of the repositories.
    pub(super) git: String,
    /// The address of the object store.
    pub(super) s3: String,
    /// The address of the bucket for anonymous readers.
    pub(super) web: String,
    /// The bucket's files.
    pub(super) bucket: PathBuf,
}

/// What the object store was sent so far.
#[derive(Clone, Copy)]
pub(super) struct Figures {
    pub(super) requests: f64,
    pub(super) bytes: f64,
}

impl Servers {
    /// Shows the repositories below a folder; temporary files lie there too.
    pub(super) fn start(folder: &Path) -> Outcome<Self> {
        let mut command = Command::new(root().join("target/release/examples/servers"));
        command.arg(folder).env("TMPDIR", folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn();
        let mut child = child.map_err(|e| format!("cannot start the servers: {e}"))?;
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        Ok(Self {
            git: line(&mut output)?,
            s3: line(&mut output)?,
            web: line(&mut output)?,
            bucket: line(&mut output)?.into(),
            input,
            output,
            child,
        })
    }

    pub(super) fn figures(&mut self) -> Outcome<Figures> {
        let input = self.input.as_mut().expect("it is there until the end");
        writeln!(input).map_err(|e| format!("the servers have ended: {e}"))?;
        let answer = line(&mut self.output)?;
        let numbers = answer.split_once(' ').and_then(|(requests, bytes)| {
            Some(Figures {
                requests: requests.parse().ok()?,
                bytes: bytes.parse().ok()?,
            })
        });
        numbers.ok_or_else(|| format!("the servers say `{answer}`"))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // They end with their input, and take their files along.
        drop(self.input.take());
        drop(self.child.wait());
    }
}

fn line(output: &mut BufReader<ChildStdout>) -> Outcome<String> {
    let mut line = String::new();
    let read = output.read_line(&mut line).map_err(|e| e.to_string())?;
    match read {
        0 => Err("the servers have ended".to_owned()),
        _ => Ok(line.trim_end().to_owned()),
    }
}
