//! What gitbarge remembers inside a checkout, in `.git/gitbarge/`.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use gitbarge_core::{Address, Error, ErrorKind, Result, Target};
use gitbarge_git::{error, integrity};
use gix::ObjectId;
use serde::{Deserialize, Serialize};

/// The mark of a delivery whose process is at work, or has died.
const RUNNING: &str = "running";
/// The mark of one that was given up in good order. Both are equally long, so that one can be written over the other.
const STOPPED: &str = "stopped";

/// What the last complete delivery left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Memory {
    /// Where it came from: a rewritten history from the same place is followed.
    source: String,
    /// The commit.
    commit: Option<String>,
    /// The branch that it was on.
    branch: Option<String>,
    /// The checksum of an index that equals the commit's tree.
    index: Option<String>,
    /// The fingerprint of the object files, all of which were sound.
    objects: Option<String>,
    /// The fingerprint of HEAD, refs and configuration, none of which git rejected.
    structure: Option<String>,
    /// Where a history that was wanted whole ends nevertheless, as the remote's own does.
    shallow: Option<String>,
}

impl Memory {
    /// What the last complete delivery left; nothing if there was none, or it cannot be read.
    pub(crate) fn read(git_dir: &Path) -> Self {
        let text = fs::read(file(git_dir)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Remembers that a repository was made for this source, and whose files thus are its.
    pub(crate) fn made(git_dir: &Path, source: &Address) -> Result<()> {
        let memory = Self {
            source: source.to_string(),
            ..Self::default()
        };
        memory.put(git_dir)
    }

    /// Remembers a delivery.
    pub(crate) fn write(
        git_dir: &Path,
        source: &Address,
        target: &Target,
        index: Option<ObjectId>,
        is_whole: bool,
    ) -> Result<()> {
        let memory = Self {
            source: source.to_string(),
            commit: Some(target.commit.to_string()),
            branch: target.branch().map(str::to_owned),
            index: index.map(|id| id.to_string()),
            objects: Some(integrity::fingerprint(git_dir)?),
            structure: Some(integrity::structure(git_dir)?),
            shallow: shallow(git_dir).filter(|_| is_whole),
        };
        memory.put(git_dir)
    }

    fn put(&self, git_dir: &Path) -> Result<()> {
        let text = serde_json::to_vec(self)
            .map_err(|e| Error::new(ErrorKind::Internal, "cannot write a memory").with_source(e))?;
        put(&file(git_dir), &text)
    }

    /// Whether somebody else has added, changed or removed object files since the last delivery.
    pub(crate) fn objects_changed(&self, git_dir: &Path) -> Result<bool> {
        match &self.objects {
            Some(before) => Ok(*before != integrity::fingerprint(git_dir)?),
            None => Ok(false),
        }
    }

    /// Whether somebody else has moved refs or changed the configuration since, or nothing is known of it.
    pub(crate) fn structure_changed(&self, git_dir: &Path) -> Result<bool> {
        Ok(self.structure.as_deref() != Some(integrity::structure(git_dir)?.as_str()))
    }

    /// Whether the history ends where the remote's does not, for all we know.
    pub(crate) fn is_cut_off(&self, git_dir: &Path) -> bool {
        shallow(git_dir).is_some_and(|ends| self.shallow.as_ref() != Some(&ends))
    }

    /// The branch of the last delivery.
    pub(crate) fn branch(&self) -> Option<&str> {
        self.branch.as_deref()
    }

    /// The last delivered commit.
    pub(crate) fn commit(&self) -> Option<ObjectId> {
        ObjectId::from_hex(self.commit.as_deref()?.as_bytes()).ok()
    }

    /// The checksum of the index of the last delivery.
    pub(crate) fn index(&self) -> Option<ObjectId> {
        ObjectId::from_hex(self.index.as_deref()?.as_bytes()).ok()
    }

    /// Whether the repository was delivered from this source.
    pub(crate) fn is_from(&self, source: &Address) -> bool {
        self.source == source.as_str()
    }

    /// The checksum of an index that is known to equal the tree of `commit`.
    pub(crate) fn settled_index(&self, commit: ObjectId) -> Option<ObjectId> {
        let is_current = self.commit.as_deref() == Some(commit.to_string().as_str());
        let hex = self.index.as_deref().filter(|_| is_current)?;
        ObjectId::from_hex(hex.as_bytes()).ok()
    }
}

/// A delivery that was begun and not completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unfinished {
    /// The commit that it was to bring.
    pub(crate) commit: ObjectId,
    /// Whether the process died in it, rather than gave up in good order.
    pub(crate) died: bool,
}

/// The delivery that was begun and not completed, if there is one.
pub(crate) fn unfinished(git_dir: &Path) -> Option<Unfinished> {
    let text = fs::read_to_string(pending(git_dir)).ok()?;
    let (state, hex) = text.trim().split_once(' ')?;
    Some(Unfinished {
        commit: ObjectId::from_hex(hex.as_bytes()).ok()?,
        died: state == RUNNING,
    })
}

/// Marks a delivery as begun.
pub(crate) fn begin(git_dir: &Path, commit: ObjectId) -> Result<()> {
    let mark = format!("{RUNNING} {commit}");
    // A mark that is there already can be changed without space for another.
    overwrite(&pending(git_dir), mark.as_bytes())
        .or_else(|_| put(&pending(git_dir), mark.as_bytes()))
}

/// Marks the delivery as given up in good order: no lock of ours is left, but some files may have been written.
pub(crate) fn give_up(git_dir: &Path) {
    if let Some(unfinished) = unfinished(git_dir) {
        let mark = format!("{STOPPED} {}", unfinished.commit);
        // If it stays as it is, the next delivery is a little less patient with locks.
        drop(overwrite(&pending(git_dir), mark.as_bytes()));
    }
}

/// When the delivery was begun that has not been completed.
pub(crate) fn begun(git_dir: &Path) -> Option<SystemTime> {
    fs::metadata(pending(git_dir))
        .and_then(|meta| meta.modified())
        .ok()
}

/// Writes over a file of the same length.
fn overwrite(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    if file.metadata()?.len() != text.len() as u64 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    file.write_all(text)
}

/// Marks the delivery as completed.
pub(crate) fn end(git_dir: &Path) -> Result<()> {
    match fs::remove_file(pending(git_dir)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(error::io(
            format!("failed to remove `{}`", pending(git_dir).display()),
            e,
        )),
        _ => Ok(()),
    }
}

fn put(path: &Path, text: &[u8]) -> Result<()> {
    let half = path.with_extension("new");
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        fs::write(&half, text)?;
        fs::rename(&half, path)
    };
    write().map_err(|e| {
        drop(fs::remove_file(&half));
        error::io(format!("failed to write `{}`", path.display()), e)
    })
}

