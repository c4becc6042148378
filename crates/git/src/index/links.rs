//! What objects point to.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use gix::ObjectId;
use gix::objs::Kind;

use crate::pointer::{self, Pointer};

/// Locks for so many parts of the links, so that threads seldom meet.
const PARTS: usize = 64;
/// No line at the top of a commit and no entry of a tree is this long, in bytes.
const LONGEST_ENTRY: usize = 1 << 20;

/// The links and LFS pointers of a pack's objects, gathered by several threads.
pub(super) struct Found {
    links: Vec<Mutex<HashSet<ObjectId>>>,
    pointers: Mutex<BTreeSet<Pointer>>,
}

impl Found {
    pub(super) fn new() -> Self {
        Self {
            links: (0..PARTS).map(|_| Mutex::default()).collect(),
            pointers: Mutex::default(),
        }
    }

    fn link(&self, id: ObjectId) {
        let part = usize::from(id.first_byte()) % PARTS;
        let mut links = self.links[part]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        links.insert(id);
    }

    fn pointer(&self, pointer: Pointer) {
        let mut pointers = self.pointers.lock().unwrap_or_else(PoisonError::into_inner);
        pointers.insert(pointer);
    }

    /// The links for which `is_wanted` holds, and the pointers, both sorted.
    pub(super) fn finish(
        self,
        is_wanted: impl Fn(&ObjectId) -> bool,
    ) -> (Vec<ObjectId>, Vec<Pointer>) {
        let mut links = Vec::new();
        for part in self.links {
            let part = part.into_inner().unwrap_or_else(PoisonError::into_inner);
            links.extend(part.into_iter().filter(&is_wanted));
        }
        links.sort_unstable();
        let pointers = self.pointers.into_inner();
        let pointers = pointers.unwrap_or_else(PoisonError::into_inner);
        (links, pointers.into_iter().collect())
    }
}

/// Reads one object, in as many pieces as it comes in, and keeps no more of it than one line or entry.
pub(super) struct Reader<'f> {
    found: &'f Found,
    state: State,
    /// The beginning of a line or entry whose end has not come yet; all of a blob that may be a pointer.
    rest: Vec<u8>,
}

enum State {
    /// In the lines `tree` and `parent`, of which there must be a tree first.
    Commit {
        has_tree: bool,
    },
    /// Before the line `object`.
    Tag,
    Tree,
    /// In a blob that may be a pointer.
    Pointer,
    /// The rest is of no interest.
    Done,
}

