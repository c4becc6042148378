//! A world for end-to-end tests: the built binary, a home of its own, and stock git to judge what it did.

pub mod ssh;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use gitbarge_testkit::repository::{Repository, git, printed};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything that a test waits for may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Folders and a configuration file for one test, removed at its end.
pub struct World {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// What one call of the binary gave.
pub struct Outcome {
    /// The exit code; -1 after a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl World {
    /// An empty world.
    ///
    /// # Panics
    /// If the temporary folder cannot be made.
    #[expect(clippy::new_without_default, reason = "it makes folders")]
    pub fn new() -> Self {
        let world = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            variables: Vec::new(),
        };
        for folder in ["home", "tmp", "work"] {
            fs::create_dir(world.path(folder)).expect("the folder is empty");
        }
        world
    }

    /// A path in this world.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sets a variable for the binary.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.push((name.to_owned(), value.into()));
    }

    /// The tables of a pipeline that checks a repository of this machine out at the path of its name; `keys` are more of its keys.
    pub fn pipeline(&self, name: &str, repository: &Repository, keys: &str) -> String {
        format!(
            r#"
            [pipeline.{name}]
            {keys}
            [pipeline.{name}.source]
            type = "local"
            url = "{source}"
            [pipeline.{name}.sink.runner]
            type = "checkout"
            path = "{target}"
            "#,
            source = repository.path().display(),
            target = self.path(name).display(),
        )
    }

    /// Writes the configuration file; the state lies in this world.
    ///
    /// # Panics
    /// If the disk is full.
    pub fn configure(&self, toml: &str) {
        let state = self.path("state");
        let text = format!(
            "[state]\ntype = \"file\"\npath = \"{}\"\n{toml}",
            state.display()
        );
        fs::write(self.path("gitbarge.toml"), text).expect("room on the disk");
    }

    /// The binary, with arguments, in this world.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .arg("-c")
            .arg(self.path("gitbarge.toml"))
            .current_dir(self.path("work"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the binary to its end.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        let output = self.command(arguments).output();
        Outcome::of(output.expect("the binary starts"))
    }

    /// Starts the binary and leaves it running.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.launch(self.command(arguments))
    }

    /// Starts a command of this world and leaves it running; what it says goes to the file `log`.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn launch(&self, mut command: Command) -> Running {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .expect("room on the disk");
        command.stdout(Stdio::null()).stderr(log);
        Running(command.spawn().expect("the binary starts"))
    }

    /// One `sync --json`.
    pub fn sync(&self) -> Outcome {
        self.run(&["sync", "--json"])
    }

    /// Stock git in a folder of this world.
    pub fn git(&self, folder: &Path, arguments: &[&str]) -> String {
        printed(git(folder).env("GIT_OPTIONAL_LOCKS", "0").args(arguments))
    }

    /// Judges a checkout: at the remote's tip, clean, sound.
    ///
    /// # Panics
    /// If it is not.
    pub fn assert_equal(&self, checkout: &Path, tip: &str) {
        assert_eq!(self.git(checkout, &["rev-parse", "HEAD"]), tip);
        assert_eq!(self.git(checkout, &["status", "--porcelain", "-uall"]), "");
        self.git(checkout, &["fsck", "--no-dangling"]);
        let left: Vec<_> = fs::read_dir(self.path("tmp"))
            .expect("it is there")
            .collect();
        assert!(left.is_empty(), "left in TMPDIR: {left:?}");
    }
}

impl Outcome {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The results on standard output.
    ///
    /// # Panics
    /// If there are none.
    pub fn results(&self) -> Vec<Value> {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("{e}: {} {}", self.stdout, self.stderr))
    }

    /// The only result.
    ///
    /// # Panics
    /// If there is not exactly one.
    pub fn result(&self) -> Value {
        let mut results = self.results();
        assert_eq!(results.len(), 1, "{}", self.stdout);
        results.remove(0)
    }

    /// The kind of the run's error, or of its first sink's.
    pub fn kind(&self) -> String {
        let result = self.result();
        let errors = [&result["error"], &result["sinks"][0]["error"]];
        let kind = errors.iter().find_map(|error| error["kind"].as_str());
        kind.unwrap_or("no error").to_owned()
    }
}

/// A process that is killed when the test ends.
pub struct Running(Child);

impl Running {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal, such as `TERM`.
    ///
    /// # Panics
    /// If there is no `kill`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.id().to_string())
            .status();
        assert!(sent.expect("kill is there").success());
    }

    /// Kills it, as `kill -9` does; says whether it was still running.
    ///
    /// # Panics
    /// If the system does not let us.
    pub fn kill(&mut self) -> bool {
        let was_running = self.is_running();
        self.0.kill().expect("it is our child");
        self.0.wait().expect("it is our child");
        was_running
    }

    /// Waits for its end, and returns its exit code and how long that took.
    ///
    /// # Panics
    /// If it does not end.
    pub fn ended(&mut self) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        let mut code = None;
        until("the process ends", || {
            code = self
                .0
                .try_wait()
                .expect("it is our child")
                .map(|status| status.code());
            code.is_some()
        });
        (code.flatten(), begun.elapsed())
    }

    /// Whether it is still running.
    ///
    /// # Panics
    /// If the system does not know.
    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("it is our child").is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Waits for a condition.
///
/// # Panics
/// If it does not come true in a minute.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(
            begun.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The built binary: beside the tests' own folder, or where `GITBARGE_BIN` says.
///
/// # Panics
/// If it was not built.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("GITBARGE_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("target/<profile>/deps");
    let path = profile.join("gitbarge");
    assert!(
        path.exists(),
        "{} is missing: `cargo build -p gitbarge` makes it",
        path.display()
    );
    path
}
