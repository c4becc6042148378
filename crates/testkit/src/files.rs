//! What lies in a folder, for comparing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Files and links by their path; folders show themselves by what is in them.
pub type Files = BTreeMap<PathBuf, File>;

/// A file, as far as git knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum File {
    /// A file that cannot be executed.
    Plain(Vec<u8>),
    /// A file that its owner may execute.
    Executable(Vec<u8>),
    /// A symbolic link, and where it leads.
    Link(PathBuf),
}

/// All that lies in a folder, but for `.git` at its top. Empty if there is no such folder.
///
/// # Panics
/// If something in it is neither a file, a link nor a folder, or cannot be read.
pub fn of_folder(folder: &Path) -> Files {
    let mut files = Files::new();
    if folder.exists() {
        collect(folder, Path::new(""), &mut files);
    }
    files.retain(|path, _| !path.starts_with(".git"));
    files
}

fn collect(folder: &Path, below: &Path, files: &mut Files) {
    for entry in fs::read_dir(folder).expect("the folder is readable") {
        let entry = entry.expect("the folder is readable");
        let (from, path) = (entry.path(), below.join(entry.file_name()));
        let metadata = fs::symlink_metadata(&from).expect("nobody removes it");
        if metadata.is_dir() {
            collect(&from, &path, files);
        } else if metadata.is_symlink() {
            let target = fs::read_link(&from).expect("it is a link");
            files.insert(path, File::Link(target));
        } else {
            assert!(metadata.is_file(), "{} is no file", from.display());
            let content = fs::read(&from).expect("the file is readable");
            let executable = metadata.permissions().mode() & 0o100 != 0;
            let file = if executable {
                File::Executable(content)
            } else {
                File::Plain(content)
            };
            files.insert(path, file);
        }
    }
}
