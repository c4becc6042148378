//! Takes all that survives of a damaged repository over into a new one beside it.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use gitbarge_core::Result;
use gix::ObjectId;
use gix::bstr::ByteSlice as _;

use super::objects::{Damage, damaged_objects};
use super::refs::parse;
use super::{Mender, read_if_there};
use crate::{error, repository, share};

/// What the new repository has of its own, or makes anew.
const NOT_CARRIED: &[&str] = &[
    "objects",
    "refs",
    "packed-refs",
    "HEAD",
    "shallow",
    "index",
    "config",
    "config.worktree",
];

/// Fills the new repository at `to`, into which everything has been fetched, with what is sound in the one at `from`: objects,
/// refs that they complete, logs, hooks, and whatever else lies there. The old one stays as it is.
///
/// Returns the names of refs that could not be taken over.
pub fn carry_over(from: &Path, to: &Path, stop: &AtomicBool) -> Result<Vec<String>> {
    let mut skip = Vec::new();
    for damage in damaged_objects(from, stop)? {
        match damage {
            Damage::Loose(path) | Damage::Index(path) => skip.push(path),
            Damage::Pack(path) => skip.extend([path.with_extension("idx"), path]),
            Damage::Unindexed(_) => {}
        }
    }
    share::link_objects(&from.join("objects"), &to.join("objects"), &skip, stop)?;
    carry_config(from, to)?;
    carry_files(from, to, NOT_CARRIED)?;
    carry_refs(from, to)
}

fn carry_config(from: &Path, to: &Path) -> Result<()> {
    for name in ["config", "config.worktree"] {
        let Some(content) = read_if_there(&from.join(name))? else {
            continue;
        };
        // A configuration that cannot be read would only be taken out again.
        let meta = gix::config::file::Metadata::from(gix::config::Source::Local);
        if !content.contains(&0)
            && gix::config::File::from_bytes_no_includes(&content, meta, Default::default()).is_ok()
        {
            write(&to.join(name), &content)?;
        }
    }
    Ok(())
}

fn carry_files(from: &Path, to: &Path, but: &[&str]) -> Result<()> {
    let cannot = |e| error::io(format!("failed to list `{}`", from.display()), e);
    for entry in fs::read_dir(from).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let name = entry.file_name();
        let is_own = name
            .to_str()
            .is_some_and(|n| but.contains(&n) || n.ends_with(".lock"));
        if is_own {
            continue;
        }
        let (source, target) = (entry.path(), to.join(&name));
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            make_folder(&target)?;
            carry_files(&source, &target, &[])?;
        } else {
            carry_file(&source, &target)
                .map_err(|e| error::io(format!("failed to copy `{}`", source.display()), e))?;
        }
    }
    Ok(())
}

fn carry_file(from: &Path, to: &Path) -> io::Result<()> {
    repository::remove_all(to)?;
    match fs::symlink_metadata(from) {
        Ok(meta) if meta.is_symlink() => std::os::unix::fs::symlink(fs::read_link(from)?, to),
        Ok(meta) if meta.is_file() => {
            fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop))
        }
        // Pipes and sockets belong to a process that cannot find the new one.
        Ok(_) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

fn carry_refs(from: &Path, to: &Path) -> Result<Vec<String>> {
    let repository = repository::open_bare(to)?;
    let mut refs = BTreeMap::new();
    let packed = read_if_there(&from.join("packed-refs"))?.unwrap_or_default();
    for entry in parse(&packed).0 {
        if let (Ok(name), Ok(id)) = (entry.name.to_str(), entry.id.to_str()) {
            refs.insert(name.to_owned(), id.to_owned());
        }
    }
    let mut loose = HashMap::new();
    let mut reader = Mender::new(from, true);
    if from.join("refs").is_dir() {
        reader.walk("refs", &mut loose)?;
    }
    for name in loose.into_keys() {
        let content = read_if_there(&from.join(&name))?.unwrap_or_default();
        refs.insert(name, content.to_str_lossy().trim_end().to_owned());
    }
    let mut lost = Vec::new();
    for (name, content) in refs {
        if is_there(&repository, &content) {
            write(&to.join(&name), format!("{content}\n").as_bytes())?;
        } else {
            lost.push(name);
        }
    }
    let head = read_if_there(&from.join("HEAD"))?.unwrap_or_default();
    if super::files::is_head(&head) && is_there(&repository, head.to_str_lossy().trim_end()) {
        write(&to.join("HEAD"), &head)?;
    }
    Ok(lost)
}

fn is_there(repository: &gix::Repository, content: &str) -> bool {
    let id = ObjectId::from_hex(content.get(..40).unwrap_or_default().as_bytes());
    content.starts_with("ref:") || id.is_ok_and(|id| repository.has_object(id))
}

fn write(path: &PathBuf, content: &[u8]) -> Result<()> {
    make_folder(path.parent().unwrap_or(path))?;
    // A link to the old repository's file must not be written through.
    let written = repository::remove_all(path).and_then(|()| fs::write(path, content));
    written.map_err(|e| error::io(format!("failed to write `{}`", path.display()), e))
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .map_err(|e| error::io(format!("failed to create `{}`", folder.display()), e))
}
