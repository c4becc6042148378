//! Packs that no git makes.

use std::io::Write as _;
use std::time::Instant;

use gix::ObjectId;
use gix::objs::Kind;
use gix::zlib::Compression;
use gix::zlib::stream::deflate;

use crate::fixture::{in_memory, judged};

const BLOB: u8 = 3;
const AT_OFFSET: u8 = 6;
const NAMED: u8 = 7;

/// A pack in the making.
struct Pack {
    bytes: Vec<u8>,
    count: u32,
}

impl Pack {
    fn new() -> Self {
        Self {
            bytes: b"PACK\0\0\0\x02\0\0\0\0".to_vec(),
            count: 0,
        }
    }

    fn offset(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Adds an entry that claims to be of this size, and returns its place.
    fn claim(&mut self, kind: u8, size: u64, base: &[u8], content: &[u8]) -> u64 {
        let offset = self.offset();
        let mut byte = kind << 4 | (size & 0xf) as u8;
        let mut rest = size >> 4;
        while rest > 0 {
            self.bytes.push(byte | 0x80);
            byte = (rest & 0x7f) as u8;
            rest >>= 7;
        }
        self.bytes.push(byte);
        self.bytes.extend_from_slice(base);
        let mut deflate = deflate::Write::new(&mut self.bytes, Compression::BEST_SPEED);
        deflate.write_all(content).expect("there is memory");
        deflate.flush().expect("there is memory");
        self.count += 1;
        offset
    }

    fn add(&mut self, kind: u8, base: &[u8], content: &[u8]) -> u64 {
        self.claim(kind, content.len() as u64, base, content)
    }

    /// Adds a delta to what begins at `base`.
    fn delta(&mut self, base: u64, delta: &[u8]) -> u64 {
        let distance = self.offset() - base;
        self.add(AT_OFFSET, &distance_back(distance), delta)
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes[8..12].copy_from_slice(&self.count.to_be_bytes());
        let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
        hasher.update(&self.bytes);
        let sum = hasher.try_finalize().expect("it is no attack");
        self.bytes.extend_from_slice(sum.as_slice());
        self.bytes
    }
}

fn distance_back(mut distance: u64) -> Vec<u8> {
    let mut bytes = vec![(distance & 0x7f) as u8];
    while distance > 0x7f {
        distance = (distance >> 7) - 1;
        bytes.insert(0, (distance & 0x7f) as u8 | 0x80);
    }
    bytes
}

fn refused(pack: Pack) -> String {
    match in_memory(&pack.finish()) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it was taken"),
    }
}

fn blob_id(data: &[u8]) -> ObjectId {
    gix::objs::compute_hash(gix::hash::Kind::Sha1, Kind::Blob, data).expect("it is no attack")
}

#[test]
fn a_chain_of_thousands_of_deltas_is_resolved() {
    let mut pack = Pack::new();
    let mut base = pack.add(BLOB, &[], b"0000");
    // Each copies two bytes and adds two others, and has a sister on which nothing leans.
    for number in 0..10_000u16 {
        let [a, b] = number.to_be_bytes();
        pack.delta(base, &[4, 4, 4, b'x', b'y', a, b]);
        base = pack.delta(base, &[4, 4, 0x90, 2, 2, a, b]);
    }
    let (indexed, _) = judged(&pack.finish());
    assert_eq!(indexed.objects, 20_001);
}

#[test]
fn bases_may_come_later_and_twice() {
    let mut pack = Pack::new();
    let (first, second) = (b"base", b"base!");
    pack.add(NAMED, blob_id(second).as_slice(), &[5, 1, 0x90, 1]);
    pack.add(NAMED, blob_id(first).as_slice(), &[4, 5, 0x90, 4, 1, b'!']);
    pack.add(BLOB, &[], first);
    pack.add(BLOB, &[], first);
    let (indexed, _) = in_memory(&pack.finish()).unwrap();
    assert_eq!(indexed.objects, 4);
}

#[test]
fn deltas_that_lean_on_one_another_are_damage() {
    let mut pack = Pack::new();
    pack.add(BLOB, &[], b"x");
    for _ in 0..2 {
        pack.add(NAMED, &[9; 20], &[1, 1, 1, b'y']);
    }
    assert!(refused(pack).contains("base is not in the pack, at byte 22"));
}

#[test]
fn a_base_where_nothing_begins_is_damage() {
    for distance in [0, 3, 1000, u64::MAX >> 8] {
        let mut pack = Pack::new();
        pack.add(BLOB, &[], b"x");
        let at = format!("at byte {}", pack.offset());
        pack.add(AT_OFFSET, &distance_back(distance), &[1, 1, 1, b'y']);
        let said = refused(pack);
        assert!(said.contains("base") && said.contains(&at), "{said}");
    }
}

#[test]
fn sizes_that_are_not_true_are_damage() {
    for claimed in [0, 3, 5, 1 << 40] {
        let mut pack = Pack::new();
        pack.claim(BLOB, claimed, &[], b"four");
        assert!(refused(pack).contains("an object is "), "{claimed}");
    }
    let mut pack = Pack::new();
    pack.claim(BLOB, 4, &[], &vec![0; 1 << 20]);
    assert!(refused(pack).contains("longer than 4"));
}

#[test]
fn a_count_that_is_not_true_takes_neither_memory_nor_time() {
    let mut pack = Pack::new();
    pack.add(BLOB, &[], b"x");
    pack.count = u32::MAX;
    let begun = Instant::now();
    assert!(refused(pack).contains("at byte "));
    assert!(begun.elapsed().as_secs() < 5);
}

#[test]
fn a_delta_that_makes_far_too_much_is_damage() {
    let mut pack = Pack::new();
    let base = pack.add(BLOB, &[], &vec![0; 0xff_ffff]);
    // 16 MiB, 100 times.
    let mut delta = vec![0xff, 0xff, 0xff, 7, 0xe4, 0xff, 0xff, 0x9f, 6];
    for _ in 0..100 {
        delta.extend_from_slice(&[0xf0, 0xff, 0xff, 0xff]);
    }
    pack.delta(base, &delta);
    assert!(refused(pack).contains("more than 1 GiB"));
}

#[test]
fn unknown_types_are_damage() {
    for kind in [0, 5] {
        let mut pack = Pack::new();
        pack.add(kind, &[], b"x");
        assert!(refused(pack).contains(&format!("type {kind}, at byte 12")));
    }
}

#[test]
fn malformed_commits_and_trees_are_damage() {
    for kind in [1, 2, 4] {
        let mut pack = Pack::new();
        let base = pack.add(kind, &[], b"nonsense");
        pack.delta(base, &[8, 1, 1, b'x']);
        assert!(refused(pack).contains("malformed, at byte 12"));
    }
}
