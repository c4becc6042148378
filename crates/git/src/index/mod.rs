//! Indexes packs while they come in, without a repository.
//!
//! What is whole in a pack is hashed as it passes; deltas are resolved after the last byte, from the bytes that were kept.

mod beyond;
mod blocks;
mod bytes;
mod content;
mod delta;
mod encode;
mod entry;
mod existing;
mod gathered;
mod input;
mod links;
mod pass;
mod read;
mod resolve;
mod table;

pub use beyond::{Beyond, Room, Spool};
pub use bytes::PackBytes;
pub use existing::Index;
pub use read::read_object;

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gitbarge_core::{Progress, Result};
use gix::ObjectId;

use crate::pointer::Pointer;

/// What is being done when an indexing is cancelled.
const CANCELLED: &str = "indexing a pack";

/// What a pack holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexed {
    /// The checksum at the pack's end, which names it.
    pub name: ObjectId,
    /// How many objects there are.
    pub objects: u32,
    /// The index, version 2, byte for byte what `git index-pack` writes.
    pub index: Vec<u8>,
    /// What objects of the pack point to and is not in it, sorted, each once. The commits of submodules are not among them.
    pub links: Vec<ObjectId>,
    /// The LFS objects that files of the pack stand for, sorted, each once.
    pub pointers: Vec<Pointer>,
}

/// Reads a pack to its end, and learns what is in it. Blocking.
///
/// It must stand alone. Its order does not matter, nor how its deltas name their bases. Objects that nothing leans on are
/// never wholly in memory. Beyond the part of the pack that the room permits, memory holds about 80 bytes for each object,
/// and on each core a few of those objects that deltas lean on.
///
/// # Errors
/// `corrupt` with the place of the damage, also if the pack ends too early; `cancelled`; what the reader puts into its I/O
/// errors; those of [`Beyond`].
pub fn index(
    reader: impl Read,
    room: Room,
    progress: &Arc<Progress>,
    stop: &AtomicBool,
) -> Result<(Indexed, PackBytes)> {
    let found = links::Found::new();
    let pass::Passed {
        mut table,
        name,
        pack,
    } = pass::pass(reader, room, &found, progress, stop)?;
    resolve::resolve(&mut table, &pack, &found, progress, stop)?;
    let objects = table.shape().len();
    let rows = table.into_rows();
    let is_missing = |id: &ObjectId| rows.binary_search_by_key(id, |row| row.id).is_err();
    let (links, pointers) = found.finish(is_missing);
    let indexed = Indexed {
        name,
        objects,
        index: encode::encode(&rows, name),
        links,
        pointers,
    };
    Ok((indexed, pack))
}
