//! Opens and makes repositories, trusting nothing that stands in their configuration.

use std::fs;
use std::io;
use std::path::Path;

use gitbarge_core::{Address, Error, Result};
use gix::config::{File, Source, file::Metadata};

use crate::error;

/// Settings under which every repository is worked on, whatever its own configuration says: files are what the tree says,
/// byte for byte and bit for bit, and no program is ever started.
const SETTINGS: &[&str] = &[
    "core.repositoryFormatVersion=0",
    "core.bare=false",
    "core.fileMode=true",
    "core.symlinks=true",
    "core.ignoreCase=false",
    "core.precomposeUnicode=false",
    "core.protectNTFS=false",
    "core.autocrlf=false",
    "core.useReplaceRefs=false",
    "core.logAllRefUpdates=true",
    "user.name=gitbarge",
    "user.email=gitbarge@localhost",
];

/// Opens the repository whose `.git` folder lies in `work_tree`.
///
/// # Errors
/// `corrupt` if it cannot be opened as a repository.
pub fn open(work_tree: &Path) -> Result<gix::Repository> {
    let mut repository = open_bare(&work_tree.join(".git"))?;
    repository
        .set_workdir(work_tree.to_owned())
        .map_err(|e| error::local(format!("cannot work in `{}`", work_tree.display()), e))?;
    Ok(repository)
}

/// Opens the repository at `git_dir`, for work on its objects and refs.
///
/// # Errors
/// `corrupt` if it cannot be opened as a repository.
pub(crate) fn open_bare(git_dir: &Path) -> Result<gix::Repository> {
    let cannot = |e| {
        error::local(
            format!("cannot open the repository `{}`", git_dir.display()),
            e,
        )
    };
    let options = gix::open::Options::isolated()
        .with(gix::sec::Trust::Reduced)
        .bail_if_untrusted(false)
        .open_path_as_is(true)
        .strict_config(false);
    let mut repository = gix::ThreadSafeRepository::open_opts(git_dir, options)
        .map_err(cannot)?
        .to_thread_local();
    let mut config = repository.config_snapshot_mut();
    *config = File::new(Metadata::api());
    config
        .append_config(SETTINGS, Source::Api)
        .map_err(cannot)?;
    config.commit().map_err(cannot)?;
    Ok(repository)
}

/// Whether the repository's history is cut off somewhere.
pub fn is_shallow(repository: &gix::Repository) -> Result<bool> {
    repository
        .is_shallow()
        .map_err(|e| error::local("cannot read the shallow boundary", e))
}

/// Makes an empty repository in `work_tree/.git` whose HEAD is on `branch`, and whose `origin` is `address`.
///
/// It appears at once or not at all; what a killed process has left half made is replaced.
pub fn init(work_tree: &Path, branch: &str, address: &Address) -> Result<gix::Repository> {
    let half = work_tree.join(HALF_MADE);
    let made = || -> io::Result<()> {
        remove_all(&half)?;
        lay_out(&half, branch, address)?;
        fs::rename(&half, work_tree.join(".git"))
    };
    made().map_err(|e| {
        Error::io(
            format!("failed to make a repository in `{}`", work_tree.display()),
            e,
        )
    })?;
    open(work_tree)
}

/// Puts a new, empty repository in the place of `work_tree/.git`, in one step; the old one is removed.
///
/// # Errors
/// `refused` where the file system cannot exchange two folders.
pub fn replace(work_tree: &Path, branch: &str, address: &Address) -> Result<gix::Repository> {
    let (half, git_dir) = (work_tree.join(HALF_MADE), work_tree.join(".git"));
    let cannot = |e| {
        Error::io(
            format!(
                "failed to replace the repository in `{}`",
                work_tree.display()
            ),
            e,
        )
    };
    remove_all(&half)
        .and_then(|()| lay_out(&half, branch, address))
        .map_err(cannot)?;
    rustix::fs::renameat_with(
        rustix::fs::CWD,
        &half,
        rustix::fs::CWD,
        &git_dir,
        rustix::fs::RenameFlags::EXCHANGE,
    )
    .map_err(|e| cannot(e.into()))?;
    remove_all(&half).map_err(cannot)?;
    open(work_tree)
}

/// The name of a repository that is being made or removed, beside `.git`.
pub const HALF_MADE: &str = ".git.gitbarge-new";

fn lay_out(git_dir: &Path, branch: &str, address: &Address) -> io::Result<()> {
    for folder in [
        "objects/pack",
        "objects/info",
        "refs/heads",
        "refs/tags",
        "info",
    ] {
        fs::create_dir_all(git_dir.join(folder))?;
    }
    fs::write(git_dir.join("HEAD"), format!("ref: {branch}\n"))?;
    fs::write(git_dir.join("config"), config_text(address))
}

fn config_text(address: &Address) -> String {
    let url = address.as_str().replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n\
         [remote \"origin\"]\n\turl = \"{url}\"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n"
    )
}

fn remove_all(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// Removes what a killed process has left of making or replacing a repository.
pub fn clear_half_made(work_tree: &Path) -> Result<()> {
    let half = work_tree.join(HALF_MADE);
    remove_all(&half).map_err(|e| Error::io(format!("failed to remove `{}`", half.display()), e))
}

/// Removes an index that cannot be read, so that it is made anew from the commit.
pub fn drop_damaged_index(repository: &gix::Repository) -> Result<()> {
    let path = repository.index_path();
    if repository.open_index().is_ok() || !path.exists() {
        return Ok(());
    }
    tracing::warn!(path = %path.display(), "Removed a damaged index.");
    remove_all(&path).map_err(|e| Error::io(format!("failed to remove `{}`", path.display()), e))
}
