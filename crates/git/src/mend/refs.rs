//! Refs that cannot be read: set aside, and brought back from their logs where they have one.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use gitbarge_core::Result;
use gix::ObjectId;
use gix::bstr::ByteSlice as _;

use super::{Mender, copy_aside, read_if_there, replace_locked};
use crate::{error, refs};

const PACKED: &str = "packed-refs";
const HEADER: &[u8] = b"# pack-refs with: peeled fully-peeled sorted \n";
/// How often a symbolic ref may lead to another. Source: git's refs-internal.h.
const MOST_HOPS: usize = 5;

/// A ref among packed ones, with the commit that it leads to if it is a tag.
pub(super) struct Packed<'f> {
    pub(super) name: &'f [u8],
    pub(super) id: &'f [u8],
    peeled: Option<&'f [u8]>,
}

impl Mender<'_> {
    pub(super) fn packed_refs(&mut self) -> Result<()> {
        let Some(content) = self.read(PACKED)? else {
            return Ok(());
        };
        let (mut packed, wrong) = parse(&content);
        let is_sorted = packed.is_sorted_by(|a, b| a.name < b.name);
        let says_sorted = content
            .lines()
            .next()
            .is_some_and(|l| l.starts_with(b"#") && l.contains_str(" sorted"));
        if wrong == 0 && (is_sorted || !says_sorted) {
            return Ok(());
        }
        self.note(format!(
            "set `{PACKED}` aside and kept what could be read of it"
        ));
        packed.sort_by_key(|p| p.name);
        packed.dedup_by_key(|p| p.name);
        let mut text = HEADER.to_vec();
        for entry in &packed {
            text.extend([entry.id, b" ", entry.name, b"\n"].concat());
            if let Some(peeled) = entry.peeled {
                text.extend([b"^", peeled, b"\n"].concat());
            }
        }
        self.keep(PACKED)?;
        self.replace(PACKED, &text)?;
        self.many_lost = true;
        Ok(())
    }

    pub(super) fn loose_refs(&mut self) -> Result<()> {
        let mut found = HashMap::new();
        self.walk("refs", &mut found)?;
        let packed = self.read(PACKED)?.unwrap_or_default();
        let packed: std::collections::HashSet<Vec<u8>> = parse(&packed)
            .0
            .into_iter()
            .map(|p| p.name.to_vec())
            .collect();
        let dangling: Vec<String> = found
            .keys()
            .filter(|name| !leads_somewhere(name, &found, &packed))
            .cloned()
            .collect();
        for name in dangling {
            self.lose(&name, "leads nowhere")?;
        }
        if self.many_lost && !self.looks {
            let mut logged = Vec::new();
            logged_refs(&self.git_dir.join("logs"), "refs", &mut logged);
            logged.retain(|name| !found.contains_key(name) && !packed.contains(name.as_bytes()));
            self.done.lost_refs.append(&mut logged);
        }
        self.done.lost_refs.sort();
        self.done.lost_refs.dedup();
        Ok(())
    }

    pub(super) fn walk(
        &mut self,
        folder: &str,
        found: &mut HashMap<String, Option<String>>,
    ) -> Result<()> {
        let path = self.git_dir.join(folder);
        let entries = match fs::read_dir(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => {
                entries.map_err(|e| error::io(format!("failed to list `{}`", path.display()), e))?
            }
        };
        for entry in entries.flatten() {
            let Some(base) = entry.file_name().to_str().map(str::to_owned) else {
                continue;
            };
            let name = format!("{folder}/{base}");
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                self.walk(&name, found)?;
                continue;
            }
            if base.ends_with(".lock") {
                continue;
            }
            // Gone or packed meanwhile.
            let Some(content) = read_if_there(&entry.path())? else {
                continue;
            };
            match target(&name, &content) {
                Some(target) => drop(found.insert(name, target)),
                None => self.lose(&name, "cannot be read")?,
            }
        }
        Ok(())
    }

    fn lose(&mut self, name: &str, why: &str) -> Result<()> {
        self.note(format!("set the ref `{name}` aside: it {why}"));
        self.aside(name)?;
        self.done.lost_refs.push(name.to_owned());
        Ok(())
    }
}

/// What a loose ref's file says: `Some(None)` for an id, `Some(Some(name))` for a symbolic ref.
fn target(name: &str, content: &[u8]) -> Option<Option<String>> {
    gix::validate::reference::name(name.as_bytes().as_bstr()).ok()?;
    if let Some(to) = content.strip_prefix(b"ref:") {
        let to = to.trim();
        gix::validate::reference::name(to.as_bstr()).ok()?;
        return Some(Some(to.to_str().ok()?.to_owned()));
    }
    // Git ignores what follows the hash and a blank.
    let is_whole = content.get(40).is_none_or(u8::is_ascii_whitespace);
    ObjectId::from_hex(content.get(..40).filter(|_| is_whole)?).ok()?;
    Some(None)
}

fn leads_somewhere(
    name: &str,
    found: &HashMap<String, Option<String>>,
    packed: &std::collections::HashSet<Vec<u8>>,
) -> bool {
    let mut name = name;
    for _ in 0..=MOST_HOPS {
        match found.get(name) {
            Some(None) => return true,
            Some(Some(next)) => name = next,
            None => return packed.contains(name.as_bytes()),
        }
    }
    false
}

