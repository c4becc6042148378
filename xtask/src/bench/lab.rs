//! The repository, the server and the commands that are timed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gitbarge_testkit::repository::Repository;
use gitbarge_testkit::sshd::Sshd;
use serde_json::Value;
use tempfile::TempDir;

use crate::{Outcome, root, write};

/// A trigger that is seldom late.
pub(super) const POLL: &str =
    "[pipeline.bench.trigger.every]\ntype = \"poll\"\nevery = \"200ms\"\n";

/// A remote behind a loopback sshd, and a folder for everything that is made.
pub(super) struct Lab {
    remote: Repository,
    sshd: Sshd,
    folder: TempDir,
}

/// A process that ends with the measurement.
pub(super) struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Lab {
    /// A repository of so many files, 2.5 kB each on average.
    pub(super) fn new(files: usize) -> Outcome<Self> {
        let target = root().join("target");
        let folder = tempfile::tempdir_in(&target)
            .map_err(|e| format!("cannot make a folder in {}: {e}", target.display()))?;
        let remote = Repository::empty();
        let mut commit = remote.commit("main");
        for file in 0..files {
            commit = commit.write(&path(file), content(file, 0));
        }
        commit.push();
        remote.git(&["repack", "-adq"]);
        let lab = Self {
            remote,
            sshd: Sshd::start(),
            folder,
        };
        write(&lab.path("key"), &lab.sshd.client_key().private)?;
        write(&lab.path("known_hosts"), &lab.sshd.known_hosts())?;
        restrict(&lab.path("key"))?;
        Ok(lab)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn url(&self) -> String {
        self.sshd.url(self.remote.path())
    }

    /// Writes the configuration of a checkout of that name; `more` are further tables.
    pub(super) fn configure(&self, name: &str, more: &str) -> Outcome {
        let toml = format!(
            "[state]\ntype = \"file\"\npath = \"{state}\"\n\
             [pipeline.bench]\nref = \"main\"\n\
             [pipeline.bench.source]\ntype = \"ssh\"\nurl = \"{url}\"\nkey = {{ file = \"{key}\" }}\n\
             [pipeline.bench.sink.checkout]\ntype = \"checkout\"\npath = \"{path}\"\n{more}",
            state = self.path(&format!("{name}.state")).display(),
            url = self.url(),
            key = self.path("key").display(),
            path = self.path(name).display(),
        );
        write(&self.path(&format!("{name}.toml")), &toml)
    }

    pub(super) fn sync(&self, name: &str) -> Command {
        self.gitbarge(&["sync"], name)
    }

    fn gitbarge(&self, arguments: &[&str], name: &str) -> Command {
        let mut command = Command::new(root().join("target/release/gitbarge"));
        command
            .args(arguments)
            .arg("-c")
            .arg(self.path(&format!("{name}.toml")));
        command
    }

    fn git(&self) -> Command {
        let mut command = gitbarge_testkit::repository::git(self.folder.path());
        let ssh = format!(
            "ssh -F /dev/null -i {} -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile={}",
            self.path("key").display(),
            self.path("known_hosts").display()
        );
        command.env("GIT_SSH_COMMAND", ssh);
        command
    }

    pub(super) fn ls_remote(&self) -> Command {
        let mut command = self.git();
        command.args(["ls-remote", &self.url(), "refs/heads/main"]);
        command
    }

    pub(super) fn git_clone(&self, name: &str) -> Command {
        let mut command = self.git();
        command.args(["clone", "-q", &self.url(), name]);
        command
    }

    pub(super) fn git_update(&self, name: &str) -> Command {
        let mut command = Command::new("sh");
        let git = self.git();
        command.envs(
            git.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let script = "git fetch -q && git reset -q --hard origin/main && git clean -qfd";
        command.current_dir(self.path(name)).args(["-c", script]);
        command
    }

    /// Pushes a change, which [`Self::has_change`] looks for.
    pub(super) fn change_one_file(&self, round: usize) -> Outcome {
        self.remote
            .commit("main")
            .write(&path(0), content(0, round + 1))
            .push();
        Ok(())
    }

    /// Whether a checkout has a change.
    pub(super) fn has_change(&self, name: &str, round: usize) -> bool {
        let file = self.path(name).join(path(0));
        fs::read_to_string(file).is_ok_and(|text| text == content(0, round + 1))
    }

    /// Starts the daemon on a checkout that is equal to the remote.
    pub(super) fn daemon(&self, name: &str) -> Outcome<Daemon> {
        let mut command = self.gitbarge(&["run"], name);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        child
            .map(Daemon)
            .map_err(|e| format!("cannot start the daemon: {e}"))
    }

    /// The durations of the daemon's last runs, as it reports them; waits until there are enough.
    pub(super) fn unchanged_runs(&self, name: &str, wanted: usize) -> Outcome<Vec<f64>> {
        let until = Instant::now() + Duration::from_secs(60);
        let mut seen = std::collections::BTreeMap::new();
        while Instant::now() < until {
            let output = self
                .gitbarge(&["history", "bench", "--json"], name)
                .output();
            let output = output.map_err(|e| format!("cannot ask for the history: {e}"))?;
            let runs: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_default();
            // The newest come first; those of `sync` before them have cost a connection each.
            for run in runs
                .iter()
                .take(wanted)
                .filter(|run| run["status"] == "unchanged")
            {
                if let Some(took) = run["duration_ms"].as_f64() {
                    seen.insert(run["started_at"].to_string(), took / 1000.0);
                }
            }
            if seen.len() >= wanted * 3 {
                return Ok(seen.into_values().rev().take(wanted).collect());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Err("the daemon has not run often enough in a minute".to_owned())
    }
}

fn path(file: usize) -> String {
    format!(
        "package{:03}/folder{}/file{:03}.txt",
        file / 100,
        file % 10,
        file % 100
    )
}

/// Text of 200 to 4,800 bytes that compresses about as well as source code, and is the same in every run.
fn content(file: usize, round: usize) -> String {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul((file + 1) as u64);
    let mut text = format!("{file} {round}\n");
    let length = 200 + (file * 7919) % 4600;
    while text.len() < length {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let letter = (random >> 58) as u8;
        text.push(if letter.is_multiple_of(7) {
            ' '
        } else {
            char::from(b'a' + letter % 26)
        });
    }
    text
}

fn restrict(key: &Path) -> Outcome {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(key, fs::Permissions::from_mode(0o600))
        .map_err(|e| format!("cannot protect the key: {e}"))
}
