//! What others left in the repository: lock files of dead processes, and operations that were never finished.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gitbarge_core::{Error, ErrorKind, Result};
use gitbarge_git::error;

/// A lock file that no process holds open is dead once it is this old.
const DEAD_AFTER: Duration = Duration::from_secs(60);

/// The files that git leaves while an operation is under way, and the operation's name. Source: git's wt-status.c and branch.c.
const OPERATIONS: &[(&str, &str)] = &[
    ("MERGE_HEAD", "merge"),
    ("MERGE_MODE", "merge"),
    ("MERGE_MSG", "merge"),
    ("MERGE_RR", "merge"),
    ("AUTO_MERGE", "merge"),
    ("MERGE_AUTOSTASH", "merge"),
    ("SQUASH_MSG", "merge"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("sequencer", "cherry-pick or revert"),
    ("rebase-merge", "rebase"),
    ("rebase-apply", "rebase or am"),
    ("REBASE_HEAD", "rebase"),
    ("BISECT_LOG", "bisect"),
    ("BISECT_START", "bisect"),
    ("BISECT_NAMES", "bisect"),
    ("BISECT_TERMS", "bisect"),
    ("BISECT_EXPECTED_REV", "bisect"),
    ("BISECT_ANCESTORS_OK", "bisect"),
    ("BISECT_RUN", "bisect"),
    ("BISECT_HEAD", "bisect"),
];
/// Leftovers that alone do not mean that an operation is under way: an ordinary commit may leave them.
const HARMLESS: &[&str] = &[
    "MERGE_MSG",
    "MERGE_RR",
    "AUTO_MERGE",
    "SQUASH_MSG",
    "REBASE_HEAD",
];

/// The operations under way in a repository.
pub(crate) fn operations(git_dir: &Path) -> Vec<&'static str> {
    let there = OPERATIONS
        .iter()
        .filter(|(file, _)| !HARMLESS.contains(file) && git_dir.join(file).exists());
    let mut names: Vec<_> = there.map(|(_, name)| *name).collect();
    names.dedup();
    names
}

/// Ends all operations under way by removing their files.
pub(crate) fn clear_operations(git_dir: &Path) -> Result<()> {
    for (file, _) in OPERATIONS {
        remove(&git_dir.join(file))?;
    }
    Ok(())
}

/// The lock files in a repository, alive or dead.
pub(crate) fn locks(git_dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(git_dir, false, &is_lock, &mut found);
    collect(&git_dir.join("refs"), true, &is_lock, &mut found);
    found.sort();
    found
}

/// Removes lock files and half received packs of dead processes.
///
/// With `all_dead`, age does not matter: our own process has died in the middle of its work.
///
/// # Errors
/// `locked` if one is alive, or may be; nothing is removed then.
pub(crate) fn clear_dead(git_dir: &Path, all_dead: bool) -> Result<()> {
    let locks = locks(git_dir);
    let mut half_made = Vec::new();
    collect(
        &git_dir.join("objects/pack"),
        false,
        &is_half_made,
        &mut half_made,
    );
    if locks.is_empty() && half_made.is_empty() {
        return Ok(());
    }
    let open = open_files();
    let is_dead = |path: &PathBuf| !open.contains(path) && (all_dead || is_old(path));
    if let Some(alive) = locks.iter().find(|path| !is_dead(path)) {
        let message = format!("`{}` is locked by another git process", alive.display());
        let hint = "wait until it has finished; a lock that no process holds open is removed once it is a minute old";
        return Err(Error::new(ErrorKind::Locked, message).with_hint(hint));
    }
    half_made.retain(|path| is_dead(path) && !path.is_dir());
    for path in locks.iter().chain(&half_made) {
        if path.is_dir() && !path.is_symlink() {
            remove_folder(path)?;
        } else {
            remove(path)?;
        }
        tracing::warn!(path = %path.display(), "Removed what a dead process had left.");
    }
    Ok(())
}

fn is_lock(name: &str) -> bool {
    name.ends_with(".lock")
}

