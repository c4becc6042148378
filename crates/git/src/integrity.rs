//! Notices when object files have been changed by somebody else, and checks them then.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use gitbarge_core::{Error, ErrorKind, Result};
use gix::ObjectId;
use gix::hashtable::HashSet;
use gix::odb::pack;
use gix::progress::Discard;

use crate::error;
use crate::remote::check_stop;

/// A digest of names, sizes and times of all object files: as long as it stays, nobody has touched them.
///
/// It costs a listing of the object folders, whatever the number of objects in packs.
pub fn fingerprint(git_dir: &Path) -> Result<String> {
    let mut files = Vec::new();
    for path in object_files(&git_dir.join("objects")) {
        let meta = fs::symlink_metadata(&path)
            .map_err(|e| Error::io(format!("failed to look at `{}`", path.display()), e))?;
        files.push((path, meta.len(), meta.mtime(), meta.mtime_nsec()));
    }
    files.sort();
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    for (path, size, seconds, nanoseconds) in files {
        let name = path.strip_prefix(git_dir).unwrap_or(&path);
        hasher.update(format!("{} {size} {seconds} {nanoseconds}\n", name.display()).as_bytes());
    }
    let digest = hasher.try_finalize();
    let digest =
        digest.map_err(|e| Error::new(ErrorKind::Corrupt, "cannot digest").with_source(e))?;
    Ok(digest.to_string())
}

/// Checks every object file's checksum, and that everything which refs and HEAD reach is there.
///
/// # Errors
/// `corrupt`, naming what is damaged or missing; `cancelled`.
pub fn check(repository: &gix::Repository, stop: &AtomicBool) -> Result<()> {
    let objects = repository.objects.store_ref().path();
    let hash = repository.object_hash();
    gix::odb::loose::Store::at(objects, hash)
        .verify_integrity(&mut Discard, stop)
        .map_err(|e| error::local("a loose object is damaged", e))?;
    for path in object_files(objects) {
        let damaged = |e| error::local(format!("`{}` is damaged", path.display()), e);
        match path.extension().and_then(|e| e.to_str()) {
            Some("pack") => {
                let pack = pack::data::File::at(&path, hash).map_err(damaged)?;
                pack.verify_checksum(&mut Discard, stop).map_err(damaged)?;
            }
            Some("idx") => {
                let index = pack::index::File::at(&path, hash).map_err(damaged)?;
                index.verify_checksum(&mut Discard, stop).map_err(damaged)?;
            }
            _ => {}
        }
    }
    check_stop(stop, "checking objects")?;
    is_connected(repository, stop)
}

fn object_files(objects: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in fs::read_dir(objects).into_iter().flatten().flatten() {
        let name = folder.file_name();
        // Two digits, or `pack`; not `info`.
        if name.len() == 2 || name == "pack" {
            let entries = fs::read_dir(folder.path()).into_iter().flatten().flatten();
            files.extend(entries.map(|entry| entry.path()));
        }
    }
    files
}

fn is_connected(repository: &gix::Repository, stop: &AtomicBool) -> Result<()> {
    let cannot = |e| error::local("the history is incomplete", e);
    let mut seen = HashSet::default();
    let walk = repository
        .rev_walk(tips(repository)?)
        .all()
        .map_err(cannot)?;
    for commit in walk {
        check_stop(stop, "checking objects")?;
        let commit = commit.map_err(cannot)?.object().map_err(cannot)?;
        let tree = commit.tree_id().map_err(cannot)?.detach();
        if seen.insert(tree) {
            is_tree_connected(repository, tree, &mut seen)?;
        }
    }
    Ok(())
}

fn tips(repository: &gix::Repository) -> Result<Vec<ObjectId>> {
    let cannot = |e| error::local("cannot read refs", e);
    let mut tips: Vec<ObjectId> = repository
        .head_id()
        .map(gix::Id::detach)
        .into_iter()
        .collect();
    for reference in repository
        .references()
        .map_err(cannot)?
        .all()
        .map_err(cannot)?
    {
        let Ok(mut reference) = reference else {
            continue;
        };
        let name = reference.name().as_bstr().to_string();
        // A symbolic ref that leads nowhere, such as `origin/HEAD` of a deleted branch, misses no object.
        if reference.target().try_id().is_none() {
            continue;
        }
        let id = reference
            .peel_to_id()
            .map_err(|e| error::local(format!("`{name}` leads nowhere"), e))?;
        tips.push(id.detach());
    }
    tips.retain(|id| {
        !repository
            .find_header(*id)
            .is_ok_and(|header| !header.kind().is_commit())
    });
    Ok(tips)
}

fn is_tree_connected(
    repository: &gix::Repository,
    root: ObjectId,
    seen: &mut HashSet<ObjectId>,
) -> Result<()> {
    let mut todo = vec![root];
    while let Some(id) = todo.pop() {
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
