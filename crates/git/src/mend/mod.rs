//! Puts right what makes a repository's own files unreadable, for stock git and for us, and loses nothing by it.

mod carry;
mod config;
mod files;
mod objects;
mod refs;

pub use carry::carry_over;
pub use objects::{Damage, damaged_objects, drop_emptied_packs, mend_objects, salvage};
pub use refs::{refs_without_object, restore_from_reflog, set_aside_ref};

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gitbarge_core::{Address, Error, ErrorKind, Result};

use crate::error;

/// Where what is damaged is put, below the repository's folder.
const ASIDE: &str = "gitbarge/set-aside";

/// What mending a repository's own files has done, or would do.
#[derive(Debug, Default)]
pub struct Mended {
    /// One line for each thing that was put right.
    pub repaired: Vec<String>,
    /// Refs that could not be read and were set aside.
    pub lost_refs: Vec<String>,
}

/// Says what [`mend`] would put right. Reads a handful of small files; changes nothing.
///
/// # Errors
/// `refused` if the repository is of a kind that cannot be worked on, or may not be read.
pub fn survey(git_dir: &Path) -> Result<Vec<String>> {
    let mut mender = Mender::new(git_dir, true);
    mender.all("refs/heads/main", None)?;
    Ok(mender.done.repaired)
}

/// Puts right what stock git or gitbarge would reject or misread: HEAD, refs, configuration, boundaries and caches.
///
/// HEAD is put on `branch` if it cannot be read. What was damaged is moved aside, never deleted, but for what can be remade.
///
/// # Errors
/// `refused` as for [`survey`]; `locked` if somebody else works on the same file; `disk_full`.
pub fn mend(git_dir: &Path, branch: &str, address: &Address) -> Result<Mended> {
    let mut mender = Mender::new(git_dir, false);
    mender.all(branch, Some(address))?;
    for line in &mender.done.repaired {
        tracing::warn!(repaired = line, "Mended the repository.");
    }
    Ok(mender.done)
}

/// Removes what was set aside longer than `keep` ago.
pub fn expire_set_aside(git_dir: &Path, keep: Duration) {
    let Some(oldest) = SystemTime::now().checked_sub(keep) else {
        return;
    };
    for entry in fs::read_dir(git_dir.join(ASIDE))
        .into_iter()
        .flatten()
        .flatten()
    {
        let is_old = entry
            .metadata()
            .and_then(|meta| meta.modified())
            .is_ok_and(|time| time < oldest);
        if is_old && let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::debug!(%error, "What was set aside cannot be removed.");
        }
    }
}

/// Looks at one repository, and changes it unless it only `looks`.
struct Mender<'r> {
    git_dir: &'r Path,
    looks: bool,
    /// Refs may be gone without a trace but their logs.
    many_lost: bool,
    done: Mended,
}

impl<'r> Mender<'r> {
    fn new(git_dir: &'r Path, looks: bool) -> Self {
        Self {
            git_dir,
            looks,
            many_lost: false,
            done: Mended::default(),
        }
    }

    fn all(&mut self, branch: &str, address: Option<&Address>) -> Result<()> {
        self.common_folder()?;
        self.config(address)?;
        self.folders()?;
        self.head(branch)?;
        self.packed_refs()?;
        self.loose_refs()?;
        self.shallow()?;
        self.alternates()?;
        self.caches()
    }

    fn note(&mut self, line: impl Into<String>) {
        self.done.repaired.push(line.into());
    }

    /// Moves a file or folder aside.
    fn aside(&self, name: &str) -> Result<()> {
        if self.looks {
            return Ok(());
        }
        move_aside(self.git_dir, Path::new(name)).map(drop)
    }

    /// Keeps what a file that is about to be replaced says; it stays where it is until then. A folder is moved.
    fn keep(&self, name: &str) -> Result<()> {
        let path = self.git_dir.join(name);
        match fs::symlink_metadata(&path) {
            _ if self.looks => Ok(()),
            Ok(meta) if meta.is_file() && meta.len() == 0 => Ok(()),
            Ok(meta) if meta.is_file() => link_aside(self.git_dir, Path::new(name)),
            Ok(_) => self.aside(name),
            Err(_) => Ok(()),
        }
    }

    /// Replaces a file in git's own way: under its lock, and in one step.
    fn replace(&self, name: &str, content: &[u8]) -> Result<()> {
        if self.looks {
            return Ok(());
        }
        replace_locked(&self.git_dir.join(name), content)
    }

    /// The content of a file; `None` if there is none.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        read_if_there(&self.git_dir.join(name))
    }
}

/// The content of a file; `None` if there is none, or a folder in its place.
fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::IsADirectory
            ) =>
        {
            Ok(None)
        }
        Err(e) => Err(error::io(format!("failed to read `{}`", path.display()), e)),
    }
}

/// Moves `name` out of the repository's way, where people find it again; says where to.
fn move_aside(git_dir: &Path, name: &Path) -> Result<PathBuf> {
    let from = git_dir.join(name);
    let to = free_place(git_dir, name);
    let moved =
        fs::create_dir_all(to.parent().unwrap_or(git_dir)).and_then(|()| fs::rename(&from, &to));
    match moved {
        Err(e) if e.kind() == io::ErrorKind::NotFound && !from.exists() => Ok(to),
        Err(e) => Err(error::io(
            format!("failed to set `{}` aside", from.display()),
            e,
        )),
        Ok(()) => Ok(to),
    }
}

/// As [`move_aside`], but leaves the file where it is. Nothing there is no error.
fn copy_aside(git_dir: &Path, name: &Path) -> Result<PathBuf> {
    let Some(content) = read_if_there(&git_dir.join(name))? else {
        return Ok(free_place(git_dir, name));
    };
    let to = free_place(git_dir, name);
    let folder = to.parent().unwrap_or(git_dir);
    let copied = fs::create_dir_all(folder).and_then(|()| fs::write(&to, content));
    copied.map_err(|e| error::io(format!("failed to write `{}`", to.display()), e))?;
    Ok(to)
}

fn link_aside(git_dir: &Path, name: &Path) -> Result<()> {
    let (from, to) = (git_dir.join(name), free_place(git_dir, name));
    // A second name takes no space, which may be lacking.
    let linked =
        fs::create_dir_all(to.parent().unwrap_or(git_dir)).and_then(|()| fs::hard_link(&from, &to));
    linked.or_else(|_| copy_aside(git_dir, name).map(drop))
}

fn free_place(git_dir: &Path, name: &Path) -> PathBuf {
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let folder = git_dir.join(ASIDE);
    let first = folder.join(seconds.to_string()).join(name);
    let others = (2..).map(|number: u32| folder.join(format!("{seconds}-{number}")).join(name));
    let mut places = std::iter::once(first.clone()).chain(others);
    places
        .find(|place| fs::symlink_metadata(place).is_err())
        .unwrap_or(first)
}

fn replace_locked(path: &Path, content: &[u8]) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock = PathBuf::from(name);
    let opened = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&lock);
    let mut file = match opened {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            let message = format!("`{}` is locked by another git process", lock.display());
            return Err(Error::new(ErrorKind::Locked, message));
        }
        opened => {
            opened.map_err(|e| error::io(format!("failed to lock `{}`", path.display()), e))?
        }
    };
    let written = io::Write::write_all(&mut file, content).and_then(|()| fs::rename(&lock, path));
    written.map_err(|e| {
        drop(fs::remove_file(&lock));
        error::io(format!("failed to write `{}`", path.display()), e)
    })
}
