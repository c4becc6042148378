//! `cargo xtask bench http`: webhooks, from the sender's side and from the disk's.

mod load;
mod sender;

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use clap::Args;

use super::lab::Lab;
use super::measure::time;
use super::table::{self, Row, Table};
use crate::Outcome;
use load::load;
use sender::Sender;

/// The checkout that the daemon keeps.
const NAME: &str = "live";
/// The senders' connections, all of which stay open.
const CONNECTIONS: usize = 64;
/// The period of git-sync, if nothing is said, in seconds: a push waits for half of it on average.
const PERIOD: f64 = 10.0;
/// How long a push may take to the disk, in seconds.
const LIMIT: f64 = 0.3;
/// How long anything that is waited for may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to measure, and how often.
#[derive(Args)]
pub(super) struct Options {
    /// How many pairs each figure is the median of
    #[arg(long, default_value_t = 10)]
    pairs: usize,
    /// How many files the repository has
    #[arg(long, default_value_t = 2_000)]
    files: usize,
    /// Write the table into docs/performance.md
    #[arg(long)]
    write: bool,
}

pub(super) fn run(options: &Options) -> Outcome {
    let lab = Lab::new(options.files)?;
    let address = free_address()?;
    lab.configure(NAME, &tables(address))?;
    time(&mut lab.sync(NAME))?;
    time(&mut lab.git_clone(&format!("{NAME}-git")))?;
    let daemon = lab.daemon(NAME)?;
    until("the listener answers", || Sender::connect(address).is_ok())?;

    let mut rows = push_to_disk(&lab, address, options.pairs)?;
    rows.extend(deliveries(address, options.pairs)?);
    drop(daemon);
    let ssh = table::version("ssh", &["-V"]);
    let table = Table {
        name: "bench http",
        lead: format!("{} files, {ssh}", options.files),
        pairs: options.pairs,
        rows,
    };
    table.show(options.write)
}

fn tables(address: SocketAddr) -> String {
    format!(
        "[http]\nlisten = \"{address}\"\n\
         [pipeline.bench.trigger.push]\ntype = \"webhook\"\nprovider = \"github\"\n\
         path = \"{path}\"\nsecret = \"{secret}\"\n",
        path = sender::PATH,
        secret = sender::SECRET,
    )
}

/// An address that nobody listens at.
fn free_address() -> Outcome<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map_err(|e| format!("the loopback interface has no free port: {e}"))
}

/// From the end of a push to the new commit on disk.
fn push_to_disk(lab: &Lab, address: SocketAddr, pairs: usize) -> Outcome<Vec<Row>> {
    let what = "from a push to the commit on disk";
    let mut limit = Row::new(what, "the limit").target(1.0);
    let beside = "half of git-sync's period, and git fetch && git reset --hard && git clean -fd";
    let mut polled = Row::new(what, beside);
    let mut sender = Sender::connect(address)?;
    for round in 0..pairs {
        lab.change_one_file(round)?;
        let pushed = Instant::now();
        sender.deliver()?;
        until("the push is on disk", || lab.has_change(NAME, round))?;
        let took = pushed.elapsed().as_secs_f64();
        limit.ours.push(took);
        limit.theirs.push(LIMIT);
        polled.ours.push(took);
        let theirs = time(&mut lab.git_update(&format!("{NAME}-git")))?;
        polled.theirs.push(PERIOD / 2.0 + theirs);
    }
    Ok(vec![limit, polled])
}

/// What all connections together get accepted, while one run follows the other.
fn deliveries(address: SocketAddr, pairs: usize) -> Outcome<Vec<Row>> {
    let what = format!("10,000 accepted deliveries over {CONNECTIONS} connections");
    let mut rate = Row::new(what, "a second").target(1.0);
    let mut p99 = Row::new("99 of 100 of them are answered within", "10 ms").target(1.0);
    for _ in 0..pairs {
        let measured = load(address, CONNECTIONS)?;
        rate.ours.push(10_000.0 / measured.each_second);
        rate.theirs.push(1.0);
        p99.ours.push(measured.p99.as_secs_f64());
        p99.theirs.push(0.01);
    }
    Ok(vec![rate, p99])
}

fn until(what: &str, is_so: impl Fn() -> bool) -> Outcome {
    let begun = Instant::now();
    while !is_so() {
        if begun.elapsed() > PATIENCE {
            return Err(format!("not within {PATIENCE:?}: {what}"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
