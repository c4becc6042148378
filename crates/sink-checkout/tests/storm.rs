//! Random drift, judged by stock git: what it calls changed is reported, and what a fresh clone has is there afterwards.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use gitbarge_core::config::RefName;
use gitbarge_core::{Delivery, Receipt, Run, Sink as _};
use gitbarge_git::remote::Remote;
use gitbarge_sink_checkout::{CheckoutOptions, CheckoutSink};
use gitbarge_testkit::upload_pack::UploadPack;

fn git_raw(dir: &Path, args: &[&str]) -> (bool, String) {
    let o = Command::new("git")
        .current_dir(dir)
        .args(args)
        .envs([
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_AUTHOR_NAME", "a"),
            ("GIT_AUTHOR_EMAIL", "a@b"),
        ])
        .envs([
            ("GIT_COMMITTER_NAME", "a"),
            ("GIT_COMMITTER_EMAIL", "a@b"),
            ("GIT_OPTIONAL_LOCKS", "0"),
        ])
        .output()
        .unwrap();
    (
        o.status.success(),
        String::from_utf8_lossy(if o.status.success() {
            &o.stdout
        } else {
            &o.stderr
        })
        .into_owned(),
    )
}
fn git(dir: &Path, args: &[&str]) -> String {
    let (ok, out) = git_raw(dir, args);
    assert!(ok, "git {args:?}: {out}");
    out
}

async fn sync(remote: &Path, target: &Path) -> Receipt {
    let run = Run::standalone("x");
    let source = UploadPack::source(remote);
    let r = RefName::new("main").unwrap();
    let sink = CheckoutSink::new(CheckoutOptions::at(target));
    let remote = Arc::new(Remote::open(&source, Some(&r), &run).await.unwrap());
    let target = remote.resolve().unwrap();
    let delivery = Delivery::new(target.clone(), remote.refs(), source.address(), remote);
    let receipt = sink
        .deliver(&delivery, &run)
        .await
        .unwrap_or_else(|e| panic!("{:?}", e.failure()));
    let held = sink.held(&run).await.unwrap();
    assert!(held.equals(&target), "after {receipt:?}: {held:?}");
    receipt
}

struct Storm {
    rng: fastrand::Rng,
}
impl Storm {
    fn path(&mut self) -> String {
        let names = ["a", "b", "c.txt", "d", "e.log", "sub", "ä", "sp ace"];
        let depth = self.rng.usize(1..4);
        (0..depth)
            .map(|_| names[self.rng.usize(..names.len())])
            .collect::<Vec<_>>()
            .join("/")
    }
    fn force_parent(root: &Path, p: &Path) {
        let mut at = root.to_owned();
        for part in p.strip_prefix(root).unwrap().parent().unwrap() {
            at.push(part);
            if at.symlink_metadata().is_ok_and(|m| !m.is_dir()) {
                fs::remove_file(&at).unwrap();
            }
        }
        fs::create_dir_all(p.parent().unwrap()).unwrap();
    }
    fn remove(p: &Path) {
        match p.symlink_metadata() {
            Ok(m) if m.is_dir() => fs::remove_dir_all(p).unwrap(),
            Ok(_) => fs::remove_file(p).unwrap(),
            Err(_) => {}
        }
    }
    fn mutate(&mut self, root: &Path, drift: bool) {
        let rel = self.path();
        let p: PathBuf = root.join(&rel);
        // never through symlinks in this test's own hands
        if drift
            && p.ancestors()
                .skip(1)
                .take_while(|a| *a != root)
                .any(Path::is_symlink)
        {
            return;
        }
        match self.rng.u32(0..if drift { 14 } else { 8 }) {
            0..=2 => {
                Self::force_parent(root, &p);
                Self::remove(&p);
                fs::write(&p, format!("{}\n", self.rng.u32(..))).unwrap();
            }
            3 => Self::remove(&p),
            4 => {
                Self::force_parent(root, &p);
                Self::remove(&p);
                symlink(
                    ["a", "nowhere", "/etc/passwd", ".."][self.rng.usize(..4)],
                    &p,
                )
                .unwrap();
            }
            5 => {
                if p.is_file() && !p.is_symlink() {
                    let m = if self.rng.bool() { 0o755 } else { 0o644 };
                    fs::set_permissions(&p, fs::Permissions::from_mode(m)).unwrap();
                }
            }
            6 => {
                fs::write(
                    root.join(".gitignore"),
                    ["*.log\n", "*.log\nb\n", "sub/\n"][self.rng.usize(..3)],
                )
                .unwrap();
            }
            7 => {
                Self::force_parent(root, &p);
                Self::remove(&p);
                fs::create_dir_all(&p).unwrap();
                fs::write(p.join("in"), "x").unwrap();
            }
            8 => {
                git_raw(root, &["add", "-A", &rel]);
            }
            9 => {
                git_raw(root, &["rm", "-q", "-r", "--cached", &rel]);
            }
            10 => {
                git_raw(root, &["update-index", "--skip-worktree", &rel]);
            }
            11 => {
                Self::remove(&root.join(".gitignore"));
            }
            12 => {
                if !git_raw(root, &["cat-file", "-e", &format!("HEAD:{rel}")]).0 {
                    git_raw(root, &["add", "-N", &rel]);
                }
            }
            _ => {
                git_raw(root, &["mv", "a", "moved"]);
            }
        }
    }
}

