//! A file on its way into a folder: complete before it gets its name, gone if it never does.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;

/// Where such files are.
pub(crate) const FOLDER: &str = "gitbarge/incoming";

static COUNT: AtomicU64 = AtomicU64::new(0);

/// A file without its name; removed when dropped.
#[derive(Debug)]
pub(crate) struct Incoming {
    folder: File,
    /// `None` when it has its name.
    name: Option<String>,
    file: File,
}

impl Incoming {
    /// Makes an empty one, and removes what dead processes have left. The caller holds the folder's lock.
    pub(crate) fn make(own: &File) -> io::Result<Self> {
        match mkdirat(own.as_fd(), "incoming", Mode::from_raw_mode(0o700)) {
            Err(Errno::EXIST) | Ok(()) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = File::from(openat(own.as_fd(), "incoming", flags, Mode::empty())?);
        sweep(&folder)?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // Processes in containers may have the same id.
        let nanos = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let name = format!("{}-{}-{count}", std::process::id(), nanos.as_nanos());
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Web servers read it under another user, so the umask alone decides.
        let file = openat(folder.as_fd(), &*name, flags, Mode::from_raw_mode(0o666))?;
        let file = File::from(file);
        // Locked as long as it is being written: that is how others know that it is no leftover.
        file.try_lock()?;
        Ok(Self {
            folder,
            name: Some(name),
            file,
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// For reading what was written, also when it has its name.
    pub(crate) fn reader(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Gives it its name, durably, in place of what had it.
    pub(crate) fn rename(mut self, to: &File, name: &str) -> io::Result<File> {
        self.file.sync_all()?;
        let from = self.name.as_deref().expect("it is renamed once");
        renameat(self.folder.as_fd(), from, to.as_fd(), name)?;
        self.name = None;
        self.file.unlock()?;
        to.sync_all()?;
        self.file.try_clone()
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(name) = &self.name
            && let Err(error) = unlinkat(self.folder.as_fd(), &**name, AtFlags::empty())
        {
            tracing::debug!(%error, "A later write removes an unfinished file.");
        }
    }
}

fn sweep(folder: &File) -> io::Result<()> {
    for entry in Dir::read_from(folder.as_fd())? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = openat(folder.as_fd(), name, flags, Mode::empty()) else {
            continue;
        };
        if File::from(file).try_lock().is_ok() {
            unlinkat(folder.as_fd(), name, AtFlags::empty())?;
        }
    }
    Ok(())
}
