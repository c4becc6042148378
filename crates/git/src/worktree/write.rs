//! Writes the files and links of an index to disk, each whole before it stands in its place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gitbarge_core::{Error, ErrorKind, Progress, Result};
use gix::ObjectId;
use gix::bstr::BStr;
use gix::index::entry::{Flags, Mode, Stat};
use gix::index::fs::Metadata;
use gix::progress::Count as _;
use gix::worktree::stack::state::attributes::Source;

use super::convert::Converter;
use super::{on_disk, printable, rights, temporary};
use crate::error;
use crate::progress::Meter;
use crate::remote::check_stop;

/// How many files a thread takes at a time. Neighbours share their folders' attributes.
const CHUNK: usize = 64;

/// One file or link to write.
struct Job<'i> {
    /// Its place in the index.
    place: usize,
    path: &'i BStr,
    id: ObjectId,
    mode: Mode,
}

/// What all threads share.
struct Work<'w> {
    repository: &'w gix::ThreadSafeRepository,
    index: &'w gix::index::State,
    root: &'w Path,
    is_fresh: bool,
    written: Arc<AtomicUsize>,
    stop: &'w AtomicBool,
}

/// Writes all entries that are not marked to be skipped, and takes their stats over into the index.
///
/// In a fresh work tree, in which nothing stands, files are written in place. Elsewhere each is written beside and then put
/// into place, so that readers see the old or the new file, a running program stays as it is, and so do hard links.
/// Links come last, so that nothing can be written through them.
///
/// # Errors
/// `refused` if something stands where a file should in a fresh work tree, or a folder elsewhere; `corrupt`, `disk_full`.
pub(crate) fn write_files(
    repository: &gix::Repository,
    index: &mut gix::index::File,
    root: &Path,
    is_fresh: bool,
    progress: &Arc<Progress>,
    stop: &AtomicBool,
) -> Result<()> {
    let state: &gix::index::State = index;
    let (links, files): (Vec<_>, Vec<_>) = jobs(state).partition(|job| job.mode == Mode::SYMLINK);
    let shared = repository.clone().into_sync();
    let work = Work {
        repository: &shared,
        index: state,
        root,
        is_fresh,
        written: Meter::files(progress).counter(),
        stop,
    };
    let mut stats = work.in_parallel(&files)?;
    stats.extend(work.one_by_one(&mut links.chunks(CHUNK))?);
    for (place, stat) in stats {
        index.entries_mut()[place].stat = stat;
    }
    Ok(())
}

fn jobs(index: &gix::index::State) -> impl Iterator<Item = Job<'_>> {
    let entries = index.entries().iter().enumerate();
    let to_write = entries.filter(|(_, entry)| !entry.flags.contains(Flags::SKIP_WORKTREE));
    to_write.map(|(place, entry)| Job {
        place,
        path: entry.path(index),
        id: entry.id,
        mode: entry.mode,
    })
}

