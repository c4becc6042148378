//! HEAD, the folders that make a repository, its boundaries, and caches that git can make anew.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use gitbarge_core::Result;
use gix::ObjectId;
use gix::bstr::ByteSlice as _;
use gix::odb::pack;
use gix::progress::Discard;

use super::{Mender, read_if_there};
use crate::error;

impl Mender<'_> {
    /// A folder without `objects` and `refs` is no repository to git.
    pub(super) fn folders(&mut self) -> Result<()> {
        for name in ["objects", "objects/pack", "refs", "refs/heads"] {
            let path = self.git_dir.join(name);
            if path.is_dir() {
                continue;
            }
            if fs::symlink_metadata(&path).is_ok() {
                self.aside(name)?;
            }
            // Git itself leaves an empty `pack` or `heads` out now and then.
            if !name.contains('/') {
                self.note(format!("made the missing folder `{name}`"));
                self.many_lost |= name == "refs";
            }
            if !self.looks {
                fs::create_dir_all(&path)
                    .map_err(|e| error::io(format!("failed to create `{}`", path.display()), e))?;
            }
        }
        Ok(())
    }

    /// It makes a repository one of several work trees, which a `.git` folder never is.
    pub(super) fn common_folder(&mut self) -> Result<()> {
        if fs::symlink_metadata(self.git_dir.join("commondir")).is_err() {
            return Ok(());
        }
        self.note("set `commondir` aside");
        self.aside("commondir")
    }

    pub(super) fn head(&mut self, branch: &str) -> Result<()> {
        let path = self.git_dir.join("HEAD");
        let link = fs::read_link(&path).ok();
        let content = match &link {
            Some(target) => Some(format!("ref: {}", target.display()).into_bytes()),
            None => self.read("HEAD")?,
        };
        let is_right = content.as_deref().is_some_and(is_head);
        if is_right && link.is_none() {
            return Ok(());
        }
        if is_right {
            self.note("made `HEAD` a file again");
        } else {
            self.note(format!("put the unreadable `HEAD` on `{branch}`"));
        }
        let text = match content.filter(|_| is_right) {
            Some(text) => [text.trim(), b"\n"].concat(),
            None => format!("ref: {branch}\n").into_bytes(),
        };
        self.keep("HEAD")?;
        self.replace("HEAD", &text)
    }

    /// The ends of a shallow history: one hash a line.
    pub(super) fn shallow(&mut self) -> Result<()> {
        let Some(content) = self.read("shallow")? else {
            return Ok(());
        };
        let right: Vec<&[u8]> = content
            .lines()
            .filter(|line| ObjectId::from_hex(line).is_ok())
            .collect();
        let is_right = content.lines().count() == right.len() && !right.is_empty();
        if is_right {
            return Ok(());
        }
        self.note("took what is no hash out of `shallow`");
        if right.is_empty() {
            return self.aside("shallow");
        }
        self.keep("shallow")?;
        let mut text = right.join(&b'\n');
        text.push(b'\n');
        self.replace("shallow", &text)
    }

    /// Other object folders: those that are gone make git complain each time.
    pub(super) fn alternates(&mut self) -> Result<()> {
        const NAME: &str = "objects/info/alternates";
        let Some(content) = self.read(NAME)? else {
            return Ok(());
        };
        let objects = self.git_dir.join("objects");
        let is_there = |line: &&[u8]| {
            let is_text = line.is_empty() || line.starts_with(b"#") || line.starts_with(b"\"");
            is_text || line.to_path().is_ok_and(|path| objects.join(path).is_dir())
        };
        let there: Vec<&[u8]> = content.lines().filter(is_there).collect();
        if there.len() == content.lines().count() {
            return Ok(());
        }
        self.note("took folders that are gone out of `objects/info/alternates`");
        if there.is_empty() {
            return self.aside(NAME);
        }
        self.keep(NAME)?;
        let mut text = there.join(&b'\n');
        text.push(b'\n');
        self.replace(NAME, &text)
    }

    /// Commit graphs and multi-pack indices.
    pub(super) fn caches(&mut self) -> Result<()> {
        let objects = self.git_dir.join("objects");
        if !is_graph(&objects.join("info/commit-graph"))? {
            self.drop_cache("objects/info/commit-graph")?;
        }
        if !is_chain(&objects.join("info/commit-graphs"))? {
            self.drop_cache("objects/info/commit-graphs")?;
        }
        if !is_multi_pack_index(&objects.join("pack"))? {
            self.drop_cache("objects/pack/multi-pack-index")?;
        }
        Ok(())
    }

    fn drop_cache(&mut self, name: &str) -> Result<()> {
        self.note(format!("removed the damaged `{name}`"));
        if self.looks {
            return Ok(());
        }
        crate::repository::remove_all(&self.git_dir.join(name))
            .map_err(|e| error::io(format!("failed to remove `{name}`"), e))
    }
}

pub(super) fn is_head(content: &[u8]) -> bool {
    let content = content.trim_end();
    match content.strip_prefix(b"ref:") {
        Some(name) => {
            let name = name.trim_start();
            name.starts_with(b"refs/") && gix::validate::reference::name(name.as_bstr()).is_ok()
        }
        None => content.len() == 40 && ObjectId::from_hex(content).is_ok(),
    }
}

/// Whether a file is a sound commit graph, or is not there.
fn is_graph(path: &Path) -> Result<bool> {
    if read_start(path)?.is_none() {
        return Ok(true);
    }
    Ok(gix::commitgraph::File::at(path).is_ok_and(|graph| graph.verify_checksum().is_ok()))
}

fn is_chain(folder: &Path) -> Result<bool> {
    let Some(chain) = read_if_there(&folder.join("commit-graph-chain"))? else {
        return Ok(true);
    };
    for line in chain.lines() {
        let graph = folder.join(format!("graph-{}.graph", line.to_str_lossy()));
        if !graph.is_file() || !is_graph(&graph)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_multi_pack_index(folder: &Path) -> Result<bool> {
    let path = folder.join("multi-pack-index");
    if read_start(&path)?.is_none() {
        return Ok(true);
    }
    let Ok(index) = pack::multi_index::File::at(&path, None) else {
        return Ok(false);
    };
    let is_sound = index
        .verify_checksum(&mut Discard, &AtomicBool::new(false))
        .is_ok();
    let are_there = index
        .index_names()
        .iter()
        .all(|name| folder.join(name).with_extension("pack").exists());
    Ok(is_sound && are_there)
}

/// Makes sure that a file may be read before anything is said about its content.
fn read_start(path: &Path) -> Result<Option<()>> {
    match fs::File::open(path) {
        Ok(_) => Ok(Some(())),
        Err(e)
            if matches!(
                e.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(e) => Err(error::io(format!("failed to open `{}`", path.display()), e)),
    }
}