fn shallow(git_dir: &Path) -> Option<String> {
    fs::read_to_string(git_dir.join("shallow")).ok()
}

fn file(git_dir: &Path) -> PathBuf {
    git_dir.join("gitbarge/checkout.json")
}

fn pending(git_dir: &Path) -> PathBuf {
    git_dir.join("gitbarge/pending")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_remembered_and_a_torn_memory_forgotten() {
        let git_dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(git_dir.path().join("objects/pack")).unwrap();
        let (source, id) = (
            Address::new("h:x"),
            ObjectId::empty_tree(gix::hash::Kind::Sha1),
        );
        assert!(!Memory::read(git_dir.path()).is_from(&source));
        let target = Target {
            commit: id,
            tip: id,
            reference: None,
        };
        Memory::write(git_dir.path(), &source, &target, Some(id), true).unwrap();
        let memory = Memory::read(git_dir.path());
        assert!(memory.is_from(&source));
        assert!(!memory.objects_changed(git_dir.path()).unwrap());
        fs::write(git_dir.path().join("objects/pack/pack-x.pack"), "x").unwrap();
        assert!(memory.objects_changed(git_dir.path()).unwrap());
        assert_eq!(memory.settled_index(id), Some(id));
        assert_eq!(
            memory.settled_index(ObjectId::null(gix::hash::Kind::Sha1)),
            None
        );
        fs::write(file(git_dir.path()), "{\"source\": \"h").unwrap();
        assert_eq!(Memory::read(git_dir.path()), Memory::default());
    }

    #[test]
    fn an_unfinished_delivery_is_seen() {
        let git_dir = tempfile::tempdir().unwrap();
        let id = ObjectId::empty_tree(gix::hash::Kind::Sha1);
        assert_eq!(unfinished(git_dir.path()), None);
        begin(git_dir.path(), id).unwrap();
        assert_eq!(
            unfinished(git_dir.path()),
            Some(Unfinished {
                commit: id,
                died: true
            })
        );
        give_up(git_dir.path());
        assert_eq!(
            unfinished(git_dir.path()),
            Some(Unfinished {
                commit: id,
                died: false
            })
        );
        end(git_dir.path()).unwrap();
        end(git_dir.path()).unwrap();
        assert_eq!(unfinished(git_dir.path()), None);
    }
}
