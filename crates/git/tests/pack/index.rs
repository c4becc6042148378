//! Whole packs, of all sorts.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use gitbarge_core::{ErrorKind, Result};
use gitbarge_git::index::{Beyond, Index, Room, Spool, index, read_object};
use gitbarge_testkit::repository::{Repository, git};
use gix::ObjectId;

use crate::fixture::{LFS_OID, ids, in_memory, judged, packed, rich, room};

#[test]
fn packs_of_all_sorts_have_the_index_that_git_makes() {
    let repository = rich();
    for options in [
        &["--all", "--delta-base-offset"][..],
        // Without an option, deltas name their bases.
        &["--all"],
        &["--all", "--depth=0"],
        &["--all", "--delta-base-offset", "--depth=200", "--window=50"],
    ] {
        let (indexed, _) = judged(&packed(&repository, options, ""));
        let index = Index::parse(indexed.index.into()).unwrap();
        let all = ids(&repository.git(&["rev-list", "--objects", "--all"]));
        assert_eq!(index.ids().collect::<BTreeSet<_>>(), all);
        assert!(all.iter().all(|id| index.contains(id)));
        assert_eq!((index.len(), index.pack()), (indexed.objects, indexed.name));
        assert_eq!(indexed.links, Vec::<ObjectId>::new());
        let pointers: Vec<_> = indexed
            .pointers
            .iter()
            .map(|p| (hex(&p.oid), p.size))
            .collect();
        assert_eq!(pointers, [(LFS_OID.to_owned(), 12345)]);
    }
}

#[test]
fn what_is_not_in_the_pack_is_linked() {
    let repository = rich();
    let pack = packed(&repository, &["--delta-base-offset"], "main\n^main~4\n");
    let (indexed, _) = judged(&pack);
    let index = Index::parse(indexed.index.clone().into()).unwrap();
    let mut links = BTreeSet::new();
    for id in index.ids() {
        links.extend(
            links_of(&repository, id)
                .into_iter()
                .filter(|l| !index.contains(l)),
        );
    }
    assert!(links.len() > 3 && indexed.links.iter().copied().eq(links.iter().copied()));
    let older = ids(&repository.git(&["rev-list", "--objects", "main~4"]));
    assert!(links.is_subset(&older));
}

/// What git says that an object points to, submodules' commits apart.
fn links_of(repository: &Repository, id: ObjectId) -> Vec<ObjectId> {
    let id = id.to_string();
    let text = match repository.git(&["cat-file", "-t", &id]).as_str() {
        "blob" => return Vec::new(),
        "tree" => {
            let listed = repository.git(&["ls-tree", &id]);
            let files = listed.lines().filter(|line| !line.starts_with("160000"));
            let names = files.filter_map(|line| line.split([' ', '\t']).nth(2));
            return names
                .map(|hex| ObjectId::from_hex(hex.as_bytes()).expect("a hash"))
                .collect();
        }
        _ => repository.git(&["cat-file", "-p", &id]),
    };
    let head = text.lines().take_while(|line| !line.is_empty());
    let named = head.filter_map(|line| {
        let (key, value) = line.split_once(' ')?;
        ["tree", "parent", "object"].contains(&key).then_some(value)
    });
    named
        .map(|hex| ObjectId::from_hex(hex.as_bytes()).expect("a hash"))
        .collect()
}

#[test]
fn objects_are_read_back() {
    let repository = rich();
    for options in [&["--all", "--delta-base-offset"][..], &["--all"]] {
        let (indexed, pack) = judged(&packed(&repository, options, ""));
        for id in Index::parse(indexed.index.clone().into()).unwrap().ids() {
            let (kind, data) = read_object(&pack, &indexed.index, id).unwrap().unwrap();
            let mut show = git(repository.path());
            let show = show.args(["cat-file", &kind.to_string(), &id.to_string()]);
            assert!(show.output().unwrap().stdout == data, "{kind} {id}");
        }
        let other = ObjectId::Sha1([7; 20]);
        assert!(read_object(&pack, &indexed.index, other).unwrap().is_none());
        assert!(read_object(&pack, b"no index", other).unwrap().is_none());
    }
}

