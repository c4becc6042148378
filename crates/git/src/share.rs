//! Gets objects from a repository on this machine instead of the network.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use gitbarge_core::{FetchOptions, Result};
use gix::ObjectId;

use crate::remote::check_stop;
use crate::{error, repository};

/// Sees to it that the repository has `tip` without asking the network; says whether it has.
///
/// It may be there already, or in a `donor`: a repository that has got all that the tip reaches in the same run.
pub(crate) fn obtain(
    git_dir: &Path,
    tip: ObjectId,
    options: FetchOptions,
    donors: &[PathBuf],
    stop: &AtomicBool,
) -> Result<bool> {
    if options.refetch || options.depth.is_some() {
        return Ok(false);
    }
    let repository = repository::open_bare(git_dir)?;
    if repository::is_shallow(&repository)? {
        return Ok(false);
    }
    if repository.has_object(tip) {
        return Ok(true);
    }
    for donor in donors {
        link_objects(&donor.join("objects"), &git_dir.join("objects"), &[], stop)?;
    }
    Ok(!donors.is_empty() && repository::open_bare(git_dir)?.has_object(tip))
}

/// Hard-links every object file that is missing, but for those to `skip`; objects and packs never change, so sharing them is safe.
pub(crate) fn link_objects(
    from: &Path,
    to: &Path,
    skip: &[PathBuf],
    stop: &AtomicBool,
) -> Result<()> {
    for folder in folders_of_objects(from)? {
        check_stop(stop, "sharing objects")?;
        let (source, target) = (from.join(&folder), to.join(&folder));
        make_folder(&target)?;
        // An idx makes its pack visible: it comes last.
        let mut names = object_files(&source)?;
        names.sort_by_key(|name| name.extension().is_some_and(|e| e == "idx"));
        for name in names
            .into_iter()
            .filter(|name| !skip.contains(&source.join(name)))
        {
            link(&source.join(&name), &target.join(&name))?;
        }
    }
    Ok(())
}

fn folders_of_objects(objects: &Path) -> Result<Vec<PathBuf>> {
    let names = entries(objects)?;
    let is_fan_out = |name: &str| name.len() == 2 && name.bytes().all(|b| b.is_ascii_hexdigit());
    Ok(names
        .into_iter()
        .filter(|n| n.to_str().is_some_and(|n| n == "pack" || is_fan_out(n)))
        .collect())
}

fn object_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut names = entries(folder)?;
    names.retain(|name| match name.to_str() {
        Some(text) => {
            text.ends_with(".pack")
                || text.ends_with(".idx")
                || text.bytes().all(|b| b.is_ascii_hexdigit())
        }
        None => false,
    });
    Ok(names)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = || -> io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?
            .map(|entry| Ok(PathBuf::from(entry?.file_name())))
            .collect()
    };
    list().map_err(|e| error::io(format!("failed to list `{}`", folder.display()), e))
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .map_err(|e| error::io(format!("failed to create `{}`", folder.display()), e))
}

fn link(from: &Path, to: &Path) -> Result<()> {
    let linked = match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // Another file system, or one without hard links. A temporary name keeps a half copy from being taken for an object.
        Err(_) => {
            let half = to.with_extension("gitbarge-copy");
            fs::copy(from, &half)
                .and_then(|_| fs::rename(&half, to))
                .inspect_err(|_| drop(fs::remove_file(&half)))
        }
        Ok(()) => Ok(()),
    };
    // Packed elsewhere by a git that runs beside us.
    let linked = match linked {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        linked => linked,
    };
    linked.map_err(|e| error::io(format!("failed to share `{}`", from.display()), e))
}
