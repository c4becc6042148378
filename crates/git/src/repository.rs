//! Opens and makes repositories, trusting nothing that stands in their configuration.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use gitbarge_core::{Address, ErrorKind, Result};
use gix::bstr::{BString, ByteSlice as _};
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
    // It may name packs that are gone; each pack has an index of its own.
    "core.multiPackIndex=false",
    "core.filesRefLockTimeout=1000",
    "core.packedRefsTimeout=1000",
    "core.logAllRefUpdates=true",
    "user.name=gitbarge",
    "user.email=gitbarge@localhost",
];

/// Those of them that count only while a repository is opened.
const SETTINGS_TO_OPEN: &[&str] = &[
    "core.bare=false",
    "core.useReplaceRefs=false",
    "core.multiPackIndex=false",
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
        .config_overrides(SETTINGS_TO_OPEN.iter().copied())
        .strict_config(false);
    let mut repository = gix::ThreadSafeRepository::open_opts(git_dir, options)
        .map_err(cannot)?
        .to_thread_local();
    let excludes_file = excludes_file(&repository);
    let mut config = repository.config_snapshot_mut();
    *config = File::new(Metadata::api());
    config
        .append_config(SETTINGS, Source::Api)
        .map_err(cannot)?;
    if let Some(path) = &excludes_file {
        config
            .set_raw_value("core.excludesFile", path.as_bstr())
            .map_err(cannot)?;
    }
    config.commit().map_err(cannot)?;
    Ok(repository)
}

/// The file with ignore rules of the user's own: the one that the repository's configuration names, or git's default.
fn excludes_file(repository: &gix::Repository) -> Option<BString> {
    let home = gix::path::env::home_dir();
    let context = gix::config::path::interpolate::Context {
        home_dir: home.as_deref(),
        ..gix::config::path::interpolate::Context::default()
    };
    let config = repository.config_snapshot();
    let path = match config.plumbing().path("core.excludesFile") {
        Some(named) => named.interpolate(context).ok()?,
        None => gix::path::env::xdg_config("ignore", &mut |name| {
            gix::path::env::var(name).filter(|value| !value.is_empty())
        })?,
    };
    let path = repository.git_dir().parent()?.join(path);
    // Git ignores it if it cannot be read; and whoever reads a pipe may wait for ever.
    let is_readable = path.is_file() && fs::File::open(&path).is_ok();
    is_readable.then(|| {
        gix::path::into_bstr(path)
            .ok()
            .map(std::borrow::Cow::into_owned)
    })?
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
        error::io(
            format!("failed to make a repository in `{}`", work_tree.display()),
            e,
        )
    })?;
    open(work_tree)
}

/// Makes an empty repository beside `work_tree/.git`, to be filled and then to take its place by [`swap`]. Returns its folder.
pub fn make_beside(work_tree: &Path, branch: &str, address: &Address) -> Result<PathBuf> {
    let half = work_tree.join(HALF_MADE);
    let made = remove_all(&half).and_then(|()| lay_out(&half, branch, address));
    made.map_err(|e| {
        error::io(
            format!("failed to make a repository in `{}`", work_tree.display()),
            e,
        )
    })?;
    Ok(half)
}

/// Opens the repository that was made beside, for work on its objects and refs.
///
/// # Errors
/// `corrupt` if it cannot be opened as a repository.
pub fn open_beside(work_tree: &Path) -> Result<gix::Repository> {
    open_bare(&work_tree.join(HALF_MADE))
}

/// Where the repository says that it comes from, if its configuration can be read.
pub fn origin(git_dir: &Path) -> Option<String> {
    let content = fs::read(git_dir.join("config")).ok()?;
    let meta = Metadata::from(Source::Local);
    let file =
        File::from_bytes_no_includes(&content, meta, gix::config::file::init::Options::default())
            .ok()?;
    let url = file.value::<BString>("remote.origin.url").ok()?;
    url.to_str().ok().map(str::to_owned)
}

/// Puts the repository that was made beside in the place of `work_tree/.git`, in one step; the old one is removed.
///
/// # Errors
/// `refused` where the file system cannot exchange two folders.
pub fn swap(work_tree: &Path) -> Result<()> {
    let (half, git_dir) = (work_tree.join(HALF_MADE), work_tree.join(".git"));
    let cannot = |e| {
        error::io(
            format!(
                "failed to replace the repository in `{}`",
                work_tree.display()
            ),
            e,
        )
    };
    rustix::fs::renameat_with(
        rustix::fs::CWD,
        &half,
        rustix::fs::CWD,
        &git_dir,
        rustix::fs::RenameFlags::EXCHANGE,
    )
    .map_err(|e| cannot(e.into()))?;
    // The exchange has happened: what is left of the old one must not make it look failed.
    if let Err(error) = clear_half_made(work_tree) {
        tracing::warn!(%error, "The replaced repository could not be removed.");
    }
    Ok(())
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

pub(crate) fn config_text(address: &Address) -> String {
    let url = address.as_str().replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n\
         [remote \"origin\"]\n\turl = \"{url}\"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n"
    )
}

pub(crate) fn remove_all(path: &Path) -> io::Result<()> {
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
    let removed = remove_all(&half).or_else(|_| {
        // Folders may have been made read-only.
        make_removable(&half);
        remove_all(&half)
    });
    removed.map_err(|e| error::io(format!("failed to remove `{}`", half.display()), e))
}

fn make_removable(folder: &Path) {
    if !fs::symlink_metadata(folder).is_ok_and(|meta| meta.is_dir()) {
        return;
    }
    drop(fs::set_permissions(
        folder,
        fs::Permissions::from_mode(0o700),
    ));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        make_removable(&entry.path());
    }
}

/// Removes an index that cannot be read, or that leaves files out, so that it is made anew from the commit.
///
/// Returns whether there was one.
pub fn drop_damaged_index(repository: &gix::Repository) -> Result<bool> {
    let path = repository.index_path();
    if fs::symlink_metadata(&path).is_err() {
        return Ok(false);
    }
    let is_folder = path.is_dir();
    if !is_folder {
        match repository.open_index() {
            Ok(index) if !index.is_sparse() => return Ok(false),
            Ok(_) => {}
            Err(e) => {
                let error = error::local(format!("failed to read `{}`", path.display()), e);
                match error.kind() {
                    ErrorKind::Refused | ErrorKind::DiskFull if fs::File::open(&path).is_err() => {
                        return Err(error);
                    }
                    // Another git has just replaced it.
                    ErrorKind::Locked => return Ok(false),
                    _ => {}
                }
            }
        }
    }
    tracing::warn!(path = %path.display(), "Removed a damaged index.");
    remove_all(&path)
        .map_err(|e| error::io(format!("failed to remove `{}`", path.display()), e))?;
    Ok(true)
}
