//! The figures, as a table.

use crate::{Outcome, read, root, write};

/// One comparison: seconds (or another unit) of ours and of theirs.
pub(super) struct Row {
    what: String,
    beside: String,
    /// How large the ratio may be.
    target: Option<f64>,
    unit: &'static str,
    pub(super) ours: Vec<f64>,
    pub(super) theirs: Vec<f64>,
}

impl Row {
    /// Of times, with no target.
    pub(super) fn new(what: impl Into<String>, beside: &str) -> Self {
        Self {
            what: what.into(),
            beside: beside.to_owned(),
            target: None,
            unit: "ms",
            ours: Vec::new(),
            theirs: Vec::new(),
        }
    }

    pub(super) fn target(self, ratio: f64) -> Self {
        Self {
            target: Some(ratio),
            ..self
        }
    }

    pub(super) fn of(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    fn line(&self) -> String {
        let (ours, theirs) = (median(&self.ours), median(&self.theirs));
        let show = |value: f64| match self.unit {
            "ms" => format!("{:.0} ms", value * 1000.0),
            // The median of two counts may lie between them.
            unit => format!("{} {unit}", (value * 10.0).round() / 10.0),
        };
        format!(
            "| {} | {} | {} | {} | {} | {} |",
            self.what,
            self.beside,
            show(ours),
            show(theirs),
            shown_ratio(ours, theirs),
            shown_target(self.target, ours, theirs),
        )
    }
}

fn shown_ratio(ours: f64, theirs: f64) -> String {
    match ours / theirs {
        ratio if !ratio.is_finite() => "–".to_owned(),
        ratio if ratio < 0.1 => format!("{ratio:.4}"),
        ratio => format!("{ratio:.2}"),
    }
}

fn shown_target(target: Option<f64>, ours: f64, theirs: f64) -> String {
    match target {
        None => "–".to_owned(),
        Some(most) if ours <= most * theirs => format!("≤ {most:?}"),
        Some(most) => format!("≤ {most:?}, **missed**"),
    }
}

/// All comparisons of one bench.
pub(super) struct Table {
    /// Where it stands in docs/performance.md: between `<!-- NAME: begin -->` and `<!-- NAME: end -->`.
    pub(super) name: &'static str,
    /// What was measured.
    pub(super) lead: String,
    /// How many pairs the medians are of.
    pub(super) pairs: usize,
    pub(super) rows: Vec<Row>,
}

impl Table {
    /// Prints it, and puts it into the place of the last one if wanted.
    pub(super) fn show(&self, writes: bool) -> Outcome {
        let text = self.render();
        println!("{text}");
        if !writes {
            return Ok(());
        }
        let path = root().join("docs/performance.md");
        let page = read(&path)?;
        let (begin, end) = (self.marker("begin") + "\n", self.marker("end"));
        let found = page.find(&begin).map(|at| at + begin.len());
        let (Some(begin), Some(end)) = (found, page.find(&end)) else {
            return Err(format!("{} has no place for the table", path.display()));
        };
        write(&path, &format!("{}{text}{}", &page[..begin], &page[end..]))
    }

    fn marker(&self, which: &str) -> String {
        format!("<!-- {}: {which} -->", self.name)
    }

    fn render(&self) -> String {
        let mut text = format!(
            "{}, medians of {} pairs, {} processors, {}.\n\n",
            self.lead,
            self.pairs,
            std::thread::available_parallelism().map_or(0, usize::from),
            version("git", &["--version"]),
        );
        text.push_str("| what | beside | gitbarge | the other | ratio | target |\n");
        text.push_str("|---|---|---|---|---|---|\n");
        for row in &self.rows {
            text.push_str(&row.line());
            text.push('\n');
        }
        text
    }
}

pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// What a program says of itself, on either stream.
pub(super) fn version(program: &str, arguments: &[&str]) -> String {
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

    #[test]
    fn a_ratio_above_its_target_is_marked() {
        let mut row = Row::new("a", "b").target(0.5).of("requests");
        row.ours.push(2.0);
        row.theirs.push(4.0);
        assert_eq!(
            row.line(),
            "| a | b | 2 requests | 4 requests | 0.50 | ≤ 0.5 |"
        );
        row.ours[0] = 3.0;
        assert!(row.line().ends_with("| 0.75 | ≤ 0.5, **missed** |"));
    }

    #[test]
    fn nothing_is_no_more_than_nothing() {
        let mut row = Row::new("a", "b").target(1.0).of("bytes");
        row.ours.push(0.0);
        row.theirs.push(0.0);
        assert_eq!(row.line(), "| a | b | 0 bytes | 0 bytes | – | ≤ 1.0 |");
    }
}
