//! Scripted bare repositories, made by stock git and the same at every run.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use gix::ObjectId;
use tempfile::TempDir;

use crate::files::{self, Files};

/// When the first commit is made; each later one is a minute younger.
const FIRST_COMMIT: u64 = 1_767_225_600;

/// A bare repository whose branch is `main`; removed when dropped.
pub struct Repository {
    path: PathBuf,
    minutes: AtomicU64,
    _dir: TempDir,
}

/// Stock git in a folder, deaf to the configuration and environment of the machine.
pub fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).stdin(Stdio::null());
    for name in [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
    ] {
        command.env_remove(name);
    }
    command.envs([
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "A U Thor"),
        ("GIT_AUTHOR_EMAIL", "author@example.org"),
        ("GIT_AUTHOR_DATE", "1767225600 +0000"),
        ("GIT_COMMITTER_NAME", "C O Mitter"),
        ("GIT_COMMITTER_EMAIL", "committer@example.org"),
        ("GIT_COMMITTER_DATE", "1767225600 +0000"),
        ("LC_ALL", "C"),
    ]);
    command
}

/// Runs a command that must succeed, and returns what it printed, without the last line end.
///
/// # Panics
/// If it fails.
pub fn printed(command: &mut Command) -> String {
    let output = command.output().expect("the program is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    let text = String::from_utf8(output.stdout).expect("git prints UTF-8 here");
    text.trim_end_matches('\n').to_owned()
}

impl Repository {
    /// An empty repository.
    ///
    /// # Panics
    /// If git is not installed, or the disk is full.
    pub fn empty() -> Self {
        let dir = tempfile::tempdir().expect("there is a folder for temporary files");
        let path = dir.path().join("repository.git");
        let mut init = git(dir.path());
        printed(init.args(["init", "-q", "--bare", "-b", "main"]).arg(&path));
        Self {
            path,
            minutes: AtomicU64::new(0),
            _dir: dir,
        }
    }

    /// A repository with one commit on `main`, of a file `README`.
    pub fn with_one_commit() -> Self {
        let repository = Self::empty();
        repository.commit("main").write("README", "hello\n").push();
        repository
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs git in it.
    pub fn git(&self, arguments: &[&str]) -> String {
        printed(git(&self.path).args(arguments))
    }

    /// Begins a commit on top of a branch; the branch is made if need be.
    pub fn commit(&self, branch: &str) -> Commit<'_> {
        let reference = format!("refs/heads/{branch}");
        Commit {
            repository: self,
            parent: self.id(&reference),
            reference,
            message: "Change\n".to_owned(),
            changes: Vec::new(),
        }
    }

    /// Makes a ref point to an object, whatever it pointed to.
    pub fn set(&self, reference: &str, id: ObjectId) {
        self.git(&["update-ref", reference, &id.to_string()]);
    }

    /// Deletes a ref.
    pub fn delete(&self, reference: &str) {
        self.git(&["update-ref", "-d", reference]);
    }

    /// Makes an annotated tag, and returns its own id.
    pub fn annotate(&self, tag: &str, commit: ObjectId) -> ObjectId {
        self.git(&["tag", "-a", "-m", tag, tag, &commit.to_string()]);
        self.id(&format!("refs/tags/{tag}")).expect("it was made")
    }

    /// What a revision leads to, if it exists.
    pub fn id(&self, revision: &str) -> Option<ObjectId> {
        let mut parse = git(&self.path);
        parse.args(["rev-parse", "-q", "--verify", revision]);
        let output = parse.output().expect("git is installed");
        let hex = output.stdout.trim_ascii();
        output
            .status
            .success()
            .then(|| ObjectId::from_hex(hex).expect("git prints a hash"))
    }

    /// The files of a commit, as stock git checks them out.
    pub fn files(&self, commit: ObjectId) -> Files {
        let dir = tempfile::tempdir().expect("there is a folder for temporary files");
        let tree = dir.path().join("tree");
        std::fs::create_dir(&tree).expect("the folder is empty");
        let in_tree = |arguments: &[&str]| {
            let mut command = git(&tree);
            command.env("GIT_DIR", &self.path);
            command.env("GIT_WORK_TREE", &tree);
            command.env("GIT_INDEX_FILE", dir.path().join("index"));
            printed(command.args(arguments));
        };
        in_tree(&["read-tree", &commit.to_string()]);
        in_tree(&["checkout-index", "--all"]);
        files::of_folder(&tree)
    }
}

/// A commit in the making.
#[must_use = "a commit is made by `push`"]
pub struct Commit<'r> {
    repository: &'r Repository,
    reference: String,
    parent: Option<ObjectId>,
    message: String,
    changes: Vec<Vec<u8>>,
}

impl Commit<'_> {
    /// Writes a file.
    pub fn write(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.put("100644", path, content.as_ref())
    }

    /// Writes an executable file.
    pub fn executable(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.put("100755", path, content.as_ref())
    }

    /// Makes a symbolic link.
    pub fn link(self, path: &str, target: &str) -> Self {
        self.put("120000", path, target.as_bytes())
    }

    /// Deletes a file, or a folder with all that is in it.
    pub fn delete(mut self, path: &str) -> Self {
        self.changes
            .push(format!("D {}\n", quoted(path)).into_bytes());
        self
    }

    /// Sets the message.
    pub fn message(mut self, message: &str) -> Self {
        message.clone_into(&mut self.message);
        self
    }

    /// Rewrites history: the commit comes on top of this one, or is the first if there is none.
    pub fn on_top_of(mut self, parent: Option<ObjectId>) -> Self {
        self.parent = parent;
        self
    }

    /// Makes the commit and moves its branch there.
    ///
    /// # Panics
    /// If git refuses it.
    pub fn push(self) -> ObjectId {
        let mut import = git(&self.repository.path)
            .args(["fast-import", "--quiet", "--force"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("git is installed");
        let mut stdin = import.stdin.take().expect("it is piped");
        stdin.write_all(&self.script()).expect("git reads it all");
        drop(stdin);
        assert!(import.wait().expect("it runs").success(), "git refused");
        let id = self.repository.id(&self.reference);
        id.expect("git has moved the branch")
    }

    /// What `git fast-import` reads.
    fn script(&self) -> Vec<u8> {
        let minute = self.repository.minutes.fetch_add(1, Ordering::Relaxed);
        let date = FIRST_COMMIT + 60 * minute;
        let mut script = format!(
            "commit {}\nauthor A U Thor <author@example.org> {date} +0000\n\
             committer C O Mitter <committer@example.org> {date} +0000\ndata {}\n{}\n",
            self.reference,
            self.message.len(),
            self.message
        );
        if let Some(parent) = self.parent {
            writeln!(script, "from {parent}").expect("a String takes all");
        }
        let mut script = script.into_bytes();
        script.extend(self.changes.concat());
        script
    }

    fn put(mut self, mode: &str, path: &str, content: &[u8]) -> Self {
        let path = quoted(path);
        let mut change = format!("M {mode} inline {path}\ndata {}\n", content.len()).into_bytes();
        change.extend_from_slice(content);
        change.push(b'\n');
        self.changes.push(change);
        self
    }
}

fn quoted(path: &str) -> String {
    let path = path.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", path.replace('\n', "\\n"))
}
