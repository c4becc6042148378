//! How far back the next pack reaches, so that packs stay few.
//!
//! A reader of the dumb protocol downloads every index and whole packs, and packs that stand alone repeat their bases.

use super::record::Pack;

/// The most packs that readers are told of.
const MOST: usize = 10;

/// How many of the packs, oldest first, stay beside the next one, which replaces the others.
///
/// Geometric: each pack that stays has at least twice as many objects as all younger ones together.
pub(crate) fn stay(packs: &[Pack]) -> usize {
    let mut stay = packs.len();
    // The next pack has at least one object.
    let mut younger = 1;
    for (index, pack) in packs.iter().enumerate().rev() {
        if pack.objects < 2 * younger {
            stay = index;
        }
        younger += pack.objects;
    }
    stay.min(MOST - 1)
}

#[cfg(test)]
mod tests {
    use gix::ObjectId;
    use jiff::Timestamp;

    use super::super::record::Hash;
    use super::*;

    fn pack(objects: u64) -> Pack {
        Pack {
            name: Hash(ObjectId::null(gix::hash::Kind::Sha1)),
            objects,
            size: objects * 100,
            created: Timestamp::UNIX_EPOCH,
            haves: Vec::new(),
            ids: Vec::new(),
        }
    }

    #[test]
    fn a_large_pack_stays_beside_small_ones() {
        assert_eq!(stay(&[]), 0);
        assert_eq!(stay(&[pack(1000)]), 1);
        assert_eq!(stay(&[pack(1000), pack(3)]), 2);
        assert_eq!(stay(&[pack(1000), pack(3), pack(3)]), 1);
        assert_eq!(stay(&[pack(5), pack(3), pack(3)]), 0);
    }

    #[test]
    fn four_hundred_increments_leave_few_packs_and_copy_little() {
        let mut packs = vec![pack(100_000)];
        let mut copied = 0;
        for _ in 0..400 {
            let stays = stay(&packs);
            let merged: u64 = packs.drain(stays..).map(|pack| pack.objects).sum();
            copied += merged + 3;
            packs.push(pack(merged + 3));
            assert!(packs.len() <= MOST);
        }
        assert!(packs.len() <= 8, "{}", packs.len());
        assert!(copied < 400 * 3 * 10, "{copied}");
    }
}
