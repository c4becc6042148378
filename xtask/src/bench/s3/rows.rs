//! Each comparison: ours and theirs in turn.

use std::path::PathBuf;

use super::ancestor::Ancestor;
use super::history::{History, MEDIUM, SMALL, Size};
use super::lab::Lab;
use super::limit::Limit;
use crate::Outcome;
use crate::bench::measure::{peak_anonymous, time};
use crate::bench::table::Row;

/// The configuration's default of `memory`, in MiB.
const MEMORY: u64 = 256;
/// What gitbarge may have besides `memory`, in MiB.
const BESIDES: u64 = 64;
/// The smallest part of an upload, and the largest object that is not uploaded in parts, in bytes.
const PART: (u64, u64) = (8 << 20, 16 << 20);
/// After how many increments a mirror is cloned.
const INCREMENTS: usize = 40;

/// A mirror where there is none.
pub(super) fn first(lab: &mut Lab, size: Size, pairs: usize) -> Outcome<Vec<Row>> {
    let what = format!("first mirror of {} objects", size.objects);
    let mut wall = Row::new(&what, "`git clone --mirror`, curl").target(1.2);
    let mut requests = Row::new(what, "10 and the parts")
        .target(1.0)
        .of("requests");
    for pair in 0..pairs {
        let prefix = format!("{}-{pair}", size.name);
        let cost = lab.cost(&mut lab.sync(size, &prefix, MEMORY)?)?;
        let (limit, took) = Limit::first(lab, size, &format!("{prefix}-limit"))?;
        wall.ours.push(cost.seconds);
        wall.theirs.push(took);
        requests.ours.push(cost.requests);
        requests.theirs.push(10.0 + parts(limit.pack_size()?));
        limit.forget(lab)?;
        if pair > 0 {
            lab.forget(&prefix)?;
        }
    }
    Ok(vec![wall, requests])
}

fn parts(pack: u64) -> f64 {
    if pack > PART.1 {
        pack.div_ceil(PART.0) as f64
    } else {
        0.0
    }
}

/// The most anonymous memory that a first mirror has at any time, with so many MiB for packs.
pub(super) fn memory(lab: &Lab, size: Size, memory: u64) -> Outcome<Row> {
    let what = format!("the same, `memory = \"{memory}MiB\"`");
    let mut row = Row::new(what, "that and 64 MiB").target(1.0).of("MiB");
    let prefix = format!("{}-memory", size.name);
    let sync = lab.sync(size, &prefix, memory);
    row.ours.push(peak_anonymous(&mut sync?)?);
    row.theirs.push((memory + BESIDES) as f64);
    lab.forget(&prefix)?;
    Ok(row)
}

/// The first of the mirrors that [`first`] made, when the repository is as it was.
pub(super) fn no_change(lab: &mut Lab, pairs: usize) -> Outcome<Vec<Row>> {
    let mut wall = Row::new("no change", "`git ls-remote` of the source");
    let mut requests = Row::new("no change", "the limit")
        .target(1.0)
        .of("requests");
    let mut bytes = Row::new("no change", "the limit").target(1.0).of("bytes");
    for _ in 0..pairs {
        let cost = lab.cost(&mut lab.sync(MEDIUM, "medium-0", MEMORY)?)?;
        wall.ours.push(cost.seconds);
        wall.theirs
            .push(time(lab.git().args(["ls-remote", &lab.source(MEDIUM)]))?);
        requests.ours.push(cost.requests);
        requests.theirs.push(2.0);
        bytes.ours.push(cost.bytes);
        bytes.theirs.push(0.0);
    }
    Ok(vec![wall, requests, bytes])
}

/// The same mirror, when the repository has one more commit.
pub(super) fn one_commit(
    lab: &mut Lab,
    (repository, history): &mut (PathBuf, History),
    pairs: usize,
) -> Outcome<Vec<Row>> {
    let mut wall = Row::new("one more commit", "`git fetch`, curl");
    let mut requests = Row::new("one more commit", "the limit")
        .target(1.0)
        .of("requests");
    let (mut limit, _) = Limit::first(lab, MEDIUM, "medium-limit")?;
    for _ in 0..pairs {
        history.import(repository, 1)?;
        let cost = lab.cost(&mut lab.sync(MEDIUM, "medium-0", MEMORY)?)?;
        wall.ours.push(cost.seconds);
        wall.theirs.push(limit.update(lab)?);
        requests.ours.push(cost.requests);
        requests.theirs.push(8.0);
    }
    limit.forget(lab)?;
    Ok(vec![wall, requests])
}

/// What readers pay for a mirror that has grown bit by bit.
pub(super) fn after_increments(
    lab: &Lab,
    (repository, history): &mut (PathBuf, History),
    pairs: usize,
) -> Outcome<Row> {
    let what = format!("cloning the mirror after {INCREMENTS} increments");
    let mut row = Row::new(what, "after one").target(1.5);
    let sync = |prefix: &str| time(&mut lab.sync(MEDIUM, prefix, MEMORY)?);
    sync("once")?;
    sync("often")?;
    for increment in 0..INCREMENTS {
        history.import(repository, 1)?;
        sync("often")?;
        if increment == 0 {
            sync("once")?;
        }
    }
    for _ in 0..pairs {
        row.ours.push(lab.clone_mirror("often")?);
        row.theirs.push(lab.clone_mirror("once")?);
    }
    Ok(row)
}

/// A first mirror and a second run that finds nothing new, by either tool.
pub(super) fn beside_the_ancestor(
    lab: &mut Lab,
    ancestor: &Ancestor,
    pairs: usize,
) -> Outcome<Vec<Row>> {
    lab.repository(SMALL)?;
    let what = format!("first mirror of {} objects, and no change", SMALL.objects);
    let mut wall = Row::new(&what, "mirror-git-to-s3").target(0.05);
    let mut requests = Row::new(what, "mirror-git-to-s3")
        .target(0.01)
        .of("requests");
    for pair in 0..pairs {
        let prefix = format!("small-{pair}");
        let ours = lab.cost_of_two(&mut lab.sync(SMALL, &prefix, MEMORY)?)?;
        let theirs = format!("{prefix}-ancestor");
        let theirs = lab.cost_of_two(&mut ancestor.mirror(lab, SMALL, &theirs)?)?;
        wall.ours.push(ours.seconds);
        wall.theirs.push(theirs.seconds);
        requests.ours.push(ours.requests);
        requests.theirs.push(theirs.requests);
    }
    Ok(vec![wall, requests])
}
