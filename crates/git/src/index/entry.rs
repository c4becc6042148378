//! How an entry of a pack begins.
//!
//! The format: <https://git-scm.com/docs/gitformat-pack#_pack_pack_files_have_the_following_format>.

use gitbarge_core::Result;
use gix::ObjectId;
use gix::objs::Kind;

use super::bytes::corrupt;

/// What an entry is, before its deflated content.
pub(super) struct Header {
    pub(super) what: What,
    /// The length of the content once inflated: the object, or the delta.
    pub(super) size: u64,
}

/// An object, or how it differs from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Object(Kind),
    /// The base begins at this place of the pack.
    AtOffset(u64),
    /// The base has this name.
    Named(ObjectId),
}

/// Reads the header of the entry at `offset`, byte by byte.
pub(super) fn read(offset: u64, mut next: impl FnMut() -> Result<u8>) -> Result<Header> {
    let mut byte = next()?;
    let code = byte >> 4 & 7;
    let mut size = u64::from(byte & 0xf);
    let mut shift = 4;
    while byte & 0x80 != 0 {
        byte = next()?;
        let bits = u64::from(byte & 0x7f);
        if shift > 57 || bits << shift >> shift != bits {
            return Err(corrupt("an object's length has no end", offset));
        }
        size |= bits << shift;
        shift += 7;
    }
    let what = match code {
        1 => What::Object(Kind::Commit),
        2 => What::Object(Kind::Tree),
        3 => What::Object(Kind::Blob),
        4 => What::Object(Kind::Tag),
        6 => What::AtOffset(base_offset(offset, &mut next)?),
        7 => {
            let mut id = [0; 20];
            for byte in &mut id {
                *byte = next()?;
            }
            What::Named(ObjectId::Sha1(id))
        }
        _ => return Err(corrupt(format!("no object is of type {code}"), offset)),
    };
    Ok(Header { what, size })
}

/// The distance back to the base, most significant bits first, each further byte adding one so that no number has two spellings.
fn base_offset(offset: u64, next: &mut impl FnMut() -> Result<u8>) -> Result<u64> {
    let mut byte = next()?;
    let mut distance = u64::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        byte = next()?;
        if distance >= 1 << 56 {
            return Err(corrupt("a delta's base is too far away", offset));
        }
        distance = (distance + 1) << 7 | u64::from(byte & 0x7f);
    }
    let base = offset.checked_sub(distance).filter(|_| distance > 0);
    base.ok_or_else(|| corrupt("a delta's base is not before it", offset))
}
