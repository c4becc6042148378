//! Prints what a checkout holds: `cargo run -p gitbarge-sink-checkout --example status -- DIR`.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use gitbarge_core::{Error, ErrorKind, Result, Run, Sink as _};
use gitbarge_sink_checkout::{CheckoutOptions, CheckoutSink};

#[tokio::main]
async fn main() -> Result<()> {
    let usage = || Error::new(ErrorKind::Config, "usage: status DIR");
    let folder = std::env::args_os().nth(1).ok_or_else(usage)?;
    let sink = CheckoutSink::new(CheckoutOptions::at(folder));
    let held = sink.held(&Run::standalone("status")).await?;
    match held.commit {
        Some(commit) => println!("at {commit} ({})", held.subject.unwrap_or_default()),
        None => println!("holds no commit"),
    }
    println!("{}", if held.drifted { "drifted" } else { "clean" });
    Ok(())
}
