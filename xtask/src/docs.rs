//! `cargo xtask docs`: the configuration reference, generated from the types.

use clap::Args;

use crate::{Outcome, read, root, write};

/// What to do with the reference.
#[derive(Args)]
pub(crate) struct Options {
    /// Change nothing; fail if the file is not what the types say
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(options: &Options) -> Outcome {
    let path = root().join("docs/configuration.md");
    let text = gitbarge::config_reference();
    if !options.check {
        return write(&path, &text);
    }
    if read(&path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    Err("docs/configuration.md is not what the types say: run `cargo xtask docs`".to_owned())
}