/// An object is not what its kind promises.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl<'f> Reader<'f> {
    pub(super) fn new(kind: Kind, size: u64, found: &'f Found) -> Self {
        let state = match kind {
            Kind::Commit => State::Commit { has_tree: false },
            Kind::Tag => State::Tag,
            Kind::Tree => State::Tree,
            Kind::Blob if size <= pointer::MOST_BYTES as u64 => State::Pointer,
            Kind::Blob => State::Done,
        };
        Self {
            found,
            state,
            rest: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, data: &[u8]) -> Result<(), Malformed> {
        if matches!(self.state, State::Done) {
            return Ok(());
        }
        if self.rest.is_empty() {
            let used = self.read(data)?;
            self.keep(&data[used..])
        } else {
            let mut all = std::mem::take(&mut self.rest);
            all.extend_from_slice(data);
            let used = self.read(&all)?;
            all.drain(..used);
            self.rest = all;
            self.keep(&[])
        }
    }

    pub(super) fn finish(self) -> Result<(), Malformed> {
        match self.state {
            State::Commit { has_tree: true } if self.rest.is_empty() => {}
            State::Tree if self.rest.is_empty() => {}
            State::Done => {}
            State::Pointer => {
                if let Some(pointer) = pointer::parse(&self.rest) {
                    self.found.pointer(pointer);
                }
            }
            State::Commit { .. } | State::Tag | State::Tree => return Err(Malformed),
        }
        Ok(())
    }

    fn keep(&mut self, data: &[u8]) -> Result<(), Malformed> {
        if matches!(self.state, State::Done) {
            self.rest = Vec::new();
            return Ok(());
        }
        self.rest.extend_from_slice(data);
        if self.rest.len() > LONGEST_ENTRY {
            return Err(Malformed);
        }
        Ok(())
    }

    /// Reads whole lines or entries, and says how many bytes that were.
    fn read(&mut self, data: &[u8]) -> Result<usize, Malformed> {
        let mut used = 0;
        loop {
            let rest = &data[used..];
            used += match self.state {
                State::Tree => match entry(rest)? {
                    Some((id, length)) => {
                        if let Some(id) = id {
                            self.found.link(id);
                        }
                        length
                    }
                    None => return Ok(used),
                },
                State::Commit { .. } | State::Tag => {
                    match rest.iter().position(|byte| *byte == b'\n') {
                        Some(end) => {
                            self.line(&rest[..end])?;
                            end + 1
                        }
                        None => return Ok(used),
                    }
                }
                State::Pointer | State::Done => return Ok(used),
            };
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Malformed> {
        let (id, next) = match self.state {
            State::Commit { has_tree: false } => {
                (named(line, b"tree ")?, State::Commit { has_tree: true })
            }
            State::Commit { has_tree: true } if line.starts_with(b"parent ") => {
                (named(line, b"parent ")?, State::Commit { has_tree: true })
            }
            State::Tag => (named(line, b"object ")?, State::Done),
            _ => {
                self.state = State::Done;
                return Ok(());
            }
        };
        self.found.link(id);
        self.state = next;
        Ok(())
    }
}

fn named(line: &[u8], key: &[u8]) -> Result<ObjectId, Malformed> {
    let hex = line.strip_prefix(key).ok_or(Malformed)?;
    ObjectId::from_hex(hex).map_err(|_| Malformed)
}

/// The id of a tree's first entry, unless it is a gitlink, and the entry's length; `None` if its end is not there.
fn entry(data: &[u8]) -> Result<Option<(Option<ObjectId>, usize)>, Malformed> {
    const FILE_TYPE: u32 = 0o17_0000;
    const GITLINK: u32 = 0o16_0000;
    let mut mode = 0u32;
    let mut length = 0;
    for byte in data {
        length += 1;
        match byte {
            b'0'..=b'7' if length <= 7 => mode = mode << 3 | u32::from(byte - b'0'),
            b' ' if length > 1 => {
                let Some(end) = data[length..].iter().position(|byte| *byte == 0) else {
                    return Ok(None);
                };
                let start = length + end + 1;
                let Some(id) = data.get(start..start + 20) else {
                    return Ok(None);
                };
                let id = ObjectId::Sha1(id.try_into().expect("it is of this length"));
                let is_link = mode & FILE_TYPE != GITLINK;
                return Ok(Some((is_link.then_some(id), start + 20)));
            }
            _ => return Err(Malformed),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(kind: Kind, data: &[u8], step: usize) -> Result<Vec<ObjectId>, Malformed> {
        let found = Found::new();
        let mut reader = Reader::new(kind, data.len() as u64, &found);
        for part in data.chunks(step) {
            reader.push(part)?;
        }
        reader.finish()?;
        Ok(found.finish(|_| true).0)
    }

    fn id(digit: u8) -> ObjectId {
        ObjectId::Sha1([digit * 0x11; 20])
    }

    #[test]
    fn links_are_found_however_the_object_is_cut() {
        let (a, b, c) = (id(1), id(2), id(3));
        let commit = format!(
            "tree {a}\nparent {b}\nparent {c}\nauthor x\n\nparent {}\n",
            id(9)
        );
        let tag = format!("object {a}\ntype commit\ntag x\n\nobject {b}\n");
        let mut tree = Vec::new();
        for (mode, name, id) in [
            ("100644", "a", a),
            ("40000", "b c", b),
            ("160000", "module", c),
        ] {
            tree.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            tree.extend_from_slice(id.as_slice());
        }
        for step in [1, 2, 3, 19, 1000] {
            assert_eq!(
                links(Kind::Commit, commit.as_bytes(), step),
                Ok(vec![a, b, c])
            );
            assert_eq!(links(Kind::Tag, tag.as_bytes(), step), Ok(vec![a]));
            assert_eq!(links(Kind::Tree, &tree, step), Ok(vec![a, b]));
        }
        assert_eq!(links(Kind::Tree, b"", 1), Ok(vec![]));
    }

    #[test]
    fn malformed_objects_are_told() {
        for (kind, text) in [
            (Kind::Commit, "author x\n\n".to_owned()),
            (Kind::Commit, format!("tree {}", id(1))),
            (Kind::Commit, "tree 1234\n".to_owned()),
            (Kind::Tag, format!("type {}\n", id(1))),
            (Kind::Tag, String::new()),
            (Kind::Tree, "100644 name\0short".to_owned()),
            (Kind::Tree, format!("10064x name\0{}", "x".repeat(20))),
            (Kind::Tree, format!(" name\0{}", "x".repeat(20))),
            (Kind::Tree, format!("100644 {}", "x".repeat(LONGEST_ENTRY))),
        ] {
            assert_eq!(
                links(kind, text.as_bytes(), 1000),
                Err(Malformed),
                "{text:.50}"
            );
        }
    }
}
