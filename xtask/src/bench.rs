//! `cargo xtask bench`: gitbarge beside git and beside the tools that it replaces, in paired runs on this machine.

mod checkout;
mod http;
mod lab;
mod measure;
mod s3;
mod table;

use std::process::Command;

use clap::{Args, Subcommand};

use crate::{Outcome, root, succeed};

/// What to measure; checkouts, if nothing is said.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    checkout: checkout::Options,
}

#[derive(Subcommand)]
enum What {
    /// Checkouts beside git, over a loopback sshd
    Checkout(checkout::Options),
    /// Webhooks: how many, how fast, and how soon a push is on disk
    Http(http::Options),
    /// Mirrors in an object store beside git with curl, and beside mirror-git-to-s3
    S3(s3::Options),
}

pub(crate) fn run(options: &Options) -> Outcome {
    build(&["--package", "gitbarge"])?;
    match &options.what {
        None => checkout::run(&options.checkout),
        Some(What::Checkout(options)) => checkout::run(options),
        Some(What::Http(options)) => http::run(options),
        Some(What::S3(options)) => s3::run(options),
    }
}

/// Builds what is measured, as it is shipped.
fn build(what: &[&str]) -> Outcome {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root()).args(["build", "--release"]);
    succeed(cargo.args(what))
}