#[test]
fn an_empty_pack_is_a_pack() {
    let (indexed, _) = judged(&packed(&Repository::empty(), &["--all"], ""));
    assert_eq!((indexed.objects, indexed.links.len()), (0, 0));
    assert!(Index::parse(indexed.index.into()).unwrap().is_empty());
}

#[test]
fn a_pack_that_fits_into_memory_touches_no_folder() {
    let dir = tempfile::tempdir().unwrap();
    let pack = packed(&rich(), &["--all"], "");
    let none = dir.path().join("none");
    let stop = AtomicBool::new(false);
    let indexed = |memory| index(&pack[..], room(memory, &none), &Arc::default(), &stop);
    assert!(indexed(pack.len() as u64).unwrap().1.is_in_memory());
    let error = indexed(pack.len() as u64 - 1).unwrap_err();
    assert!(
        error.to_string().contains(&none.display().to_string()),
        "{error}"
    );
}

#[test]
fn a_pack_of_several_times_the_memory_is_read_back_as_it_is_needed() {
    let repository = noisy(24);
    let pack = packed(&repository, &["--all", "--delta-base-offset"], "");
    assert!(pack.len() > 24 << 20, "{}", pack.len());
    let (whole, _) = judged(&pack);
    let reads = Arc::new(Reads::default());
    let dir = tempfile::tempdir().unwrap();
    let beyond = Box::new(Counted(Spool::new(dir.path()), reads.clone()));
    let room = Room {
        memory: 4 << 20,
        beyond,
    };
    let (indexed, bytes) =
        index(&pack[..], room, &Arc::default(), &AtomicBool::new(false)).unwrap();
    assert!(indexed == whole && !bytes.is_in_memory());
    assert_eq!(reads.written.load(Ordering::Relaxed), pack.len());
    // Each block once, or a few of them twice.
    let read = reads.read.load(Ordering::Relaxed);
    assert!(read > 0 && read < pack.len() * 3 / 2, "{read}");
    let tip = repository.id("refs/heads/main").unwrap();
    let (kind, data) = read_object(&bytes, &indexed.index, tip).unwrap().unwrap();
    assert_eq!(kind, gix::objs::Kind::Commit);
    assert!(data.starts_with(b"tree "));
}

/// A repository with files of a mebibyte that nothing makes smaller, each with some later versions that are deltas.
fn noisy(files: usize) -> Repository {
    let repository = Repository::empty();
    let mut random = 1u64;
    let noise = std::iter::repeat_with(|| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 56) as u8
    });
    let noise: Vec<u8> = noise.take(files << 20).collect();
    for version in 0..4 {
        let mut commit = repository.commit("main");
        for (number, data) in noise.chunks(1 << 20).enumerate() {
            let mut data = data.to_vec();
            data[version * 1000] ^= 1;
            commit = commit.write(&format!("file{number}"), &data);
        }
        commit.push();
    }
    repository
}

#[derive(Debug, Default)]
struct Reads {
    written: AtomicUsize,
    read: AtomicUsize,
}

struct Counted(Spool, Arc<Reads>);

impl Beyond for Counted {
    fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.1.written.fetch_add(bytes.len(), Ordering::Relaxed);
        self.0.write(bytes)
    }

    fn finish(&mut self) -> Result<()> {
        self.0.finish()
    }

    fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        self.1.read.fetch_add(length, Ordering::Relaxed);
        self.0.read(offset, length)
    }
}

#[test]
fn a_stop_is_heard() {
    let pack = packed(&rich(), &["--all"], "");
    let room = room(u64::MAX, Path::new("none"));
    let stopped = index(&pack[..], room, &Arc::default(), &AtomicBool::new(true));
    assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(in_memory(&pack).is_ok());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
