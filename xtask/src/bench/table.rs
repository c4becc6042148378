//! The figures, as a table.

use crate::{Outcome, read, root, write};

use super::Options;

/// Where the table stands in docs/performance.md.
const BEGIN: &str = "<!-- bench: begin -->\n";
const END: &str = "<!-- bench: end -->";

/// One comparison: seconds (or another unit) of ours and of theirs.
pub(super) struct Row {
    pub(super) what: &'static str,
    pub(super) beside: &'static str,
    pub(super) target: f64,
    pub(super) unit: &'static str,
    pub(super) ours: Vec<f64>,
    pub(super) theirs: Vec<f64>,
}

impl Row {
    pub(super) fn new(what: &'static str, beside: &'static str, target: f64) -> Self {
        Self {
            what,
            beside,
            target,
            unit: "ms",
            ours: Vec::new(),
            theirs: Vec::new(),
        }
    }

    fn line(&self) -> String {
        let (ours, theirs) = (median(&self.ours), median(&self.theirs));
        let scale = if self.unit == "ms" { 1000.0 } else { 1.0 };
        let show = |value: f64| format!("{:.0} {}", value * scale, self.unit);
        format!(
            "| {} | {} | {} | {} | {:.2} | ≤ {:.1} |",
            self.what,
            self.beside,
            show(ours),
            show(theirs),
            ours / theirs,
            self.target
        )
    }
}

pub(super) fn render(rows: &[Row], options: &Options) -> String {
    let mut text = format!(
        "{} files, medians of {} pairs, {} processors, {}, {}.\n\n",
        options.files,
        options.pairs,
        std::thread::available_parallelism().map_or(0, usize::from),
        version("git", &["--version"]),
        version("ssh", &["-V"]),
    );
    text.push_str(
        "| what | beside | gitbarge | the other | ratio | target |\n|---|---|---|---|---|---|\n",
    );
    for row in rows {
        text.push_str(&row.line());
        text.push('\n');
    }
    text
}

/// Puts the table into docs/performance.md, in the place of the last one.
pub(super) fn store(table: &str) -> Outcome {
    let path = root().join("docs/performance.md");
    let text = read(&path)?;
    let begin = text.find(BEGIN).map(|at| at + BEGIN.len());
    let (Some(begin), Some(end)) = (begin, text.find(END)) else {
        return Err(format!("{} has no place for the table", path.display()));
    };
    write(&path, &format!("{}{table}{}", &text[..begin], &text[end..]))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// What a program says of itself, on either stream.
fn version(program: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program).args(arguments).output();
    let text = output
        .map(|o| [o.stdout, o.stderr].concat())
        .unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .next()
        .unwrap_or(program)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