/// All sound entries, and how many lines are not.
pub(super) fn parse(content: &[u8]) -> (Vec<Packed<'_>>, usize) {
    let mut packed: Vec<Packed<'_>> = Vec::new();
    // Git always writes a header, and ends every line.
    let mut wrong = usize::from(!content.ends_with(b"\n"));
    for (number, line) in content.lines_with_terminator().enumerate() {
        let Some(line) = line.strip_suffix(b"\n") else {
            continue;
        };
        if let Some(peeled) = line.strip_prefix(b"^") {
            match packed
                .last_mut()
                .filter(|_| ObjectId::from_hex(peeled).is_ok())
            {
                Some(last) => last.peeled = Some(peeled),
                None => wrong += 1,
            }
        } else if number == 0 && line.starts_with(b"#") {
            continue;
        } else if let Some((id, name)) = line.split_once_str(" ")
            && id.len() == 40
            && ObjectId::from_hex(id).is_ok()
            && gix::validate::reference::name(name.as_bstr()).is_ok()
        {
            packed.push(Packed {
                name,
                id,
                peeled: None,
            });
        } else {
            wrong += 1;
        }
    }
    (packed, wrong)
}

fn logged_refs(logs: &Path, folder: &str, names: &mut Vec<String>) {
    for entry in fs::read_dir(logs.join(folder))
        .into_iter()
        .flatten()
        .flatten()
    {
        let Some(base) = entry.file_name().to_str().map(str::to_owned) else {
            continue;
        };
        let name = format!("{folder}/{base}");
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            logged_refs(logs, &name, names);
        } else if base != "HEAD" && !base.ends_with(".lock") {
            names.push(name);
        }
    }
}

/// Brings a lost ref back to the last place in its log that is still there.
pub fn restore_from_reflog(repository: &gix::Repository, name: &str) -> Result<Option<ObjectId>> {
    if refs::find(repository, name).is_some() {
        return Ok(None);
    }
    let log = read_if_there(&repository.git_dir().join("logs").join(name))?.unwrap_or_default();
    let newest = log.lines().rev().find_map(|line| {
        let id = ObjectId::from_hex(line.get(41..81)?).ok()?;
        let header = repository.find_header(id).ok()?;
        (header.kind().is_commit() || name.starts_with("refs/tags/")).then_some(id)
    });
    let Some(id) = newest else {
        return Ok(None);
    };
    let path = repository.git_dir().join(name);
    let folder = path.parent().unwrap_or(&path);
    fs::create_dir_all(folder)
        .map_err(|e| error::io(format!("failed to create `{}`", folder.display()), e))?;
    // Not by a transaction, which would write to the log: that is what the stash consists of.
    replace_locked(&path, format!("{id}\n").as_bytes())?;
    tracing::warn!(name, %id, "Brought a lost ref back from its log.");
    Ok(Some(id))
}

/// Moves a ref whose object is lost out of git's way; its log is kept beside. If the log knows an earlier place that is still
/// there, the ref is put back to that one, which is returned.
pub fn set_aside_ref(repository: &gix::Repository, name: &str) -> Result<Option<ObjectId>> {
    let git_dir = repository.git_dir();
    let log = git_dir.join("logs").join(name);
    let content = read_if_there(&log)?;
    copy_aside(git_dir, &Path::new("logs").join(name))?;
    if git_dir.join(name).is_file() {
        copy_aside(git_dir, Path::new(name))?;
    }
    // It takes the log with it.
    refs::delete(repository, name)?;
    let Some(content) = content else {
        return Ok(None);
    };
    let put_back = || {
        fs::create_dir_all(log.parent().unwrap_or(&log))?;
        fs::write(&log, known_lines(repository, &content))
    };
    put_back().map_err(|e| error::io(format!("failed to write `{}`", log.display()), e))?;
    forget_in_head_log(repository)?;
    let restored = restore_from_reflog(repository, name)?;
    if restored.is_none() {
        drop(fs::remove_file(&log));
    }
    Ok(restored)
}

/// The lines of a log whose objects are there; others make git complain.
fn known_lines(repository: &gix::Repository, log: &[u8]) -> Vec<u8> {
    let is_known = |hex: Option<&[u8]>| {
        let id = ObjectId::from_hex(hex.unwrap_or_default());
        id.is_ok_and(|id| id.is_null() || repository.has_object(id))
    };
    let lines = log.lines_with_terminator();
    let known = lines.filter(|line| is_known(line.get(..40)) && is_known(line.get(41..81)));
    known.flatten().copied().collect()
}

fn forget_in_head_log(repository: &gix::Repository) -> Result<()> {
    let name = Path::new("logs/HEAD");
    let path = repository.git_dir().join(name);
    let Some(log) = read_if_there(&path)? else {
        return Ok(());
    };
    let known = known_lines(repository, &log);
    if known.len() == log.len() {
        return Ok(());
    }
    copy_aside(repository.git_dir(), name)?;
    fs::write(&path, known)
        .map_err(|e| error::io(format!("failed to write `{}`", path.display()), e))
}

/// The refs whose object is not there.
pub fn refs_without_object(repository: &gix::Repository) -> Result<Vec<(String, ObjectId)>> {
    let cannot = |e| error::local("cannot read refs", e);
    let mut found = Vec::new();
    for reference in repository
        .references()
        .map_err(cannot)?
        .all()
        .map_err(cannot)?
        .flatten()
    {
        if let Some(id) = reference.try_id().map(gix::Id::detach)
            && !repository.has_object(id)
        {
            found.push((reference.name().as_bstr().to_string(), id));
        }
    }
    Ok(found)
}