impl Work<'_> {
    fn in_parallel(&self, jobs: &[Job<'_>]) -> Result<Vec<(usize, Stat)>> {
        let available = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = available.min(jobs.len().div_ceil(CHUNK));
        if threads <= 1 {
            return self.one_by_one(&mut jobs.chunks(CHUNK));
        }
        let next = AtomicUsize::new(0);
        let results = std::thread::scope(|scope| {
            let started: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        let mut mine = std::iter::from_fn(|| {
                            jobs.chunks(CHUNK).nth(next.fetch_add(1, Ordering::Relaxed))
                        });
                        let done = self.one_by_one(&mut mine);
                        if done.is_err() {
                            // What the others would still do is of no use.
                            next.store(usize::MAX / 2, Ordering::Relaxed);
                        }
                        done
                    })
                })
                .collect();
            let joined = started.into_iter().map(|thread| thread.join());
            joined
                .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect::<Result<Vec<_>>>()
        })?;
        Ok(results.concat())
    }

    fn one_by_one<'j, 'i: 'j>(
        &self,
        chunks: &mut dyn Iterator<Item = &'j [Job<'i>]>,
    ) -> Result<Vec<(usize, Stat)>> {
        let repository = self.repository.to_thread_local();
        let mut converter = Converter::new(&repository, self.index, Source::IdMappingThenWorktree)
            .map_err(|e| error::local("cannot read the attributes", e))?;
        let (mut stats, mut buffer) = (Vec::new(), Vec::new());
        for job in chunks.flatten() {
            check_stop(self.stop, "writing files")?;
            stats.push((
                job.place,
                self.write(job, &repository, &mut converter, &mut buffer)?,
            ));
            self.written.fetch_add(1, Ordering::Relaxed);
        }
        Ok(stats)
    }

    fn write(
        &self,
        job: &Job<'_>,
        repository: &gix::Repository,
        converter: &mut Converter<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<Stat> {
        use gix::prelude::FindExt as _;
        let cannot = |e| error::local(self.failed(job), e);
        let blob = repository
            .objects
            .find_blob(&job.id, buffer)
            .map_err(cannot)?;
        let place = on_disk(self.root, job.path);
        let meta = if job.mode == Mode::SYMLINK {
            self.put(&place, |path| {
                symlink(std::ffi::OsStr::from_bytes(blob.data), path)
            })
            .and_then(|()| Metadata::from_path_no_follow(&place))
        } else {
            let rules = converter.rules(job.path).map_err(cannot)?;
            let content = rules.to_disk(blob.data, &job.id).map_err(cannot)?;
            let mode = if job.mode == Mode::FILE_EXECUTABLE {
                0o777
            } else {
                0o666
            };
            self.put(&place, |path| write_new(path, &content, mode))
                // Only now: moving a file into place changes its stat.
                .and_then(|file| Metadata::from_file(&file))
        };
        let meta = meta.map_err(|e| self.error(job, e))?;
        Stat::from_fs(&meta).map_err(|e| self.error(job, io::Error::other(e)))
    }

    /// Makes something new at a place.
    fn put<T>(&self, place: &Path, mut make: impl FnMut(&Path) -> io::Result<T>) -> io::Result<T> {
        if self.is_fresh {
            return in_folder_of(place, || make(place));
        }
        let folder = place.parent().unwrap_or(self.root);
        let (beside, made) = in_folder_of(place, || {
            let beside = folder.join(temporary::name());
            make(&beside).map(|made| (beside, made))
        })?;
        match fs::rename(&beside, place) {
            Ok(()) => Ok(made),
            Err(error) => {
                // That it could not be put into place is the error to tell.
                drop(fs::remove_file(&beside));
                Err(error)
            }
        }
    }

    fn failed(&self, job: &Job<'_>) -> String {
        format!(
            "failed to write `{}` in `{}`",
            printable(job.path),
            self.root.display()
        )
    }

    fn error(&self, job: &Job<'_>, error: io::Error) -> Error {
        use io::ErrorKind as Io;
        if !matches!(
            error.kind(),
            Io::AlreadyExists | Io::IsADirectory | Io::DirectoryNotEmpty | Io::NotADirectory
        ) {
            return error::io(self.failed(job), error);
        }
        let message = format!(
            "`{}` in `{}` appeared while files were written, or is the same file as another path",
            printable(job.path),
            self.root.display()
        );
        Error::new(ErrorKind::Refused, message)
    }
}

/// Does something that needs the folder of a path, which is made if it is missing.
fn in_folder_of<T>(place: &Path, mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let folder = place.parent();
    match (rights::insist(folder, &mut work), folder) {
        (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
            rights::make_folder(folder)?;
            work()
        }
        (done, _) => done,
    }
}

/// Writes a file that is not there yet; nothing is left of it if that fails.
fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    if let Err(error) = file.write_all(content) {
        // That it could not be written is the error to tell.
        drop(fs::remove_file(path));
        return Err(error);
    }
    Ok(file)
}
