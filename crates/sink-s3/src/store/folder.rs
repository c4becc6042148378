//! Objects as files of a folder: `file:///srv/mirror`.
//!
//! object_store's own folders know no conditions on what is there, leave temporary files behind, and follow links.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use gitbarge_core::{Error, ErrorKind, PackStream, Result, panic_error};
use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::counted::Counters;
use super::incoming::Incoming;
use super::lock::Lock;
use super::tag::Tag;
use super::{Condition, Meta, Object, too_large, wrong_length};

/// Files up to this size have their content's hash as their tag, larger ones their place and time.
const HASHED: u64 = 16 << 20;
const CHUNK: usize = 256 << 10;
/// How many chunks of a file wait for their reader.
const AHEAD: usize = 8;
/// Where the lock and unfinished files are.
pub(crate) const OWN: &str = "gitbarge";

/// A folder whose files are the objects.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    counters: Arc<Counters>,
}

impl Folder {
    pub(crate) fn new(root: PathBuf, counters: Arc<Counters>) -> Self {
        Self { root, counters }
    }

    pub(crate) async fn get(self: &Arc<Self>, key: &str, most: u64) -> Result<Option<Object>> {
        self.asked();
        self.blocking(key, move |folder, key| {
            let Some(file) = folder.file(key)? else {
                return Ok(None);
            };
            let bytes = folder.content(key, &file, most)?;
            let tag =
                tag(&file, Some(&bytes)).map_err(|error| folder.failed("read", key, error))?;
            Ok(Some(Object { bytes, tag }))
        })
        .await
    }

    pub(crate) async fn read(self: &Arc<Self>, key: &str) -> Result<Option<PackStream>> {
        self.asked();
        let opened = self
            .blocking(key, move |folder, key| folder.file(key))
            .await?;
        let Some(mut file) = opened else {
            return Ok(None);
        };
        let (sender, receiver) = mpsc::channel(AHEAD);
        let (folder, key) = (self.clone(), key.to_owned());
        drop(tokio::task::spawn_blocking(move || {
            loop {
                let mut chunk = vec![0; CHUNK];
                let read = file.read(&mut chunk);
                let chunk = match read {
                    Ok(0) => return,
                    Ok(count) => {
                        chunk.truncate(count);
                        Ok(Bytes::from(chunk))
                    }
                    Err(error) => Err(folder.failed("read", &key, error)),
                };
                let is_last = chunk.is_err();
                if sender.blocking_send(chunk).is_err() || is_last {
                    return;
                }
            }
        }));
        Ok(Some(PackStream::new(receiver)))
    }

    /// Fails if there are not so many bytes.
    pub(crate) async fn get_range(
        self: &Arc<Self>,
        key: &str,
        offset: u64,
        length: usize,
    ) -> Result<Option<Bytes>> {
        self.asked();
        self.blocking(key, move |folder, key| {
            let Some(file) = folder.file(key)? else {
                return Ok(None);
            };
            let mut bytes = BytesMut::zeroed(length);
            let read = file.read_exact_at(&mut bytes, offset);
            read.map_err(|error| folder.failed("read", key, error))?;
            Ok(Some(bytes.freeze()))
        })
        .await
    }

    pub(crate) async fn head(self: &Arc<Self>, key: &str) -> Result<Option<Meta>> {
        self.asked();
        self.blocking(key, move |folder, key| {
            let Some(file) = folder.file(key)? else {
                return Ok(None);
            };
            let meta = meta(key, &file).map_err(|error| folder.failed("read", key, error))?;
            Ok(Some(meta))
        })
        .await
    }

    pub(crate) async fn put(
        self: &Arc<Self>,
        key: &str,
        body: Bytes,
        condition: Condition,
    ) -> Result<Tag> {
        self.asked();
        self.sent(body.len() as u64);
        self.blocking(key, move |folder, key| {
            let mut incoming = folder.incoming()?;
            let written = incoming.write(&body);
            written.map_err(|error| folder.failed("write", key, error))?;
            folder.publish(key, incoming, &condition)
        })
        .await
    }

