//! What the store does with its directory; everything here blocks.
//!
//! `values/<segment>/<segment>.value` holds values, `leases/` the files that leases lock, `tmp/` what is being written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use gitbarge_core::{Entry, Error, ErrorKind, Expect, Key, Result, Version};
use tempfile::NamedTempFile;
use tracing::{debug, warn};

use crate::durable::{make_folder, set_aside, sync_folder};
use crate::lock::{Held, lock_now, lock_soon};
use crate::names::{VALUE, folder_path, lease_name, value_path};
use crate::record::Record;

/// A temporary file of this age belongs to a process that died.
const STALE: Duration = Duration::from_secs(60 * 60);

#[derive(Debug)]
pub(crate) struct Directory {
    root: PathBuf,
    swept: Once,
}

/// What stands in a value's file.
enum Found {
    Nothing,
    Record(Record),
    Damage,
}

impl Directory {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self {
            root,
            swept: Once::new(),
        }
    }

    pub(crate) fn read(&self, key: &Key) -> Result<Option<Entry>> {
        let path = self.value_path(key)?;
        match self.load(&path, key)? {
            Found::Nothing => Ok(None),
            Found::Record(record) => Ok(Some(record.entry)),
            Found::Damage => match self.lock() {
                Ok(_lock) => self.current(&path, key),
                Err(error) => {
                    let error = error.failure().message;
                    warn!(%key, error, "A damaged value could not be set aside.");
                    Ok(None)
                }
            },
        }
    }

    /// The temporary file is written and synced before the lock is taken, so that nobody waits for the disk.
    pub(crate) fn write(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Version> {
        let path = self.value_path(key)?;
        let folder = path.parent().expect("a value lies in a folder");
        let failed = |error| self.failed(format_args!("failed to write `{key}`"), error);
        let record = Record::new(key, value);
        let temporary = self.write_temporary(&record).map_err(failed)?;
        make_folder(folder).map_err(failed)?;
        {
            let _lock = self.lock()?;
            check(key, self.current(&path, key)?.as_ref(), expect)?;
            temporary
                .persist(&path)
                .map_err(|error| failed(error.error))?;
        }
        sync_folder(folder).map_err(failed)?;
        Ok(record.entry.version)
    }

    pub(crate) fn remove(&self, key: &Key, expect: &Expect) -> Result<()> {
        let path = self.value_path(key)?;
        let folder = path.parent().expect("a value lies in a folder");
        if !folder.exists() {
            return check(key, None, expect);
        }
        let failed = |error| self.failed(format_args!("failed to delete `{key}`"), error);
        {
            let _lock = self.lock()?;
            let current = self.current(&path, key)?;
            check(key, current.as_ref(), expect)?;
            if current.is_none() {
                return Ok(());
            }
            fs::remove_file(&path).map_err(failed)?;
        }
        sync_folder(folder).map_err(failed)
    }

    pub(crate) fn keys_below(&self, prefix: &Key) -> Result<Vec<Key>> {
        let folder = folder_path(&self.values(), prefix.segments());
        let mut keys = Vec::new();
        collect_keys(&folder, &mut keys)
            .map_err(|error| self.failed(format_args!("failed to list `{prefix}`"), error))?;
        keys.retain(|key| key.is_below(prefix));
        keys.sort();
        Ok(keys)
    }

    pub(crate) fn lease(&self, key: &Key) -> Result<Held> {
        let folder = self.root.join("leases");
        let failed = |error| self.failed(format_args!("failed to take the lease `{key}`"), error);
        make_folder(&folder).map_err(failed)?;
        match lock_now(&folder.join(lease_name(key))).map_err(failed)? {
            Some(held) => Ok(held),
            None => Err(Error::new(
                ErrorKind::Locked,
                format!("somebody else holds the lease `{key}`"),
            )),
        }
    }

    /// The value as it stands, read under the lock: what is damaged is set aside.
    fn current(&self, path: &Path, key: &Key) -> Result<Option<Entry>> {
        match self.load(path, key)? {
            Found::Nothing => Ok(None),
            Found::Record(record) => Ok(Some(record.entry)),
            Found::Damage => {
                let aside = set_aside(path).map_err(|error| {
                    self.failed(
                        format_args!("failed to set the damaged `{key}` aside"),
                        error,
                    )
                })?;
                warn!(%key, aside = %aside.display(), "A damaged value was set aside.");
                Ok(None)
            }
        }
    }

    fn load(&self, path: &Path, key: &Key) -> Result<Found> {
        match fs::read(path) {
            Ok(bytes) => Ok(match Record::decode(&bytes) {
                Some(record) if record.key == *key => Found::Record(record),
                _ => Found::Damage,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
            Err(error) => Err(self.failed(format_args!("failed to read `{key}`"), error)),
        }
    }

    /// The file removes itself when it is dropped without having been renamed.
    fn write_temporary(&self, record: &Record) -> io::Result<NamedTempFile> {
        let folder = self.root.join("tmp");
        make_folder(&folder)?;
        self.swept.call_once(|| sweep(&folder));
        let mut file = NamedTempFile::new_in(&folder)?;
        io::Write::write_all(&mut file, &record.encode())?;
        file.as_file().sync_all()?;
        Ok(file)
    }

    fn lock(&self) -> Result<Held> {
        match lock_soon(&self.root.join("lock")) {
            Ok(Some(held)) => Ok(held),
            Ok(None) => Err(Error::new(
                ErrorKind::Locked,
                format!(
                    "another process holds the lock of the state directory `{}`",
                    self.root.display()
                ),
            )),
            Err(error) => Err(self.failed(format_args!("failed to lock"), error)),
        }
    }

    fn value_path(&self, key: &Key) -> Result<PathBuf> {
        value_path(&self.values(), key).ok_or_else(|| {
            Error::new(
                ErrorKind::Internal,
                "a value of the state store needs a key",
            )
        })
    }

    fn values(&self) -> PathBuf {
        self.root.join("values")
    }

    fn failed(&self, what: std::fmt::Arguments<'_>, error: io::Error) -> Error {
        let message = format!("{what} in the state directory `{}`", self.root.display());
        Error::io(message, error)
            .with_hint("check that the state directory is writable, has space, and can be locked")
    }
}

fn check(key: &Key, current: Option<&Entry>, expect: &Expect) -> Result<()> {
    let fits = match expect {
        Expect::Any => true,
        Expect::Absent => current.is_none(),
        Expect::Version(version) => current.is_some_and(|entry| entry.version == *version),
    };
    if fits {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Conflict,
        format!("somebody else has changed `{key}` in the state store"),
    ))
}

/// Damaged values are passed over here: reading them sets them aside.
fn collect_keys(folder: &Path, keys: &mut Vec<Key>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            collect_keys(&path, keys)?;
        } else if path.extension().is_some_and(|extension| extension == VALUE) {
            match fs::read(&path) {
                Ok(bytes) => keys.extend(Record::decode(&bytes).map(|record| record.key)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Removes what processes left that died while they wrote. Failing to is no reason not to write.
fn sweep(folder: &Path) {
    let stale = |entry: &fs::DirEntry| -> io::Result<bool> {
        let age = SystemTime::now().duration_since(entry.metadata()?.modified()?);
        Ok(age.is_ok_and(|age| age > STALE))
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let removed = match stale(&entry) {
            Ok(true) => fs::remove_file(entry.path()),
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            debug!(path = %entry.path().display(), %error, "A stale temporary file was not removed.");
        }
    }
}

#[cfg(test)]
mod tests;
