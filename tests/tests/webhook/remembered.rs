//! Deliveries that come again, also after the daemon's death.

use std::fs;

use gitbarge_tests::until;

use crate::forge::main;
use crate::site::{Site, github};

#[test]
fn a_replay_is_known_also_after_a_sudden_death() {
    let mut site = Site::start(&github(), "");
    site.push("one");
    assert_eq!(site.send(&main("one")).status, 202);
    site.follows();
    site.runs_are(2);
    assert_eq!(site.send(&main("one")).status, 200);
    let stored = site.world.path("state");
    until("the delivery is written down", || {
        holds(&stored, "deliveries")
    });
    site.restart();
    let answer = site.send(&main("one"));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json["reason"], "this delivery was seen before");
    // That its run had ended was not written down, perhaps: then there is one more.
    until("it has run", || site.runs() > 0);
    assert_eq!(site.send(&main("two")).status, 202);
    until("it has run again", || site.runs() > 1);
}

#[test]
fn an_orderly_end_writes_down_the_last_delivery() {
    let mut site = Site::start(&github(), "");
    site.runs_are(1);
    for round in 0..5 {
        assert_eq!(site.send(&main(round)).status, 202);
        site.daemon.signal("TERM");
        assert_eq!(site.daemon.ended().0, Some(0));
        let seen = site.log().len();
        site.daemon = site.world.start(&["run"]);
        site.listens_after(seen);
        // The listener is there a moment before what it mounts; what the delivery asked for may be run once more.
        until("it has run", || site.runs() > 0);
        assert_eq!(site.send(&main(round)).status, 200);
    }
}

#[test]
fn a_delivery_whose_run_failed_may_be_sent_again() {
    let site = Site::start(&github(), "");
    site.push("soon");
    let (here, away) = (site.repository.path().to_owned(), site.world.path("away"));
    fs::rename(&here, &away).unwrap();
    assert_eq!(site.send(&main("one")).status, 202);
    site.runs_are(2);
    fs::rename(&away, &here).unwrap();
    until("it is taken again", || {
        site.send(&main("one")).status == 202
    });
    site.follows();
}

/// Whether a file of this name lies anywhere in a folder.
fn holds(folder: &std::path::Path, name: &str) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let path = entry.path();
        entry.file_name().to_string_lossy().contains(name) || path.is_dir() && holds(&path, name)
    })
}
