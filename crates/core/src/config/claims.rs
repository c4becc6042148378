//! Finds components that would write into each other's folders.

use std::path::{Component, Path, PathBuf};

use crate::Problem;

/// A folder that one component alone writes to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Claim {
    folder: PathBuf,
    at: Problem,
}

impl Claim {
    /// `at` is where the component stands.
    pub(crate) fn new(folder: &Path, at: &Problem) -> Self {
        Self {
            folder: normalised(folder),
            at: at.clone(),
        }
    }
}

/// A problem for each folder that is, or lies in, the folder of another component.
pub(crate) fn overlaps(mut claims: Vec<Claim>) -> Vec<Problem> {
    claims.sort();
    let mut problems = Vec::new();
    let mut outer: Option<&Claim> = None;
    for claim in &claims {
        // Paths sort by their components, so whatever lies in a folder follows it directly.
        match outer {
            Some(outer) if claim.folder.starts_with(&outer.folder) => {
                if claim.at.key != outer.at.key {
                    problems.push(overlap(claim, outer));
                }
            }
            _ => outer = Some(claim),
        }
    }
    problems
}

fn overlap(inner: &Claim, outer: &Claim) -> Problem {
    let relation = if inner.folder == outer.folder {
        "is also the folder of".to_owned()
    } else {
        format!("lies in `{}`, the folder of", outer.folder.display())
    };
    let message = format!(
        "`{}` {relation} `{}`: each needs a folder of its own",
        inner.folder.display(),
        outer.at.key
    );
    Problem {
        message,
        ..inner.at.clone()
    }
}

/// The path without `.`, `..`, doubled separators, and links as far as it exists: two ways to one folder are one claim.
fn normalised(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut clean = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    resolved(&clean)
}

fn resolved(path: &Path) -> PathBuf {
    for ancestor in path.ancestors() {
        if let Ok(real) = ancestor.canonicalize() {
            let rest = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
            // Joining nothing would add a separator.
            return if rest.as_os_str().is_empty() {
                real
            } else {
                real.join(rest)
            };
        }
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(claims: &[(&str, &str)]) -> Vec<String> {
        let claims = claims
            .iter()
            .map(|(folder, key)| Claim::new(Path::new(folder), &Problem::new(*key, "")));
        overlaps(claims.collect())
            .into_iter()
            .map(|p| p.key)
            .collect()
    }

    #[test]
    fn equal_and_nested_folders_overlap_and_neighbours_do_not() {
        assert_eq!(keys(&[("/a", "x"), ("/ab", "y"), ("/a-b", "z")]), [""; 0]);
        assert_eq!(keys(&[("/a", "x"), ("/a/", "y")]), ["y"]);
        assert_eq!(
            keys(&[("/a/b/c", "x"), ("/a", "y"), ("/a-b", "n"), ("/a/c", "z")]),
            ["x", "z"]
        );
        assert_eq!(keys(&[("/a/../b//./c", "x"), ("/b/c", "y")]), ["y"]);
        assert_eq!(keys(&[("c", "x"), ("./c/d", "y")]), ["y"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_and_a_link_to_it_overlap() {
        let root = tempfile::tempdir().unwrap();
        let (folder, link) = (root.path().join("folder"), root.path().join("link"));
        std::fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        let claims = [(&folder, "x"), (&link, "y")];
        let claims =
            claims.map(|(path, key)| Claim::new(&path.join("new"), &Problem::new(key, "")));
        assert_eq!(overlaps(claims.into()).len(), 1);
    }
}
