//! Indexes that are there already.

use bytes::Bytes;
use gitbarge_core::{Error, ErrorKind, Result};
use gix::ObjectId;

use super::encode::{LONG, MAGIC, checksum};

const FANOUT: usize = MAGIC.len();
const NAMES: usize = FANOUT + 1024;
/// The checksums of the pack and of the index.
const SUMS: usize = 40;

/// The index of a pack, version 2, known to be whole.
#[derive(Debug, Clone)]
pub struct Index(Bytes);

impl Index {
    /// Checks the whole index.
    ///
    /// # Errors
    /// `corrupt`.
    pub fn parse(bytes: Bytes) -> Result<Self> {
        match check(&bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(what) => {
                let message = format!("the index of a pack is damaged: {what}");
                Err(Error::new(ErrorKind::Corrupt, message))
            }
        }
    }

    /// Whether the object is in the pack.
    pub fn contains(&self, id: &ObjectId) -> bool {
        find(&self.0, id).is_some()
    }

    /// Where the object's entry begins in the pack.
    pub fn offset(&self, id: &ObjectId) -> Option<u64> {
        offset(&self.0, find(&self.0, id)?)
    }

    /// The number of objects.
    pub fn len(&self) -> u32 {
        fanout(&self.0, u8::MAX).unwrap_or_default()
    }

    /// Whether the pack has no objects.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of the objects, sorted.
    pub fn ids(&self) -> impl Iterator<Item = ObjectId> {
        (0..self.len() as usize).filter_map(|place| name(&self.0, place))
    }

    /// The checksum at the pack's end, which names it.
    pub fn pack(&self) -> ObjectId {
        let start = self.0.len() - SUMS;
        ObjectId::from_bytes_or_panic(&self.0[start..start + 20])
    }
}

fn check(bytes: &[u8]) -> Result<(), &'static str> {
    if bytes.len() < NAMES + SUMS || bytes[..FANOUT] != MAGIC {
        return Err("it is not an index of version 2");
    }
    let counts = (0..=u8::MAX).map(|first| fanout(bytes, first));
    if !counts.is_sorted() {
        return Err("its fan-out does not ascend");
    }
    let count = fanout(bytes, u8::MAX).unwrap_or_default() as usize;
    let short = (count as u64)
        .checked_mul(28)
        .map(|l| l + (NAMES + SUMS) as u64);
    if short.is_none_or(|length| (bytes.len() as u64) < length) {
        return Err("it is too short");
    }
    let long = (0..count)
        .filter(|place| is_long(bytes, count, *place))
        .count();
    if bytes.len() != NAMES + count * 28 + long * 8 + SUMS {
        return Err("its length is wrong");
    }
    let (content, sum) = bytes.split_at(bytes.len() - 20);
    if checksum(content) != sum {
        return Err("its checksum is wrong");
    }
    let names = (0..count).map(|place| name(bytes, place));
    if !names.is_sorted() {
        return Err("its names are not sorted");
    }
    let is_whole = (0..count).all(|place| offset(bytes, place).is_some());
    if is_whole {
        Ok(())
    } else {
        Err("an offset is not there")
    }
}

/// An object's place among the names. Of bytes that are no index, it finds nothing.
pub(super) fn find(index: &[u8], id: &ObjectId) -> Option<usize> {
    let first = id.first_byte();
    let mut start = match first {
        0 => 0,
        _ => fanout(index, first - 1)? as usize,
    };
    let mut end = fanout(index, first)? as usize;
    while start < end {
        let middle = start + (end - start) / 2;
        match name(index, middle)?.cmp(id) {
            std::cmp::Ordering::Equal => return Some(middle),
            std::cmp::Ordering::Less => start = middle + 1,
            std::cmp::Ordering::Greater => end = middle,
        }
    }
    None
}

/// Where an entry begins in the pack, by the place of its name.
pub(super) fn offset(index: &[u8], place: usize) -> Option<u64> {
    let count = fanout(index, u8::MAX)? as usize;
    let short = number(index, NAMES + count * 24 + place * 4)?;
    if short & LONG == 0 {
        return Some(u64::from(short));
    }
    let start = NAMES + count * 28 + (short & !LONG) as usize * 8;
    let long = index
        .get(start..start + 8)
        .filter(|_| start + 8 + SUMS <= index.len())?;
    Some(u64::from_be_bytes(long.try_into().ok()?))
}

fn is_long(index: &[u8], count: usize, place: usize) -> bool {
    number(index, NAMES + count * 24 + place * 4).is_some_and(|short| short & LONG != 0)
}

fn fanout(index: &[u8], first: u8) -> Option<u32> {
    number(index, FANOUT + usize::from(first) * 4)
}

fn name(index: &[u8], place: usize) -> Option<ObjectId> {
    let start = NAMES + place * 20;
    ObjectId::try_from(index.get(start..start + 20)?).ok()
}

fn number(index: &[u8], start: usize) -> Option<u32> {
    let bytes = index.get(start..start + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::encode::encode;
    use super::super::table::{Row, null};
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |n: u8| Row {
            id: ObjectId::Sha1([n.wrapping_mul(37); 20]),
            offset: 12 + (u64::from(n) << 29),
            crc: n.into(),
        };
        let mut rows: Vec<_> = (0..100).map(row).collect();
        rows.sort_unstable();
        rows
    }

    #[test]
    fn objects_are_found_also_far_away() {
        let rows = rows();
        let index = Index::parse(encode(&rows, null()).into()).unwrap();
        assert_eq!(index.len(), 100);
        assert!(index.ids().eq(rows.iter().map(|row| row.id)));
        for row in &rows {
            assert_eq!(index.offset(&row.id), Some(row.offset));
            let mut other = *row.id.as_bytes().first_chunk::<20>().unwrap();
            other[19] ^= 1;
            assert!(!index.contains(&ObjectId::Sha1(other)));
        }
        let empty = Index::parse(encode(&[], null()).into()).unwrap();
        assert!(empty.is_empty() && !empty.contains(&null()) && empty.pack() == null());
    }

    #[test]
    fn a_damaged_index_is_told() {
        let whole = encode(&rows(), null());
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x80;
            let error = Index::parse(bytes.into()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{place}");
            assert!(Index::parse(whole[..place].to_vec().into()).is_err());
        }
    }
}
