//! `cargo xtask bench checkout`: a checkout beside git's own, over a loopback sshd.

use clap::Args;

use super::lab::{Lab, POLL};
use super::measure::{peak_anonymous, time};
use super::table::{self, Row, Table};
use crate::Outcome;

/// What to measure, and how often.
#[derive(Args)]
#[group(id = "checkout")]
pub(super) struct Options {
    /// How many pairs each figure is the median of
    #[arg(long, default_value_t = 10)]
    pairs: usize,
    /// How many files the repository has
    #[arg(long, default_value_t = 20_000)]
    files: usize,
    /// Write the table into docs/performance.md
    #[arg(long)]
    write: bool,
}

pub(super) fn run(options: &Options) -> Outcome {
    let lab = Lab::new(options.files)?;
    let rows = vec![
        first_clone(&lab, options.pairs)?,
        cold_no_op(&lab, options.pairs)?,
        warm_no_op(&lab, options.pairs)?,
        one_file(&lab, options.pairs)?,
        memory(&lab)?,
    ];
    let ssh = table::version("ssh", &["-V"]);
    let lead = format!("{} files, {ssh}", options.files);
    let table = Table {
        name: "bench",
        lead,
        pairs: options.pairs,
        rows,
    };
    table.show(options.write)
}

/// Every clone goes to a folder of its own, and nothing is deleted in between: some file systems are slow at creating files
/// shortly after many were deleted.
fn first_clone(lab: &Lab, pairs: usize) -> Outcome<Row> {
    let mut row = Row::new("first clone", "git clone").target(1.0);
    for pair in 0..pairs {
        let name = format!("clone-{pair}");
        lab.configure(&name, POLL)?;
        row.ours.push(time(&mut lab.sync(&name))?);
        row.theirs
            .push(time(&mut lab.git_clone(&format!("{name}-git")))?);
    }
    Ok(row)
}

fn cold_no_op(lab: &Lab, pairs: usize) -> Outcome<Row> {
    let mut row = Row::new("nothing to do, `gitbarge sync`", "git ls-remote").target(1.0);
    lab.configure("clone-0", POLL)?;
    for _ in 0..pairs {
        row.ours.push(time(&mut lab.sync("clone-0"))?);
        row.theirs.push(time(&mut lab.ls_remote())?);
    }
    Ok(row)
}

/// The daemon's own account of runs that found nothing, beside `git ls-remote` at the same time.
fn warm_no_op(lab: &Lab, pairs: usize) -> Outcome<Row> {
    let mut row = Row::new("nothing to do, in the daemon", "git ls-remote").target(0.2);
    let daemon = lab.daemon("clone-0")?;
    for _ in 0..pairs {
        row.theirs.push(time(&mut lab.ls_remote())?);
    }
    row.ours = lab.unchanged_runs("clone-0", pairs)?;
    drop(daemon);
    Ok(row)
}

fn one_file(lab: &Lab, pairs: usize) -> Outcome<Row> {
    let beside = "git fetch && git reset --hard && git clean -fd";
    let mut row = Row::new("one changed file", beside).target(0.7);
    for pair in 0..pairs {
        lab.change_one_file(pair)?;
        row.ours.push(time(&mut lab.sync("clone-0"))?);
        row.theirs.push(time(&mut lab.git_update("clone-0-git"))?);
    }
    Ok(row)
}

/// The most anonymous memory that the first clone has at any time, in MiB.
fn memory(lab: &Lab) -> Outcome<Row> {
    let mut row = Row::new("first clone, peak anonymous memory", "the limit").target(1.0);
    lab.configure("clone-memory", POLL)?;
    row.ours
        .push(peak_anonymous(&mut lab.sync("clone-memory"))?);
    row.theirs.push(96.0);
    Ok(row.of("MiB"))
}
