//! The repositories, the servers, and gitbarge between them.

use std::path::{Path, PathBuf};
use std::process::Command;

use gitbarge_testkit::repository::git;
use gitbarge_testkit::s3::{ACCESS_KEY, BUCKET, SECRET_KEY};
use tempfile::TempDir;

use super::history::{History, Size, run};
use super::servers::Servers;
use crate::bench::measure::time;
use crate::{Outcome, root, write};

/// A folder for everything that is made, and servers that show it.
pub(super) struct Lab {
    pub(super) servers: Servers,
    folder: TempDir,
}

/// What one command cost.
pub(super) struct Cost {
    pub(super) seconds: f64,
    pub(super) requests: f64,
    pub(super) bytes: f64,
}

impl Lab {
    pub(super) fn new() -> Outcome<Self> {
        let kept = kept();
        std::fs::create_dir_all(&kept)
            .map_err(|e| format!("cannot make {}: {e}", kept.display()))?;
        let folder = tempfile::tempdir_in(&kept)
            .map_err(|e| format!("cannot make a folder in {}: {e}", kept.display()))?;
        let servers = Servers::start(folder.path())?;
        Ok(Self { servers, folder })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Stock git, whatever the machine's configuration and proxies.
    pub(super) fn git(&self) -> Command {
        direct(git(self.folder.path()))
    }

    /// A repository of that size, which may grow. Generating a large one takes minutes: it is kept for the next time.
    pub(super) fn repository(&self, size: Size) -> Outcome<(PathBuf, History)> {
        let kept = kept().join(format!("{}.git", size.name));
        if !kept.exists() {
            println!("Generating a repository of {} objects …", size.objects);
            let begun = self.path("generated.git");
            History::generate(size, &begun)?;
            std::fs::rename(&begun, &kept).map_err(|e| format!("cannot keep it: {e}"))?;
        }
        let copy = self.path(&format!("{}.git", size.name));
        run(self
            .git()
            .args(["clone", "-q", "--mirror"])
            .args([&kept, &copy]))?;
        Ok((copy, History::generated(size)))
    }

    /// Where a repository is cloned from.
    pub(super) fn source(&self, size: Size) -> String {
        format!("{}/{}.git", self.servers.git, size.name)
    }

    /// `gitbarge sync` from a repository to a prefix of the bucket.
    pub(super) fn sync(&self, size: Size, prefix: &str, memory: u64) -> Outcome<Command> {
        let toml = format!(
            "[state]\ntype = \"file\"\npath = \"{state}\"\n\
             [pipeline.bench.source]\ntype = \"http\"\nurl = \"{source}\"\n\
             [pipeline.bench.sink.mirror]\ntype = \"s3\"\nurl = \"s3://{BUCKET}/{prefix}\"\n\
             endpoint = \"{s3}\"\nregion = \"us-east-1\"\nmemory = \"{memory}MiB\"\n\
             access_key_id = \"{ACCESS_KEY}\"\nsecret_access_key = \"{SECRET_KEY}\"\n",
            state = self.path(&format!("{prefix}.state")).display(),
            source = self.source(size),
            s3 = self.servers.s3,
        );
        let file = self.path(&format!("{prefix}.toml"));
        write(&file, &toml)?;
        let mut command = direct(Command::new(root().join("target/release/gitbarge")));
        command.arg("sync").arg("-c").arg(file);
        Ok(command)
    }

    /// Runs a command, and asks the object store what it was sent.
    pub(super) fn cost(&mut self, command: &mut Command) -> Outcome<Cost> {
        let before = self.servers.figures()?;
        let seconds = time(command)?;
        let after = self.servers.figures()?;
        Ok(Cost {
            seconds,
            requests: after.requests - before.requests,
            bytes: after.bytes - before.bytes,
        })
    }

    /// Runs a command twice.
    pub(super) fn cost_of_two(&mut self, command: &mut Command) -> Outcome<Cost> {
        let (first, second) = (self.cost(command)?, self.cost(command)?);
        Ok(Cost {
            seconds: first.seconds + second.seconds,
            requests: first.requests + second.requests,
            bytes: first.bytes + second.bytes,
        })
    }

    /// How long it takes to clone a mirror as anonymous readers do.
    pub(super) fn clone_mirror(&self, prefix: &str) -> Outcome<f64> {
        let url = format!("{}/{prefix}", self.servers.web);
        let took = time(self.git().args(["clone", "-q", "--mirror", &url, "clone"]))?;
        remove(&self.path("clone"))?;
        Ok(took)
    }

    /// Makes room for the next mirror.
    pub(super) fn forget(&self, prefix: &str) -> Outcome {
        remove(&self.servers.bucket.join(prefix))
    }
}

/// What is kept from one measurement to the next.
pub(super) fn kept() -> PathBuf {
    root().join("target/bench-s3")
}

pub(super) fn remove(folder: &Path) -> Outcome {
    std::fs::remove_dir_all(folder).map_err(|e| format!("cannot remove {}: {e}", folder.display()))
}

/// Without a proxy on the way.
pub(super) fn direct(mut command: Command) -> Command {
    command.envs([("NO_PROXY", "127.0.0.1"), ("no_proxy", "127.0.0.1")]);
    command
}
