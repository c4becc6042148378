//! Stock git, as a reader of the mirror over plain HTTP.

use std::fs;
use std::path::{Path, PathBuf};

use gitbarge_testkit::repository::{git, printed};
use tempfile::TempDir;

/// All refs with their peeled tags, and HEAD, as `git ls-remote` shows them.
pub(crate) fn shown(url: &str) -> Vec<String> {
    let here = std::env::temp_dir();
    let text = printed(git(&here).args(["ls-remote", "--symref", url]));
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// A clone that ends with the test.
pub(crate) struct Clone {
    folder: TempDir,
}

impl Clone {
    /// A bare clone of all refs.
    pub(crate) fn mirror(url: &str) -> Self {
        Self::with(url, &["--mirror"])
    }

    /// An ordinary one, with a work tree.
    pub(crate) fn checkout(url: &str) -> Self {
        Self::with(url, &[])
    }

    pub(crate) fn with(url: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = git(folder.path());
        command.args(["clone", "-q"]).args(options);
        printed(command.arg(url).arg("clone"));
        Self { folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("clone")
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        printed(git(&self.path()).args(arguments))
    }

    /// Everything is there, and sound.
    pub(crate) fn assert_sound(&self) {
        self.git(&["fsck", "--full", "--strict", "--no-dangling"]);
    }

    /// The refs, as `ls-remote` would show them without HEAD and peeled tags.
    pub(crate) fn refs(&self) -> Vec<String> {
        let text = self.git(&["for-each-ref", "--format=%(objectname)\t%(refname)"]);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

/// The packs that readers are told of, each judged by `git verify-pack`.
pub(crate) fn listed_packs(mirror: &Path) -> Vec<PathBuf> {
    let list = fs::read_to_string(mirror.join("objects/info/packs")).expect("it is there");
    let names = list.lines().filter_map(|line| line.strip_prefix("P "));
    let packs: Vec<PathBuf> = names
        .map(|name| mirror.join("objects/pack").join(name))
        .collect();
    for pack in &packs {
        printed(git(mirror).arg("verify-pack").arg(pack));
    }
    packs
}

/// The refs alone: HEAD is written before them, and may be newer when a run did not come to its end.
pub(crate) fn without_head(refs: &[String]) -> Vec<String> {
    let is_ref = |line: &&String| !line.ends_with("\tHEAD");
    refs.iter().filter(is_ref).cloned().collect()
}

/// The mirror has these refs, whole, wherever its HEAD may lead.
pub(crate) fn assert_has(url: &str, refs: &[String]) {
    assert_eq!(without_head(&shown(url)), without_head(refs), "{url}");
    assert_cloned(url, refs);
}

/// The mirror shows these refs, and a clone of it has them all, whole.
pub(crate) fn assert_shows(url: &str, refs: &[String]) {
    assert_eq!(shown(url), refs, "git ls-remote {url}");
    assert_cloned(url, refs);
}

fn assert_cloned(url: &str, refs: &[String]) {
    let clone = Clone::mirror(url);
    clone.assert_sound();
    let plain = |line: &&String| line.contains("\trefs/") && !line.ends_with("^{}");
    let wanted: Vec<_> = refs.iter().filter(plain).cloned().collect();
    assert_eq!(clone.refs(), wanted, "refs of a clone of {url}");
}
