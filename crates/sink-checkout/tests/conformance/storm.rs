//! Random drift, judged by stock git: what it calls changed is reported, and what a fresh clone has is there afterwards.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::lab::{Lab, drift};
use gitbarge_testkit::files::{self, Files};
use gitbarge_testkit::repository::{git, printed};

/// How many storms a test run weathers. More are worth a night: `STORMS=5000 cargo test -p gitbarge-sink-checkout storm`.
const STORMS: u64 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_a_checkout_it_is_reported_and_put_right() {
    let storms = std::env::var("STORMS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(STORMS);
    for seed in 0..storms {
        Storm {
            random: fastrand::Rng::with_seed(seed),
            seed,
        }
        .rage()
        .await;
    }
}

struct Storm {
    random: fastrand::Rng,
    seed: u64,
}

impl Storm {
    async fn rage(mut self) {
        let lab = Lab::cloned().await;
        let upstream = tempfile::tempdir().unwrap();
        printed(
            git(upstream.path())
                .arg("clone")
                .arg("-q")
                .arg(lab.remote.path())
                .arg("."),
        );
        for round in 0..5 {
            self.commit_upstream(upstream.path());
            for _ in 0..self.random.usize(0..10) {
                self.drift(&lab);
            }
            let expected = reported_by_git(&lab);
            let synced = lab.sync("main").await;
            let place = format!("seed {}, round {round}", self.seed);
            if let Some(expected) = expected {
                assert_eq!(
                    without_untracked(&drift(&synced.receipt)),
                    without_untracked(&expected),
                    "{place}"
                );
            }
            assert_eq!(without_ignored(&lab), fresh_clone(&lab), "{place}");
        }
    }

    fn commit_upstream(&mut self, folder: &Path) {
        for _ in 0..self.random.usize(1..10) {
            self.change_file(folder);
        }
        printed(git(folder).args(["add", "-A", "-f"]));
        printed(git(folder).args(["commit", "-q", "--allow-empty", "-m", "storm"]));
        printed(git(folder).args(["push", "-q"]));
    }

    fn drift(&mut self, lab: &Lab) {
        let path = self.path();
        match self.random.u32(0..13) {
            0..=6 => self.change_file(lab.path()),
            7 => drop(lab.try_git(&["add", "-A", &path])),
            8 => drop(lab.try_git(&["rm", "-q", "-r", "--cached", &path])),
            9 => drop(lab.try_git(&["update-index", "--skip-worktree", &path])),
            10 => remove(&lab.file(".gitignore")),
            11 => drop(lab.try_git(&["add", "-N", &path])),
            _ => drop(lab.try_git(&["mv", "a", "moved"])),
        }
    }

    fn path(&mut self) -> String {
        const NAMES: [&str; 8] = ["a", "b", "c.txt", "d", "e.log", "sub", "ä", "sp ace"];
        let depth = self.random.usize(1..4);
        let parts: Vec<&str> = (0..depth)
            .map(|_| NAMES[self.random.usize(..NAMES.len())])
            .collect();
        parts.join("/")
    }

    fn change_file(&mut self, root: &Path) {
        let path = root.join(self.path());
        clear_way(root, &path);
        match self.random.u32(0..8) {
            0..=2 => replace(&path, |p| {
                fs::write(p, format!("{}\n", self.random.u32(..)))
            }),
            3 => remove(&path),
            4 => replace(&path, |p| {
                symlink(
                    ["README", "nowhere", "/etc/passwd", ".."][self.random.usize(..4)],
                    p,
                )
            }),
            5 if path.is_file() && !path.is_symlink() => {
                let mode = if self.random.bool() { 0o755 } else { 0o644 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
            6 => fs::write(
                root.join(".gitignore"),
                ["*.log\n", "*.log\nb\n", "sub/\n"][self.random.usize(..3)],
            )
            .unwrap(),
            _ => replace(&path, |p| {
                fs::create_dir_all(p).and_then(|()| fs::write(p.join("in"), "x"))
            }),
        }
    }
}

/// Makes all folders on the way to `path` real folders.
fn clear_way(root: &Path, path: &Path) {
    let parent = path.parent().unwrap();
    let mut folders: Vec<&Path> = parent
        .ancestors()
        .take_while(|folder| *folder != root)
        .collect();
    folders.reverse();
    for folder in folders {
        if folder.symlink_metadata().is_ok_and(|meta| !meta.is_dir()) {
            fs::remove_file(folder).unwrap();
        }
    }
    fs::create_dir_all(parent).unwrap();
}

fn replace(path: &Path, make: impl FnOnce(&Path) -> std::io::Result<()>) {
    remove(path);
    make(path).unwrap();
}

fn remove(path: &Path) {
    match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

/// What `git status` says; nothing if files are hidden from it.
fn reported_by_git(lab: &Lab) -> Option<Vec<String>> {
    let hides = lab
        .git(&["ls-files", "-v"])
        .lines()
        .any(|line| !line.starts_with('H'));
    let status = lab.git(&["status", "--porcelain=v1", "-z", "--no-renames", "-uall"]);
    let mut lines: Vec<String> = status
        .split('\0')
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    lines.sort();
    (!hides).then_some(lines)
}

/// Which untracked files are discarded depends on the new commit's ignore rules: only the result can be judged.
fn without_untracked(lines: &[String]) -> Vec<&String> {
    lines
        .iter()
        .filter(|line| !line.starts_with("??") && !line.starts_with("!!"))
        .collect()
}

fn without_ignored(lab: &Lab) -> Files {
    let ignored = lab.git(&["ls-files", "-z", "-o", "-i", "--exclude-standard"]);
    let ignored: Vec<&Path> = ignored.split('\0').map(Path::new).collect();
    let mut files = files::of_folder(lab.path());
    files.retain(|path, _| !ignored.contains(&path.as_path()));
    files
}

fn fresh_clone(lab: &Lab) -> Files {
    let folder = tempfile::tempdir().unwrap();
    printed(
        git(folder.path())
            .arg("clone")
            .arg("-q")
            .arg(lab.remote.path())
            .arg("."),
    );
    files::of_folder(folder.path())
}
