//! Moves refs, and keeps what a move would lose.

use gitbarge_core::{Error, ErrorKind, Result};
use gix::ObjectId;
use gix::bstr::ByteSlice as _;
use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit, RefLog};
use gix::refs::{FullName, Target};

use crate::error;

/// Where discarded commits are kept, each under the time of the run.
pub const DISCARDED: &str = "refs/gitbarge/discarded/";

/// What a ref points to; `None` if it does not exist, is symbolic or broken.
pub fn find(repository: &gix::Repository, name: &str) -> Option<ObjectId> {
    repository
        .try_find_reference(name)
        .ok()
        .flatten()
        .and_then(|r| r.try_id().map(gix::Id::detach))
}

/// The commit that HEAD is on by its own word, whether or not that object is there.
pub fn head(repository: &gix::Repository) -> Option<ObjectId> {
    match repository.head().ok()?.kind {
        gix::head::Kind::Symbolic(branch) => match branch.target {
            Target::Object(id) => Some(id),
            Target::Symbolic(name) => find(repository, name.as_bstr().to_str().ok()?),
        },
        gix::head::Kind::Detached { target, .. } => Some(target),
        gix::head::Kind::Unborn(_) => None,
    }
}

/// Points `name` at `id`, whatever it pointed to before. Refs whose names stand in its way (`a` for `a/b`, and back) are removed.
pub fn set(repository: &gix::Repository, name: &str, id: ObjectId, message: &str) -> Result<()> {
    for obstacle in obstacles(repository, name)? {
        delete(repository, &obstacle)?;
    }
    // gix gives up on names with many folders that do not exist yet; an error shows in the edit itself.
    for path in [
        repository.git_dir().join(name),
        repository.git_dir().join("logs").join(name),
    ] {
        drop(path.parent().map(std::fs::create_dir_all));
    }
    edit(repository, name, update(Target::Object(id), message))
}

/// Puts HEAD on a branch.
pub fn attach_head(repository: &gix::Repository, branch: &str, message: &str) -> Result<()> {
    edit(
        repository,
        "HEAD",
        update(Target::Symbolic(full_name(branch)?), message),
    )
}

/// Points HEAD at a commit, on no branch.
pub fn detach_head(repository: &gix::Repository, id: ObjectId, message: &str) -> Result<()> {
    edit(repository, "HEAD", update(Target::Object(id), message))
}

/// Removes a ref, if it exists.
pub fn delete(repository: &gix::Repository, name: &str) -> Result<()> {
    edit(
        repository,
        name,
        Change::Delete {
            expected: PreviousValue::Any,
            log: RefLog::AndReference,
        },
    )
}

/// The refs that cannot exist beside `name`, because they are folders of it or it is one of theirs.
pub fn obstacles(repository: &gix::Repository, name: &str) -> Result<Vec<String>> {
    let mut found = below(repository, &format!("{name}/"))?;
    let mut parent = name;
    while let Some((above, _)) = parent
        .rsplit_once('/')
        .filter(|(above, _)| above.matches('/').count() >= 2)
    {
        if repository
            .try_find_reference(above)
            .ok()
            .flatten()
            .is_some()
        {
            found.push(above.to_owned());
        }
        parent = above;
    }
    Ok(found)
}

/// The names of all refs below a prefix that ends in `/`.
pub fn below(repository: &gix::Repository, prefix: &str) -> Result<Vec<String>> {
    let cannot = |e| error::local("cannot read refs", e);
    let references = repository.references().map_err(cannot)?;
    let names = references.prefixed(prefix).map_err(cannot)?;
    Ok(names
        .filter_map(|r| r.ok()?.name().as_bstr().to_str().ok().map(str::to_owned))
        .collect())
}

fn update(new: Target, message: &str) -> Change {
    let log = LogChange {
        mode: RefLog::AndReference,
        force_create_reflog: false,
        message: message.into(),
    };
    Change::Update {
        log,
        expected: PreviousValue::Any,
        new,
    }
}

fn edit(repository: &gix::Repository, name: &str, change: Change) -> Result<()> {
    let edit = RefEdit {
        change,
        name: full_name(name)?,
        deref: false,
    };
    let edited = repository.edit_reference(edit);
    edited
        .map(drop)
        .map_err(|e| error::local(format!("failed to change `{name}`"), e))
}

fn full_name(name: &str) -> Result<FullName> {
    FullName::try_from(name).map_err(|e| {
        Error::new(
            ErrorKind::RefMissing,
            format!("`{name}` is no name for a ref"),
        )
        .with_source(e)
    })
}
