//! Repositories, their packs, and what stock git makes of them.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gitbarge_core::{Progress, Result};
use gitbarge_git::index::{Indexed, PackBytes, Room, Spool, index};
use gitbarge_testkit::repository::{Repository, git, printed};
use gix::ObjectId;

/// The LFS object for which `rich` has a pointer.
pub(crate) const LFS_OID: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

/// A repository with chains of deltas, a merge, an annotated tag, a submodule, an LFS pointer and what looks like one.
pub(crate) fn rich() -> Repository {
    let repository = Repository::empty();
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{LFS_OID}\nsize 12345\n");
    repository
        .commit("main")
        .write("big.bin", &pointer)
        .write("looks-like-one", pointer.replace("size", "Size"))
        .link("link", "big.bin")
        .push();
    let mut text = String::new();
    for number in 0..30 {
        text.extend([
            number.to_string(),
            ": ".into(),
            "words ".repeat(number * 3),
            "\n".into(),
        ]);
        let mut commit = repository.commit("main").write("text", &text);
        for file in 0..=number {
            commit = commit.write(&format!("folder/{file}"), format!("{file} {}", number / 5));
        }
        commit.push();
    }
    repository.commit("side").write("side", "side\n").push();
    with_submodule_and_merge(&repository);
    let tip = repository.id("refs/heads/main").expect("it was made");
    repository.annotate("v1", tip);
    repository
}

fn with_submodule_and_merge(repository: &Repository) {
    let module = format!("160000,{},module", "12".repeat(20));
    repository.git(&["read-tree", "refs/heads/main"]);
    repository.git(&["update-index", "--add", "--cacheinfo", &module]);
    let tree = repository.git(&["write-tree"]);
    let parents = ["-p", "refs/heads/main", "-p", "refs/heads/side"];
    let commit = [&["commit-tree", &tree, "-m", "merge"], &parents[..]].concat();
    let commit = repository.git(&commit);
    repository.git(&["update-ref", "refs/heads/main", &commit]);
}

/// What `git pack-objects` makes of these revisions.
pub(crate) fn packed(repository: &Repository, options: &[&str], revisions: &str) -> Vec<u8> {
    let mut child = git(repository.path())
        .args(["pack-objects", "--stdout", "-q", "--revs"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git is installed");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(revisions.as_bytes()).expect("git reads it");
    drop(stdin);
    let output = child.wait_with_output().expect("it runs");
    assert!(output.status.success(), "git refused");
    output.stdout
}

/// Room for so many bytes in memory; the rest goes into this folder.
pub(crate) fn room(memory: u64, folder: &Path) -> Room {
    let beyond = Box::new(Spool::new(folder));
    Room { memory, beyond }
}

pub(crate) fn in_memory(pack: &[u8]) -> Result<(Indexed, PackBytes)> {
    let room = room(u64::MAX, Path::new("nothing is made here"));
    index(pack, room, &Arc::default(), &AtomicBool::new(false))
}

/// Indexes a pack in memory and in a file; the results are equal, and what stock git says. Returns the bytes in the file.
pub(crate) fn judged(pack: &[u8]) -> (Indexed, PackBytes) {
    let (indexed, bytes) = in_memory(pack).expect("the pack is whole");
    let dir = tempfile::tempdir().expect("there is a folder for temporary files");
    let progress = Arc::new(Progress::default());
    let room = room(0, dir.path());
    let (spooled, spool) = index(pack, room, &progress, &AtomicBool::new(false)).expect("it is");
    assert!(
        spooled == indexed,
        "where the bytes are makes no difference"
    );
    assert_eq!(progress.objects.read().0, indexed.objects as usize);
    assert!(bytes.is_in_memory() && !spool.is_in_memory());
    assert_eq!(bytes.length(), pack.len() as u64);
    assert_eq!(spool.length(), pack.len() as u64);

    let path = dir.path().join(format!("pack-{}.pack", indexed.name));
    std::fs::write(&path, pack).expect("there is room");
    let name = printed(git(dir.path()).args(["index-pack"]).arg(&path));
    assert_eq!(name, indexed.name.to_string());
    let theirs = std::fs::read(path.with_extension("idx")).expect("git has written it");
    assert!(indexed.index == theirs, "the index is not the one of git");
    printed(
        git(dir.path())
            .args(["verify-pack"])
            .arg(path.with_extension("idx")),
    );
    (indexed, spool)
}

/// Ids that git prints, each at the beginning of a line.
pub(crate) fn ids(text: &str) -> BTreeSet<ObjectId> {
    let first = |line: &str| ObjectId::from_hex(&line.as_bytes()[..40]).expect("a hash");
    text.lines().map(first).collect()
}
