//! `gitbarge alert test`: a test message.

use clap::Args;
use gitbarge_engine::Engine;

use crate::args::Common;
use crate::configuration;
use crate::exit::Exit;
use crate::process;
use crate::report;
use crate::terminal::{GOOD, Terminal};

/// The options of `alert test`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The alerter, such as `ops`, or `site/ops` for one of a pipeline; all of them if none is named
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

pub(crate) fn run(args: TestArgs, common: &Common, terminal: &Terminal) -> Exit {
    process::run_droppable(terminal, || async {
        let config = match configuration::load(common, terminal) {
            Ok(config) => config,
            Err(exit) => return exit,
        };
        let known: Vec<&str> = config
            .all_alerters()
            .map(|route| route.name.as_str())
            .collect();
        if args
            .name
            .as_ref()
            .map_or(known.is_empty(), |name| !known.contains(&name.as_str()))
        {
            return unknown(args.name.as_deref(), &known, terminal);
        }
        let mut failed = false;
        for (name, result) in Engine::new(&config).test_alert(args.name.as_deref()).await {
            match result {
                Ok(()) => terminal.print(format!("{name}: {GOOD}sent{GOOD:#}")),
                Err(error) => {
                    failed = true;
                    terminal.print(report::failure(&name, &error.failure()));
                }
            }
        }
        Exit::failed_if(failed)
    })
}

fn unknown(name: Option<&str>, known: &[&str], terminal: &Terminal) -> Exit {
    let message = match name {
        Some(name) => format!("there is no alerter `{}`", name.escape_debug()),
        None => "there are no alerters".to_owned(),
    };
    let hint = if known.is_empty() {
        "add a table `[alert.NAME]`; `gitbarge plugins` lists the types".to_owned()
    } else {
        format!("the configuration has {}", known.join(", "))
    };
    terminal.complain(message, hint);
    Exit::Usage
}
