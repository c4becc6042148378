//! `cargo xtask bench s3`: a mirror in an object store beside the least that it can cost, and beside mirror-git-to-s3.

mod ancestor;
mod history;
mod lab;
mod limit;
mod rows;
mod servers;

use clap::Args;

use super::build;
use super::table::{Row, Table};
use crate::Outcome;
use ancestor::Ancestor;
use history::{LARGE, MEDIUM};
use lab::Lab;

/// What to measure, and how often.
#[derive(Args)]
pub(super) struct Options {
    /// How many pairs each figure is the median of; of what takes long, three at most
    #[arg(long, default_value_t = 10)]
    pairs: usize,
    /// Measure a repository of 170,000 objects and 190 MB too
    #[arg(long)]
    large: bool,
    /// Write the table into docs/performance.md
    #[arg(long)]
    write: bool,
}

pub(super) fn run(options: &Options) -> Outcome {
    build(&["--package", "gitbarge-testkit", "--example", "servers"])?;
    let ancestor = Ancestor::install()?;
    let mut lab = Lab::new()?;
    let few = options.pairs.min(3);

    let mut rows = medium(&mut lab, options.pairs)?;
    if options.large {
        lab.repository(LARGE)?;
        rows.extend(rows::first(&mut lab, LARGE, few)?);
        rows.push(rows::memory(&lab, LARGE, 256)?);
        rows.push(rows::memory(&lab, LARGE, 64)?);
    }
    rows.extend(rows::beside_the_ancestor(&mut lab, &ancestor, few)?);
    let table = Table {
        name: "bench s3",
        lead: "s3s-fs and `git http-backend` on the loopback".to_owned(),
        pairs: options.pairs,
        rows,
    };
    table.show(options.write)
}

fn medium(lab: &mut Lab, pairs: usize) -> Outcome<Vec<Row>> {
    let mut grown = lab.repository(MEDIUM)?;
    let mut rows = rows::first(lab, MEDIUM, pairs)?;
    rows.push(rows::memory(lab, MEDIUM, 256)?);
    rows.extend(rows::no_change(lab, pairs)?);
    rows.extend(rows::one_commit(lab, &mut grown, pairs)?);
    rows.push(rows::after_increments(lab, &mut grown, pairs)?);
    Ok(rows)
}