    pub(crate) async fn upload<S: Stream<Item = Result<Bytes>> + Send>(
        self: &Arc<Self>,
        key: &str,
        length: u64,
        mut body: Pin<&mut S>,
    ) -> Result<()> {
        self.asked();
        let mut incoming = self.blocking(key, |folder, _| folder.incoming()).await?;
        let mut seen = 0;
        while let Some(chunk) = body.next().await {
            let chunk = chunk?;
            seen += chunk.len() as u64;
            if seen > length {
                break;
            }
            self.sent(chunk.len() as u64);
            incoming = self
                .blocking(key, move |folder, key| {
                    let written = incoming.write(&chunk);
                    written.map_err(|error| folder.failed("write", key, error))?;
                    Ok(incoming)
                })
                .await?;
        }
        if seen != length {
            return Err(wrong_length(&self.url(key), length, seen));
        }
        self.blocking(key, move |folder, key| {
            folder.publish(key, incoming, &Condition::None).map(drop)
        })
        .await
    }

    pub(crate) async fn delete(self: &Arc<Self>, key: &str) -> Result<()> {
        self.asked();
        self.blocking(key, move |folder, key| {
            let (parent, name) = split(key);
            let deleted = match folder.open_folder(parent, false) {
                Ok(Some(parent)) => unlinkat(parent.as_fd(), name, AtFlags::empty()),
                Ok(None) => Ok(()),
                Err(error) => return Err(folder.failed("delete", key, error)),
            };
            match deleted {
                Err(error) if error != Errno::NOENT => {
                    Err(folder.failed("delete", key, error.into()))
                }
                _ => Ok(()),
            }
        })
        .await
    }

    /// One operation counts as one request.
    pub(super) fn asked(&self) {
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: u64) {
        self.counters.bytes_sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Runs file operations off the async workers.
    pub(super) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        key: &str,
        work: impl FnOnce(&Self, &str) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (folder, key) = (self.clone(), key.to_owned());
        let task = tokio::task::spawn_blocking(move || work(&folder, &key));
        task.await
            .unwrap_or_else(|join| Err(panic_error("working on the mirror's folder", join)))
    }

    /// Opens a regular file; `None` if there is nothing.
    fn file(&self, key: &str) -> Result<Option<File>> {
        let (parent, name) = split(key);
        let opening = || -> io::Result<Option<File>> {
            let Some(parent) = self.open_folder(parent, false)? else {
                return Ok(None);
            };
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file = match openat(parent.as_fd(), name, flags, Mode::empty()) {
                Err(Errno::NOENT) => return Ok(None),
                opened => File::from(opened?),
            };
            match file.metadata()?.is_file() {
                true => Ok(Some(file)),
                false => Err(io::Error::other("it is no file")),
            }
        };
        opening().map_err(|error| self.failed("read", key, error))
    }

    fn content(&self, key: &str, file: &File, most: u64) -> Result<Bytes> {
        let mut content = Vec::new();
        let read = file.take(most.saturating_add(1)).read_to_end(&mut content);
        read.map_err(|error| self.failed("read", key, error))?;
        match content.len() as u64 > most {
            true => Err(too_large(&self.url(key), content.len() as u64)),
            false => Ok(content.into()),
        }
    }

    pub(super) fn incoming(&self) -> Result<Incoming> {
        let making = || {
            let own = self.own_folder()?;
            let lock = Lock::take(&own)?;
            let incoming = Incoming::make(&own)?;
            drop(lock);
            Ok(incoming)
        };
        making().map_err(|error| self.failed("write to", "", error))
    }

