//! A standalone transfer agent for git-lfs that reads a mirror: `agent https://bucket.example/site`.
//!
//! git-lfs starts it; the README says how to tell it so.

use std::path::PathBuf;

use gitbarge_core::{Error, ErrorKind, Result, Run};
use gitbarge_lfs::agent;
use tokio::io::{BufReader, stdin, stdout};

#[tokio::main]
async fn main() -> Result<()> {
    let base_url = std::env::args().nth(1);
    let base_url =
        base_url.ok_or_else(|| Error::new(ErrorKind::Config, "usage: agent MIRROR_URL"))?;
    let here = std::env::current_dir().map_err(|e| Error::io("there is no working folder", e))?;
    let git_dir = std::env::var_os("GIT_DIR").map(PathBuf::from);
    let folder = agent::folder(&here, git_dir.as_deref())?;
    let run = Run::standalone("lfs-agent");
    agent::serve(&base_url, &folder, BufReader::new(stdin()), stdout(), &run).await
}
