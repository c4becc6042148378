//! The way of a pack through the indexer while it comes in.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

use gitbarge_core::{Progress, Result};
use gix::ObjectId;
use gix::objs::Kind;

use super::beyond::Room;
use super::bytes::{PackBytes, corrupt};
use super::entry::{self, What};
use super::input::Input;
use super::links::{Found, Malformed, Reader};
use super::table::Table;

/// How many rows are made room for before anything proves that there are so many objects.
const TRUSTED: u32 = 1 << 16;

/// What is known when the last byte has come: all but the names of deltas.
pub(super) struct Passed {
    pub(super) table: Table,
    pub(super) name: ObjectId,
    pub(super) pack: PackBytes,
}

/// Reads a pack to its end, hashes what is whole in it, and notes what leans on what.
pub(super) fn pass(
    reader: impl Read,
    room: Room,
    found: &Found,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Passed> {
    let mut input = Input::new(reader, room, stop);
    let count = header(&mut input)?;
    let (_, before) = progress.objects.read();
    progress.objects.set_total(before + count as usize);
    let mut table = Table::with_capacity(count.min(TRUSTED) as usize);
    for _ in 0..count {
        entry(&mut input, &mut table, found)?;
        progress.objects.counter().fetch_add(1, Ordering::Relaxed);
    }
    let (name, pack) = input.finish()?;
    Ok(Passed { table, name, pack })
}

/// The number of objects.
fn header<R: Read>(input: &mut Input<'_, R>) -> Result<u32> {
    if input.array::<4>()? != *b"PACK" {
        return Err(corrupt("it does not begin as a pack", 0));
    }
    let version = u32::from_be_bytes(input.array()?);
    if !matches!(version, 2 | 3) {
        return Err(corrupt(format!("version {version} is not known"), 4));
    }
    Ok(u32::from_be_bytes(input.array()?))
}

fn entry<R: Read>(input: &mut Input<'_, R>, table: &mut Table, found: &Found) -> Result<()> {
    let offset = input.offset();
    input.begin();
    let header = entry::read(offset, || input.byte())?;
    match header.what {
        What::Object(kind) => {
            let id = object(input, kind, header.size, offset, found)?;
            table.push_object(offset, input.crc(), kind, id);
        }
        What::AtOffset(base) => {
            input.inflate(header.size, |_| Ok(()))?;
            let crc = input.crc();
            let is_there = table.push_delta(offset, crc, base);
            is_there.ok_or_else(|| corrupt("a delta's base is not an object", offset))?;
        }
        What::Named(base) => {
            input.inflate(header.size, |_| Ok(()))?;
            table.push_named_delta(offset, input.crc(), base);
        }
    }
    Ok(())
}

fn object<R: Read>(
    input: &mut Input<'_, R>,
    kind: Kind,
    size: u64,
    offset: u64,
    found: &Found,
) -> Result<ObjectId> {
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    hasher.update(&gix::objs::encode::loose_header(kind, size));
    let mut reader = Reader::new(kind, size, found);
    let malformed = |Malformed| corrupt(format!("a {kind} is malformed"), offset);
    input.inflate(size, |data| {
        hasher.update(data);
        reader.push(data).map_err(malformed)
    })?;
    reader.finish().map_err(malformed)?;
    let id = hasher.try_finalize();
    id.map_err(|e| corrupt(e, offset))
}
