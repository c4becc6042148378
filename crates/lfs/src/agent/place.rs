//! Where git-lfs keeps its own temporary files.

use std::fs;
use std::path::{Path, PathBuf};

use gitbarge_core::{Error, ErrorKind, Result};

/// The longest `.git` file that is read, in bytes.
const LONGEST: u64 = 64 << 10;

/// The folder for temporary files of git-lfs, for a repository around `start`: `lfs/tmp` in its git folder.
///
/// `git_dir` is what the variable `GIT_DIR` says, for whoever may read it. Linked work trees have the folder of their
/// repository. Blocking.
///
/// # Errors
/// `config` if there is no repository.
pub fn folder(start: &Path, git_dir: Option<&Path>) -> Result<PathBuf> {
    let found = match git_dir {
        Some(path) => Some(start.join(path)),
        None => start.ancestors().find_map(git_folder),
    };
    let found = found.ok_or_else(|| {
        let message = format!("`{}` is in no git repository", start.display());
        Error::new(ErrorKind::Config, message)
            .with_hint("git-lfs starts its transfer agent by itself, in a repository")
    })?;
    let common = match text(&found.join("commondir")) {
        Some(common) => found.join(common),
        None => found,
    };
    Ok(common.join("lfs/tmp"))
}

/// The git folder of a work tree, or of a bare repository, at this very path.
fn git_folder(path: &Path) -> Option<PathBuf> {
    let inner = path.join(".git");
    if inner.is_dir() {
        return Some(inner);
    }
    if let Some(linked) = text(&inner) {
        return Some(path.join(linked.strip_prefix("gitdir: ")?));
    }
    let is_bare = path.join("HEAD").is_file() && path.join("objects").is_dir();
    is_bare.then(|| path.to_owned())
}

/// The line of a small file.
fn text(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > LONGEST {
        return None;
    }
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use gitbarge_testkit::repository::{Repository, git, printed};

    use super::*;

    #[test]
    fn the_folder_is_found_from_everywhere_in_a_repository() {
        let repository = Repository::with_one_commit();
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        let (clone, tree) = (base.join("clone"), base.join("tree"));
        printed(
            git(&base)
                .arg("clone")
                .arg("-q")
                .arg(repository.path())
                .arg(&clone),
        );
        printed(
            git(&clone)
                .args(["worktree", "add", "-q", "--detach"])
                .arg(&tree),
        );
        fs::create_dir(clone.join("deep")).unwrap();

        let expected = clone.join(".git/lfs/tmp");
        let found = |start: &Path| folder(start, None).unwrap();
        assert_eq!(found(&clone), expected);
        assert_eq!(found(&clone.join("deep")), expected);
        assert_eq!(
            folder(&base, Some(Path::new("clone/.git"))).unwrap(),
            expected
        );
        let of_tree = found(&tree)
            .parent()
            .unwrap()
            .parent()
            .unwrap()
            .canonicalize();
        assert_eq!(of_tree.unwrap(), clone.join(".git"));
        assert_eq!(found(repository.path()), repository.path().join("lfs/tmp"));
    }

    #[test]
    fn outside_of_a_repository_there_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let error = folder(dir.path(), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}
