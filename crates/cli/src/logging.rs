//! Logs go to stderr, between the progress bars.

use std::io::{self, IsTerminal as _, Write};

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::args::{Common, LogFormat};
use crate::terminal::Terminal;

/// Libraries whose every step is of interest only to those who name them in `GITBARGE_LOG`.
const QUIET: [&str; 5] = ["gix", "hyper", "reqwest", "russh", "rustls"];

/// Starts logging; `level` is the least that is logged without `-v`.
pub(crate) fn start(common: &Common, level: Level, terminal: &Terminal) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(level, common.verbose, terminal))
        .with_writer(BetweenBars(terminal.clone()))
        .with_ansi(
            io::stderr().is_terminal()
                && anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never,
        );
    let started = match common.log.unwrap_or(LogFormat::Text) {
        LogFormat::Text => builder.compact().try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_ansi(false)
            .try_init(),
    };
    // A program that embeds this one may have its own subscriber, which then stays.
    drop(started);
}

fn filter(level: Level, verbose: u8, terminal: &Terminal) -> EnvFilter {
    let otherwise = || EnvFilter::new(directives(level, verbose));
    let Ok(named) = std::env::var("GITBARGE_LOG") else {
        return otherwise();
    };
    EnvFilter::try_new(&named).unwrap_or_else(|error| {
        terminal.complain(
            format!("GITBARGE_LOG is no filter and is ignored: {error}"),
            "write it like `info` or `warn,gitbarge_engine=debug`",
        );
        otherwise()
    })
}

fn directives(level: Level, verbose: u8) -> String {
    let levels = [Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
    let base = levels.iter().position(|&l| l == level).unwrap_or_default();
    let level = levels[(base + usize::from(verbose)).min(levels.len() - 1)];
    let quiet: String = QUIET
        .iter()
        .map(|name| [",", name, "=warn"].concat())
        .collect();
    format!("{level}{quiet}")
}

#[derive(Clone)]
struct BetweenBars(Terminal);

impl MakeWriter<'_> for BetweenBars {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Write for BetweenBars {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.bars().suspend(|| io::stderr().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_v_raises_the_level_by_one() {
        let level = |base, verbose| {
            directives(base, verbose)
                .split(',')
                .next()
                .map(str::to_owned)
        };
        assert_eq!(level(Level::WARN, 0).as_deref(), Some("WARN"));
        assert_eq!(level(Level::WARN, 1).as_deref(), Some("INFO"));
        assert_eq!(level(Level::INFO, 1).as_deref(), Some("DEBUG"));
        assert_eq!(level(Level::INFO, 200).as_deref(), Some("TRACE"));
    }
}
