//! Writes an index, version 2.
//!
//! The format: <https://git-scm.com/docs/gitformat-pack#_version_2_pack_idx_files_support_packs_larger_than_4_gib_and>.

use gix::ObjectId;

use super::table::Row;

/// Begins every index from version 2 on; a version follows.
pub(super) const MAGIC: [u8; 8] = [0xff, b't', b'O', b'c', 0, 0, 0, 2];
/// In the table of offsets: the other bits are a place in the table of long ones.
pub(super) const LONG: u32 = 1 << 31;

/// The index of a pack with these objects, which are sorted.
pub(super) fn encode(rows: &[Row], pack: ObjectId) -> Vec<u8> {
    let mut out = Vec::with_capacity(MAGIC.len() + 1024 + rows.len() * 28 + 40);
    out.extend_from_slice(&MAGIC);
    let mut count = 0;
    for first in 0..=u8::MAX {
        count += rows[count..].partition_point(|row| row.id.first_byte() <= first);
        out.extend_from_slice(&count_of(count).to_be_bytes());
    }
    for row in rows {
        out.extend_from_slice(row.id.as_slice());
    }
    for row in rows {
        out.extend_from_slice(&row.crc.to_be_bytes());
    }
    let mut long = Vec::new();
    for row in rows {
        let short = u32::try_from(row.offset).ok().filter(|o| *o < LONG);
        let offset = short.unwrap_or_else(|| {
            long.push(row.offset);
            LONG | count_of(long.len() - 1)
        });
        out.extend_from_slice(&offset.to_be_bytes());
    }
    for offset in long {
        out.extend_from_slice(&offset.to_be_bytes());
    }
    out.extend_from_slice(pack.as_slice());
    let sum = checksum(&out);
    out.extend_from_slice(&sum);
    out
}

fn count_of(count: usize) -> u32 {
    u32::try_from(count).expect("a pack's header counts in 32 bits")
}

/// SHA-1 as a mere checksum; zeros in the case of an attempted collision, which nothing equals then.
pub(super) fn checksum(data: &[u8]) -> [u8; 20] {
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    hasher.update(data);
    let sum = hasher.try_finalize();
    sum.map_or([0; 20], |id| {
        id.as_slice().try_into().expect("SHA-1 is of this length")
    })
}
