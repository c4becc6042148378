//! Where results and remarks are printed: colour on terminals only, and no complaint when the reader has gone.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use indicatif::MultiProgress;
use serde::Serialize;

/// What went well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What went wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What deserves a second look.
pub(crate) const NOTABLE: Style = AnsiColor::Yellow.on_default();
/// What matters less.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// The program's standard output and error, and the progress bars that live on the latter.
#[derive(Clone, Default)]
pub(crate) struct Terminal {
    bars: MultiProgress,
}

impl Terminal {
    /// Prints results; ends with one line end. A reader that has gone, as `head` does, is not an error.
    pub(crate) fn print(&self, text: impl Display) {
        let text = text.to_string();
        self.bars.suspend(|| {
            let mut out = anstream::stdout().lock();
            let text = text.trim_end_matches('\n');
            writeln!(out, "{text}").and_then(|()| out.flush()).ok();
        });
    }

    /// Prints a result as JSON.
    pub(crate) fn print_json(&self, value: &impl Serialize) {
        let text = serde_json::to_string(value).expect("results have no keys but strings");
        self.print(text);
    }

    /// Prints what is no result, such as what is wrong with the configuration.
    pub(crate) fn remark(&self, text: impl Display) {
        let text = text.to_string();
        self.bars.suspend(|| {
            let mut err = anstream::stderr().lock();
            writeln!(err, "{}", text.trim_end_matches('\n')).ok();
        });
    }

    /// Prints an error with a hint.
    pub(crate) fn complain(&self, message: impl Display, hint: impl Display) {
        self.remark(format!("{BAD}error:{BAD:#} {message}\n  hint: {hint}"));
    }

    /// The progress bars.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Whether somebody looks at stderr.
    pub(crate) fn is_watched() -> bool {
        io::stderr().is_terminal()
    }

    /// Whether there is somebody to ask.
    pub(crate) fn can_ask() -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks for a line; `None` if there is no answer.
    pub(crate) fn ask(&self, question: &str, default: Option<&str>) -> Option<String> {
        let shown = default.filter(|text| !text.is_empty());
        let default_text = shown.map(|text| format!(" [{text}]")).unwrap_or_default();
        let mut err = anstream::stderr().lock();
        write!(err, "{question}{default_text}: ")
            .and_then(|()| err.flush())
            .ok()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).ok()?;
        let answer = answer.trim();
        match (answer.is_empty(), default) {
            (true, default) => default.map(str::to_owned),
            (false, _) => Some(answer.to_owned()),
        }
    }
}
