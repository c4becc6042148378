//! Notices when object files have been changed by somebody else, and checks them then.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use gitbarge_core::{Error, ErrorKind, Result};
use gix::ObjectId;
use gix::hashtable::HashSet;

use crate::error;
use crate::remote::check_stop;

/// A digest of names, sizes and times of all object files: as long as it stays, nobody has touched them.
///
/// It costs a listing of the object folders, whatever the number of objects in packs.
pub fn fingerprint(git_dir: &Path) -> Result<String> {
    digest(git_dir, object_files(&git_dir.join("objects")))
}

/// The same of the files that make the repository: HEAD, refs, configuration, boundaries and caches.
pub fn structure(git_dir: &Path) -> Result<String> {
    const FILES: [&str; 9] = [
        "commondir",
        "HEAD",
        "config",
        "config.worktree",
        "packed-refs",
        "shallow",
        "objects/info/alternates",
        "objects/info/commit-graph",
        "objects/pack/multi-pack-index",
    ];
    let mut files: Vec<PathBuf> = FILES.iter().map(|name| git_dir.join(name)).collect();
    add_files(&git_dir.join("refs"), &mut files);
    add_files(&git_dir.join("objects/info/commit-graphs"), &mut files);
    digest(git_dir, files)
}

fn digest(git_dir: &Path, paths: Vec<PathBuf>) -> Result<String> {
    let mut files = Vec::new();
    for path in paths {
        match fs::symlink_metadata(&path) {
            Ok(meta) => files.push((path, meta.len(), meta.mtime(), meta.mtime_nsec())),
            // Never there, or gone since it was listed.
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) => {}
            Err(e) => {
                return Err(error::io(
                    format!("failed to look at `{}`", path.display()),
                    e,
                ));
            }
        }
    }
    files.sort();
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    for (path, size, seconds, nanoseconds) in files {
        let name = path.strip_prefix(git_dir).unwrap_or(&path);
        hasher.update(format!("{} {size} {seconds} {nanoseconds}\n", name.display()).as_bytes());
    }
    let digest = hasher.try_finalize();
    let digest =
        digest.map_err(|e| Error::new(ErrorKind::Internal, "cannot digest").with_source(e))?;
    Ok(digest.to_string())
}

fn add_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            add_files(&entry.path(), files);
        } else {
            files.push(entry.path());
        }
    }
}

/// Makes sure that every pack can be opened, so that an object which is not found is truly missing.
///
/// # Errors
/// `refused`.
pub fn are_packs_readable(git_dir: &Path) -> Result<()> {
    for path in object_files(&git_dir.join("objects")) {
        let is_of_pack = path.extension().is_some_and(|e| e == "pack" || e == "idx");
        match fs::File::open(&path) {
            Err(e) if is_of_pack && e.kind() != io::ErrorKind::NotFound => {
                return Err(error::io(format!("failed to open `{}`", path.display()), e));
            }
            _ => {}
        }
    }
    Ok(())
}

pub(crate) fn object_files(objects: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in fs::read_dir(objects).into_iter().flatten().flatten() {
        let name = folder.file_name();
        // Two digits, or `pack`; not `info`.
        if name.len() == 2 || name == "pack" {
            let entries = fs::read_dir(folder.path()).into_iter().flatten().flatten();
            let paths = entries.map(|entry| entry.path());
            files.extend(paths.filter(|path| is_object_file(path, name == "pack")));
        }
    }
    files
}

/// Not what somebody is still writing, nor what goes with a pack and can be made anew.
fn is_object_file(path: &Path, is_packed: bool) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if is_packed {
        name.starts_with("pack-") && (name.ends_with(".pack") || name.ends_with(".idx"))
    } else {
        name.len() == 38 && name.bytes().all(|b| b.is_ascii_hexdigit())
    }
}

/// Checks that everything which `tips` reach is there.
///
/// # Errors
/// `corrupt`, naming what is missing or cannot be read; `cancelled`.
pub fn is_complete(
    repository: &gix::Repository,
    tips: &[ObjectId],
    stop: &AtomicBool,
) -> Result<()> {
    let cannot = |e| error::local("the history is incomplete", e);
    let mut seen = HashSet::default();
    let walk = repository
        .rev_walk(tips.iter().copied())
        .all()
        .map_err(cannot)?;
    for commit in walk {
        check_stop(stop, "checking objects")?;
        let commit = commit.map_err(cannot)?.object().map_err(cannot)?;
        let tree = commit.tree_id().map_err(cannot)?.detach();
        if seen.insert(tree) {
            is_tree_connected(repository, tree, &mut seen, stop)?;
        }
    }
    Ok(())
}

/// Checks that everything below one tree is there.
///
/// # Errors
/// As [`is_complete`].
pub fn is_tree_complete(
    repository: &gix::Repository,
    tree: ObjectId,
    stop: &AtomicBool,
) -> Result<()> {
    is_tree_connected(repository, tree, &mut HashSet::default(), stop)
}

fn is_tree_connected(
    repository: &gix::Repository,
    root: ObjectId,
    seen: &mut HashSet<ObjectId>,
    stop: &AtomicBool,
) -> Result<()> {
    let mut todo = vec![root];
    while let Some(id) = todo.pop() {
        check_stop(stop, "checking objects")?;
        let missing = |e| error::local(format!("tree {id} is missing or damaged"), e);
        let tree = repository.find_tree(id).map_err(missing)?;
        for entry in tree.iter() {
            let entry = entry.map_err(missing)?;
            let (child, mode) = (entry.object_id(), entry.mode());
            if mode.is_commit() || !seen.insert(child) {
                continue;
            }
            if mode.is_tree() {
                todo.push(child);
            } else if !repository.has_object(child) {
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!("object {child} is missing"),
                ));
            }
        }
    }
    Ok(())
}