    /// Puts a complete file in its place, if the condition holds.
    pub(super) fn publish(
        &self,
        key: &str,
        incoming: Incoming,
        condition: &Condition,
    ) -> Result<Tag> {
        let (parent, name) = split(key);
        let publishing = || -> io::Result<Option<Tag>> {
            let parent = self.open_folder(parent, true)?;
            let parent = parent.ok_or(io::ErrorKind::NotFound)?;
            let lock = Lock::take(&self.own_folder()?)?;
            let holds = match condition {
                Condition::None => true,
                Condition::Absent => self.file(key).map_err(io::Error::other)?.is_none(),
                Condition::Is(expected) => match self.file(key).map_err(io::Error::other)? {
                    Some(file) => tag(&file, None)? == *expected,
                    None => false,
                },
            };
            if !holds {
                return Ok(None);
            }
            let file = incoming.rename(&parent, name)?;
            drop(lock);
            tag(&file, None).map(Some)
        };
        let published = publishing().map_err(|error| self.failed("write", key, error))?;
        published.ok_or_else(|| {
            let message = format!("`{}` was changed by somebody else", self.url(key));
            Error::new(ErrorKind::Conflict, message)
        })
    }

    /// The folder with the lock, below the root, which is made too.
    fn own_folder(&self) -> io::Result<File> {
        let own = self.open_folder(OWN, true)?;
        own.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Goes down step by step, through no link below the root. `None` if it is not there and not to be made.
    pub(super) fn open_folder(&self, path: &str, make: bool) -> io::Result<Option<File>> {
        if make {
            std::fs::create_dir_all(&self.root)?;
        }
        let mut folder = match File::open(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        for name in path.split('/').filter(|name| !name.is_empty()) {
            if make {
                match mkdirat(folder.as_fd(), name, Mode::from_raw_mode(0o777)) {
                    Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                    Ok(()) => folder.sync_all()?,
                }
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            folder = match openat(folder.as_fd(), name, flags, Mode::empty()) {
                Err(Errno::NOENT) => return Ok(None),
                opened => File::from(opened?),
            };
        }
        Ok(Some(folder))
    }

    fn url(&self, key: &str) -> String {
        crate::url::StoreUrl::Folder(self.root.clone()).of_key(key)
    }

    pub(super) fn failed(&self, doing: &str, key: &str, error: io::Error) -> Error {
        let message = format!("failed to {doing} `{}`", self.url(key));
        let error = match error.downcast::<Error>() {
            Ok(inner) => return inner,
            Err(error) => error,
        };
        if error.kind() == io::ErrorKind::WouldBlock {
            let message = format!("`{}` is locked by another process", self.url(""));
            return Error::new(ErrorKind::Locked, message);
        }
        let is_link =
            matches!(error.raw_os_error(), Some(code) if code == Errno::LOOP.raw_os_error());
        if is_link {
            let message = format!("{message}: a symbolic link is in the way");
            return Error::new(ErrorKind::Refused, message);
        }
        Error::io(message, error)
    }
}

fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('/').unwrap_or(("", key))
}

pub(super) fn meta(key: &str, file: &File) -> io::Result<Meta> {
    let about = file.metadata()?;
    Ok(Meta {
        key: key.to_owned(),
        size: about.len(),
        modified: about.modified()?.try_into().unwrap_or_default(),
        tag: tag(file, None)?,
        // Files bear no mark: only where nobody else writes are they ours for sure.
        ours: key.starts_with("gitbarge/"),
    })
}

/// What a file is, whoever wrote it: its content, so that two writes within one tick of the clock differ.
fn tag(file: &File, content: Option<&[u8]>) -> io::Result<Tag> {
    let about = file.metadata()?;
    if about.len() > HASHED {
        let (seconds, nanos) = (about.mtime(), about.mtime_nsec());
        let text = format!("{}-{}-{seconds}-{nanos}", about.len(), about.ino());
        return Ok(Tag::from(text));
    }
    let digest = match content {
        Some(content) => Sha256::digest(content),
        None => {
            let mut content = Vec::new();
            let mut whole = file.try_clone()?;
            io::Seek::rewind(&mut whole)?;
            whole.read_to_end(&mut content)?;
            Sha256::digest(content)
        }
    };
    let hex = digest.iter().map(|byte| format!("{byte:02x}"));
    Ok(Tag::from(hex.collect::<String>()))
}
