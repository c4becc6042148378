//! Packs that are cut, flipped or followed by something.

use gitbarge_core::{Error, ErrorKind};
use gitbarge_testkit::repository::Repository;

use crate::fixture::{in_memory, judged, packed};

/// Few bytes, with objects of all kinds and a delta.
fn small(options: &[&str]) -> Vec<u8> {
    let repository = Repository::with_one_commit();
    let text = "line\n".repeat(40);
    repository
        .commit("main")
        .write("text", format!("{text}1"))
        .push();
    let tip = repository
        .commit("main")
        .write("text", format!("{text}22"))
        .push();
    repository.annotate("v1", tip);
    let pack = packed(&repository, options, "");
    judged(&pack);
    pack
}

fn refused(pack: &[u8], what: &str) -> Error {
    match in_memory(pack) {
        Err(error) => error,
        Ok(_) => panic!("{what}: it was taken"),
    }
}

#[test]
fn a_pack_that_is_cut_anywhere_is_refused() {
    let pack = small(&["--all", "--delta-base-offset"]);
    for length in 0..pack.len() {
        let error = refused(&pack[..length], &format!("cut at {length}"));
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
}

#[test]
fn a_flipped_bit_anywhere_is_damage() {
    for options in [&["--all", "--delta-base-offset"][..], &["--all"]] {
        let pack = small(options);
        for place in 0..pack.len() * 8 {
            let mut pack = pack.clone();
            pack[place / 8] ^= 1 << (place % 8);
            let error = refused(&pack, &format!("flipped at {place}"));
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            assert!(error.to_string().contains("at byte "), "{error}");
        }
    }
}

#[test]
fn what_follows_a_pack_is_damage() {
    let mut pack = small(&["--all"]);
    let length = pack.len();
    pack.push(0);
    let error = refused(&pack, "one byte more");
    assert!(
        error.to_string().contains(&format!("at byte {length}")),
        "{error}"
    );
}

#[test]
fn a_thin_pack_does_not_stand_alone() {
    let repository = Repository::empty();
    let text = "line\n".repeat(40);
    repository
        .commit("main")
        .write("text", format!("{text}1"))
        .push();
    repository
        .commit("main")
        .write("text", format!("{text}22"))
        .push();
    let pack = packed(
        &repository,
        &["--thin", "--delta-base-offset"],
        "main\n^main~1\n",
    );
    let error = refused(&pack, "thin");
    assert!(
        error.to_string().contains("base is not in the pack"),
        "{error}"
    );
}
