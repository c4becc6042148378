//! `cargo xtask bench`: gitbarge beside git, in paired runs over a loopback sshd.

mod lab;
mod table;

use clap::Args;

use crate::{Outcome, root, succeed};
use lab::Lab;
use table::Row;

/// What to measure, and how often.
#[derive(Args)]
pub(crate) struct Options {
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

pub(crate) fn run(options: &Options) -> Outcome {
    let mut build = std::process::Command::new("cargo");
    succeed(
        build
            .current_dir(root())
            .args(["build", "--release", "--package", "gitbarge"]),
    )?;
    let lab = Lab::new(options.files)?;
    let mut rows = vec![
        first_clone(&lab, options.pairs)?,
        cold_no_op(&lab, options.pairs)?,
        warm_no_op(&lab, options.pairs)?,
        one_file(&lab, options.pairs)?,
    ];
    rows.push(memory(&lab)?);
    let text = table::render(&rows, options);
    println!("{text}");
    if options.write {
        table::store(&text)
    } else {
        Ok(())
    }
}

/// Every clone goes to a folder of its own, and nothing is deleted in between: some file systems are slow at creating files
/// shortly after many were deleted.
fn first_clone(lab: &Lab, pairs: usize) -> Outcome<Row> {
    let mut row = Row::new("first clone", "git clone", 1.0);
    for pair in 0..pairs {
        let name = format!("clone-{pair}");
        lab.configure(&name)?;
        row.ours.push(lab.time(&mut lab.sync(&name))?);
        row.theirs
            .push(lab.time(&mut lab.git_clone(&format!("{name}-git")))?);
    }
    Ok(row)
}

fn cold_no_op(lab: &Lab, pairs: usize) -> Outcome<Row> {
    let mut row = Row::new("nothing to do, `gitbarge sync`", "git ls-remote", 1.0);
    lab.configure("clone-0")?;
    for _ in 0..pairs {
        row.ours.push(lab.time(&mut lab.sync("clone-0"))?);
        row.theirs.push(lab.time(&mut lab.ls_remote())?);
    }
    Ok(row)
}

/// The daemon's own account of runs that found nothing, beside `git ls-remote` at the same time.
fn warm_no_op(lab: &Lab, pairs: usize) -> Outcome<Row> {
    let mut row = Row::new("nothing to do, in the daemon", "git ls-remote", 0.2);
    let daemon = lab.daemon("clone-0")?;
    for _ in 0..pairs {
        row.theirs.push(lab.time(&mut lab.ls_remote())?);
    }
    row.ours = lab.unchanged_runs("clone-0", pairs)?;
    drop(daemon);
    Ok(row)
}

fn one_file(lab: &Lab, pairs: usize) -> Outcome<Row> {
    let mut row = Row::new(
        "one changed file",
        "git fetch && git reset --hard && git clean -fd",
        0.7,
    );
    for pair in 0..pairs {
        lab.change_one_file(pair)?;
        row.ours.push(lab.time(&mut lab.sync("clone-0"))?);
        row.theirs
            .push(lab.time(&mut lab.git_update("clone-0-git"))?);
    }
    Ok(row)
}

/// The most anonymous memory that the first clone has at any time, in MiB.
fn memory(lab: &Lab) -> Outcome<Row> {
    let mut row = Row::new(
        "first clone, peak anonymous memory in MiB",
        "the limit",
        1.0,
    );
    lab.configure("clone-memory")?;
    row.ours
        .push(lab.peak_anonymous(&mut lab.sync("clone-memory"))?);
    row.theirs.push(96.0);
    row.unit = "MiB";
    Ok(row)
}