fn tree(root: &Path) -> Vec<String> {
    let mut out = Vec::new();
    let mut todo = vec![root.to_owned()];
    while let Some(d) = todo.pop() {
        for e in fs::read_dir(&d).unwrap() {
            let e = e.unwrap();
            if e.path() == root.join(".git") {
                continue;
            }
            let rel = e.path().strip_prefix(root).unwrap().display().to_string();
            let m = e.path().symlink_metadata().unwrap();
            if m.is_dir() {
                out.push(format!("{rel}/"));
                todo.push(e.path());
            } else if m.is_symlink() {
                out.push(format!(
                    "{rel} -> {}",
                    fs::read_link(e.path()).unwrap().display()
                ));
            } else {
                out.push(format!(
                    "{rel} {:o} {}",
                    m.permissions().mode() & 0o100,
                    fs::read_to_string(e.path()).unwrap()
                ));
            }
        }
    }
    out.sort();
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn storm() {
    let first: u64 = std::env::var("SEED")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    let count: u64 = std::env::var("COUNT")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(30);
    for seed in first..first + count {
        let mut storm = Storm {
            rng: fastrand::Rng::with_seed(seed),
        };
        let dir = tempfile::tempdir().unwrap();
        let (remote, target) = (dir.path().join("remote"), dir.path().join("target"));
        fs::create_dir(&remote).unwrap();
        git(&remote, &["init", "-q", "-b", "main"]);
        fs::write(remote.join("base"), "base").unwrap();
        for round in 0..6 {
            for _ in 0..storm.rng.usize(1..12) {
                storm.mutate(&remote, false);
            }
            git(&remote, &["add", "-A", "-f"]);
            git(
                &remote,
                &["commit", "-q", "--allow-empty", "-m", &format!("{round}")],
            );
            let mut want = Vec::new();
            if target.exists() {
                let hidden = git(&target, &["ls-files", "-v"])
                    .lines()
                    .any(|l| !l.starts_with('H'));
                let status = git(
                    &target,
                    &["status", "--porcelain=v1", "-z", "--no-renames", "-uall"],
                );
                if !hidden {
                    want = status
                        .split('\0')
                        .filter(|s| !s.is_empty())
                        .map(str::to_owned)
                        .collect();
                    want.sort();
                }
                let rules_same =
                    git_raw(&target, &["diff", "--quiet", "HEAD", "--", ".gitignore"]).0;
                let _ = rules_same;
                let _ = fs::remove_dir_all(dir.path().join("before"));
                Command::new("cp")
                    .arg("-a")
                    .arg(&target)
                    .arg(dir.path().join("before"))
                    .status()
                    .unwrap();
                let receipt = sync(&remote, &target).await;
                let mut got: Vec<String> = receipt.details["discarded"]["working_tree"]
                    .as_array()
                    .map(|a| {
                        a.iter()
                            .map(|e| {
                                format!(
                                    "{} {}",
                                    e["code"].as_str().unwrap(),
                                    e["path"].as_str().unwrap()
                                )
                            })
                            .collect()
                    })
                    .unwrap_or_default();
                got.sort();
                let new_rules = fs::read_to_string(remote.join(".gitignore")).unwrap_or_default();
                let strip = |v: &[String]| {
                    v.iter()
                        .filter(|s| !s.starts_with("??") && !s.starts_with("!!"))
                        .cloned()
                        .collect::<Vec<_>>()
                };
                if !hidden && strip(&got) != strip(&want) {
                    eprintln!(
                        "{}",
                        git(
                            &dir.path().join("before"),
                            &["status", "--porcelain=v1", "--no-renames"]
                        )
                    );
                    eprintln!("{}", git(&dir.path().join("before"), &["ls-files", "-s"]));
                    eprintln!("{:?}", tree(&dir.path().join("before")));
                }
                if !hidden {
                    assert_eq!(
                        strip(&got),
                        strip(&want),
                        "seed {seed} round {round} rules {new_rules:?}"
                    );
                }
            } else {
                sync(&remote, &target).await;
            }
            let _ = want;
            assert_eq!(
                git(&target, &["status", "--porcelain", "-uall"]),
                "",
                "seed {seed} round {round}"
            );
            assert_eq!(
                git(&target, &["rev-parse", "HEAD"]),
                git(&remote, &["rev-parse", "HEAD"])
            );
            let fresh = dir.path().join("fresh");
            git(dir.path(), &["clone", "-q", "remote", "fresh"]);
            let ignored: Vec<String> = git(
                &target,
                &[
                    "-c",
                    "core.quotePath=false",
                    "ls-files",
                    "-z",
                    "-o",
                    "-i",
                    "--exclude-standard",
                ],
            )
            .split('\0')
            .filter(|s| !s.is_empty())
            .map(str::to_owned)
            .collect();
            let mut have = tree(&target);
            // what holds ignored files only is no difference
            have.retain(|l| {
                !ignored.iter().any(|i| {
                    l.starts_with(&format!("{i} "))
                        || (l.ends_with('/')
                            && i.starts_with(l.as_str())
                            && !fresh.join(l).exists())
                })
            });
            assert_eq!(have, tree(&fresh), "seed {seed} round {round}");
            fs::remove_dir_all(&fresh).unwrap();
            for _ in 0..storm.rng.usize(0..10) {
                storm.mutate(&target, true);
            }
        }
    }
}
