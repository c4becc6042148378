//! Reads single objects of a pack that has been indexed.

use gitbarge_core::Result;
use gix::ObjectId;
use gix::objs::Kind;

use super::bytes::{PackBytes, corrupt};
use super::content::Contents;
use super::delta;
use super::entry::What;
use super::existing;
use super::input::TRAILER;

/// Reads an object of a pack by the pack's index; `None` if it is not in it. Blocking.
///
/// The object is wholly in memory, with its bases, one after the other.
///
/// # Errors
/// `corrupt` if the index is not the pack's.
pub fn read_object(
    pack: &PackBytes,
    index: &[u8],
    id: ObjectId,
) -> Result<Option<(Kind, Vec<u8>)>> {
    let end = pack.length().saturating_sub(TRAILER as u64);
    let mut contents = Contents::new(pack, None);
    let find = |id: &ObjectId| existing::offset(index, existing::find(index, id)?);
    let Some(mut offset) = find(&id) else {
        return Ok(None);
    };
    let mut deltas = Vec::new();
    let kind = loop {
        let base = match contents.header(offset)?.0.what {
            What::Object(kind) => break kind,
            What::AtOffset(base) => Some(base),
            What::Named(base) => find(&base),
        };
        // Every delta on the way is an object of its own.
        if deltas.len() * 20 > index.len() {
            return Err(corrupt("deltas lean on one another", offset));
        }
        deltas.push(offset);
        offset = base.ok_or_else(|| corrupt("a delta's base is not in the pack", offset))?;
    };
    let (mut data, mut result, mut instructions) = (Vec::new(), Vec::new(), Vec::new());
    contents.read(offset, end, &mut data)?;
    for offset in deltas.into_iter().rev() {
        contents.read(offset, end, &mut instructions)?;
        delta::apply(&data, &instructions, &mut result).map_err(|why| corrupt(why, offset))?;
        std::mem::swap(&mut data, &mut result);
    }
    Ok(Some((kind, data)))
}
