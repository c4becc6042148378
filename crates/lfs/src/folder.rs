//! Objects of a repository on this machine.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use gitbarge_core::{Error, ErrorKind, Result, Run};
use percent_encoding::percent_decode_str;
use tokio::fs::File;

use crate::download::{Download, Place};
use crate::stream::{Body, wrong_size};
use crate::{Object, ObjectStream};

/// The path of a `file:///…` URL.
///
/// # Errors
/// `config`.
pub(crate) fn of_url(url: &str) -> Result<PathBuf> {
    let rest = url.get("file://".len()..).unwrap_or_default();
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        let message = "a `file` URL needs an absolute path and no host, as in `file:///srv/x.git`";
        return Err(Error::new(ErrorKind::Config, message));
    }
    let bytes: Vec<u8> = percent_decode_str(path).collect();
    Ok(OsString::from_vec(bytes).into())
}

/// Looks for objects in a repository, bare or not.
pub(crate) async fn batch(
    repository: PathBuf,
    objects: &[Object],
    run: &Run,
) -> Result<Vec<Result<Download>>> {
    let objects = objects.to_vec();
    run.blocking("looking for LFS objects", move |_| {
        let inner = repository.join(".git");
        let base = if inner.is_dir() { inner } else { repository };
        let found = objects.into_iter().map(|object| look_up(&base, object));
        Ok(found.collect())
    })
    .await
}

fn look_up(base: &Path, object: Object) -> Result<Download> {
    let path = base.join(object.path());
    length(&path, object)?;
    let place = Place::File(path);
    Ok(Download { object, place })
}

/// Opens an object's file.
///
/// # Errors
/// `remote_missing`, `corrupt` if it has another size, `refused` if it cannot be read, `cancelled`.
pub(crate) async fn open(path: &Path, object: Object, run: &Run) -> Result<ObjectStream> {
    let path = path.to_owned();
    let wanted = path.clone();
    let file = run
        .blocking("opening an LFS object", move |_| {
            let found = length(&wanted, object)?;
            if found != object.size {
                return Err(wrong_size(object, &found.to_string()));
            }
            fs::File::open(&wanted).map_err(|error| failed(&wanted, object, error))
        })
        .await?;
    let file = File::from_std(file);
    Ok(ObjectStream::new(object, Body::File { file, path }, run))
}

/// Only of a regular file: opening a pipe would wait for whoever writes to it.
fn length(path: &Path, object: Object) -> Result<u64> {
    let metadata = fs::metadata(path).map_err(|error| failed(path, object, error))?;
    if !metadata.is_file() {
        let message = format!("`{}` is no file", path.display());
        return Err(Error::new(ErrorKind::Refused, message));
    }
    Ok(metadata.len())
}

fn failed(path: &Path, object: Object, error: io::Error) -> Error {
    let is_missing = matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    );
    if is_missing {
        let message = format!(
            "LFS object {} is missing: no file `{}`",
            object.hex(),
            path.display()
        );
        return Error::new(ErrorKind::RemoteMissing, message).with_hint(
            "bring the object to where the repository is: `git lfs fetch --all` there, or `git lfs push --all` to it",
        );
    }
    Error::io(format!("failed to read `{}`", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_urls_are_decoded() {
        for (url, path) in [
            ("file:///srv/x.git", "/srv/x.git"),
            ("file:///srv/a%20b%25", "/srv/a b%"),
            ("file://localhost/srv/x", "/srv/x"),
        ] {
            assert_eq!(of_url(url).unwrap(), Path::new(path));
        }
        for url in ["file:srv", "file://host/x", "file://"] {
            assert_eq!(of_url(url).unwrap_err().kind(), ErrorKind::Config, "{url}");
        }
    }
}
