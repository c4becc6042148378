//! Fetches a repository over SSH, in process, into a folder:
//! `cargo run -p gitbarge-transport-ssh --example fetch -- git@host:repo.git DIR`.
//!
//! The private key is read from the variable `SSH_KEY`, or else from `~/.ssh/id_ed25519`.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::path::PathBuf;
use std::sync::Arc;

use gitbarge_core::{Error, ErrorKind, FetchOptions, Objects as _, Result, Run, Secret, Source};
use gitbarge_git::remote::Remote;
use gitbarge_git::{refs, repository};
use gitbarge_transport_ssh::{SshConfig, SshSource};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err(Error::new(ErrorKind::Config, "usage: fetch URL DIR"));
    };
    let source = SshSource::new(SshConfig::new(url, key()))
        .map_err(|problems| Error::new(ErrorKind::Config, problems[0].to_string()))?;
    let source: Arc<dyn Source> = Arc::new(source);
    let run = Run::standalone("fetch");

    let remote = Remote::open(&source, None, &run).await?;
    let target = remote.resolve()?;
    let branch = target.branch().unwrap_or("refs/heads/main").to_owned();
    let folder = PathBuf::from(folder);
    let local = if folder.join(".git").exists() {
        repository::open(&folder)?
    } else {
        std::fs::create_dir_all(&folder).map_err(|e| Error::io("cannot make the folder", e))?;
        repository::init(&folder, &branch, &source.address())?
    };
    remote
        .fetch_into(local.git_dir(), &target, FetchOptions::default(), &run)
        .await?;
    refs::set(&local, &branch, target.commit, "fetch")?;
    println!("{} {branch}", target.commit);
    Ok(())
}

fn key() -> Secret {
    match std::env::var_os("SSH_KEY") {
        Some(_) => Secret::env("SSH_KEY"),
        None => {
            let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
            Secret::file(home.join(".ssh/id_ed25519"))
        }
    }
}
