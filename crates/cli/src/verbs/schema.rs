//! `gitbarge schema`: the JSON Schema of the configuration.

use clap::Args;

use crate::args::Common;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// `schema` has no options of its own.
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {}

pub(crate) fn run(_: SchemaArgs, _: &Common, terminal: &Terminal) -> Exit {
    terminal.print(format!("{:#}", gitbarge_core::config::schema()));
    Exit::Good
}