/// Git's and gix's names for a pack that is being received, and ours for an object that is being copied.
fn is_half_made(name: &str) -> bool {
    name.starts_with("tmp_") || name.starts_with(".tmp") || name.ends_with(".gitbarge-copy")
}

fn collect(folder: &Path, deep: bool, wanted: &dyn Fn(&str) -> bool, found: &mut Vec<PathBuf>) {
    // What cannot be listed holds nothing that we could remove.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_folder = entry.file_type().is_ok_and(|t| t.is_dir());
        let is_wanted = entry.file_name().to_str().is_some_and(wanted);
        if is_folder && deep && !is_wanted {
            collect(&entry.path(), deep, wanted, found);
        } else if is_wanted {
            found.push(entry.path());
        }
    }
}

fn is_old(path: &Path) -> bool {
    let modified = fs::symlink_metadata(path).and_then(|meta| meta.modified());
    modified.is_ok_and(|time| {
        SystemTime::now()
            .duration_since(time)
            .is_ok_and(|age| age >= DEAD_AFTER)
    })
}

/// The files that processes hold open, as far as this one may see (Linux's /proc; empty elsewhere).
fn open_files() -> std::collections::HashSet<PathBuf> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbered = processes.filter(|p| {
        p.file_name()
            .to_str()
            .is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
    });
    let descriptors = numbered.flat_map(|p| {
        fs::read_dir(p.path().join("fd"))
            .into_iter()
            .flatten()
            .flatten()
    });
    descriptors
        .filter_map(|d| fs::read_link(d.path()).ok())
        .collect()
}

/// A folder in a lock's place is of no git's making: it goes only if nothing is in it.
fn remove_folder(path: &Path) -> Result<()> {
    fs::remove_dir(path).map_err(|e| {
        let message = format!(
            "the folder `{}` stands where git puts a lock",
            path.display()
        );
        Error::new(ErrorKind::Refused, message).with_source(e)
    })
}

fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match removed {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(error::io(
            format!("failed to remove `{}`", path.display()),
            e,
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let git_dir = dir.path().canonicalize().unwrap();
        fs::create_dir_all(git_dir.join("refs/heads")).unwrap();
        (dir, git_dir)
    }

    fn age(path: &Path) {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - 2 * DEAD_AFTER)
            .unwrap();
    }

    #[test]
    fn an_old_lock_that_nobody_holds_is_removed() {
        let (_dir, git_dir) = repository();
        let lock = git_dir.join("refs/heads/main.lock");
        fs::write(&lock, "").unwrap();
        age(&lock);
        clear_dead(&git_dir, false).unwrap();
        assert!(!lock.exists());
    }

    #[test]
    fn a_young_lock_stays_unless_our_own_process_died() {
        let (_dir, git_dir) = repository();
        let lock = git_dir.join("index.lock");
        fs::write(&lock, "").unwrap();
        assert_eq!(
            clear_dead(&git_dir, false).unwrap_err().kind(),
            ErrorKind::Locked
        );
        assert!(lock.exists());
        clear_dead(&git_dir, true).unwrap();
        assert!(!lock.exists());
    }

    #[test]
    fn a_lock_that_is_held_open_is_alive_however_old() {
        let (_dir, git_dir) = repository();
        let lock = git_dir.join("index.lock");
        let holder = fs::File::create(&lock).unwrap();
        age(&lock);
        assert_eq!(
            clear_dead(&git_dir, true).unwrap_err().kind(),
            ErrorKind::Locked
        );
        drop(holder);
        clear_dead(&git_dir, false).unwrap();
    }

    #[test]
    fn operations_are_named_and_cleared() {
        let (_dir, git_dir) = repository();
        fs::write(git_dir.join("MERGE_HEAD"), "x").unwrap();
        fs::create_dir(git_dir.join("rebase-merge")).unwrap();
        assert_eq!(operations(&git_dir), ["merge", "rebase"]);
        clear_operations(&git_dir).unwrap();
        assert!(operations(&git_dir).is_empty());
    }
}
