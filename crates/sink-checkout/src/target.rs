//! The folder that holds the checkout: what stands there, and its lock.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use gitbarge_core::{Error, ErrorKind, Result, Run};
use gitbarge_git::repository::HALF_MADE;
use tokio::time::Instant;

/// How often a lock that somebody else holds is tried.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// What stands at the target's path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Missing,
    /// An empty folder, or one with nothing but our own unfinished work.
    Empty,
    Repository,
    /// Anything else, in words.
    Foreign(String),
}

/// Looks at the target's path. Changes nothing.
pub(crate) fn look(path: &Path) -> Result<Standing> {
    let cannot = |e| Error::io(format!("cannot look at `{}`", path.display()), e);
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => {}
        Ok(_) => return Ok(Standing::Foreign("is not a folder".to_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            return Ok(Standing::Missing);
        }
        Err(e) => return Err(cannot(e)),
    }
    match fs::symlink_metadata(path.join(".git")) {
        Ok(meta) if meta.is_dir() => return Ok(standing_of_git_dir(&path.join(".git"))),
        Ok(_) => {
            return Ok(Standing::Foreign(
                "is a linked work tree or submodule: its `.git` is not a folder".to_owned(),
            ));
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(cannot(e)),
    }
    for entry in fs::read_dir(path).map_err(cannot)? {
        if entry.map_err(cannot)?.file_name() != HALF_MADE {
            return Ok(Standing::Foreign(
                "is a folder with files that is not a git repository".to_owned(),
            ));
        }
    }
    Ok(Standing::Empty)
}

/// A `.git` folder is a repository, however damaged, if objects were ever kept in it.
fn standing_of_git_dir(git_dir: &Path) -> Standing {
    if git_dir.join("objects").is_dir() || git_dir.join("HEAD").exists() {
        Standing::Repository
    } else {
        Standing::Foreign("has a `.git` folder that is no repository".to_owned())
    }
}

/// The error for what must not be touched.
pub(crate) fn refused(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("`{}` {what}", path.display()))
}

/// Makes the folder if it is missing, and locks it against every other process, whatever state directory that one uses.
///
/// # Errors
/// `locked` if somebody else holds it for longer than `patience`.
pub(crate) async fn lock(path: &Path, patience: Duration, run: &Run) -> Result<File> {
    let target = path.to_owned();
    let folder = run
        .blocking("opening the target", move |_| open_folder(&target))
        .await?;
    let until = Instant::now() + patience;
    loop {
        match folder.try_lock() {
            Ok(()) => return Ok(folder),
            Err(TryLockError::Error(e)) => {
                return Err(Error::io(format!("failed to lock `{}`", path.display()), e));
            }
            Err(TryLockError::WouldBlock) if Instant::now() < until => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!("another process works on `{}`", path.display());
                return Err(Error::new(ErrorKind::Locked, message));
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOCK_PAUSE) => {}
            () = run.cancelled() => return Err(Error::cancelled("waiting for the target's lock")),
        }
    }
}

fn open_folder(path: &Path) -> Result<File> {
    if let Standing::Foreign(what) = look(path)? {
        return Err(refused(path, &what));
    }
    let open = || {
        fs::create_dir_all(path)?;
        File::open(path)
    };
    open().map_err(|e| Error::io(format!("failed to open `{}`", path.display()), e))
}

/// Whether this process may write into a folder.
pub(crate) fn is_writable(folder: &Path) -> Result<()> {
    rustix::fs::access(
        folder,
        rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK,
    )
    .map_err(|e| Error::io(format!("`{}` is not writable", folder.display()), e.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_there_is_told_apart() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x");
        assert_eq!(look(&path).unwrap(), Standing::Missing);
        fs::create_dir_all(path.join(HALF_MADE)).unwrap();
        assert_eq!(look(&path).unwrap(), Standing::Empty);
        fs::write(path.join("mine"), "x").unwrap();
        assert!(matches!(look(&path).unwrap(), Standing::Foreign(_)));
        fs::create_dir_all(path.join(".git/objects")).unwrap();
        assert_eq!(look(&path).unwrap(), Standing::Repository);
        assert!(matches!(
            look(&path.join("mine")).unwrap(),
            Standing::Foreign(_)
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_locked_target_is_waited_for_and_then_reported() {
        let root = tempfile::tempdir().unwrap();
        let run = Run::standalone("x");
        let first = lock(root.path(), Duration::ZERO, &run).await.unwrap();
        let error = lock(root.path(), Duration::from_secs(5), &run)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked);
        drop(first);
        lock(root.path(), Duration::ZERO, &run).await.unwrap();
    }
}
