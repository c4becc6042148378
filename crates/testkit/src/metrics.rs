//! A strict reader of Prometheus' text format 0.0.4, with the rules of `promtool check metrics`.
//!
//! Source: prometheus.io/docs/instrumenting/exposition_formats and prometheus.io/docs/practices/naming.

use std::collections::{BTreeMap, BTreeSet};

/// Labels by name.
pub type Labels = BTreeMap<String, String>;

/// All samples of a metric.
#[derive(Debug, Default)]
pub struct Family {
    help: Option<String>,
    kind: Option<String>,
    /// Name, labels and value of each.
    pub samples: Vec<(String, Labels, f64)>,
}

impl Family {
    /// The value of the sample with these labels.
    pub fn value(&self, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |own: &Labels| {
            own.len() == labels.len()
                && labels
                    .iter()
                    .all(|(name, value)| own.get(*name).is_some_and(|own| own == value))
        };
        let mut samples = self.samples.iter();
        samples.find_map(|(_, own, value)| fits(own).then_some(*value))
    }
}

/// Reads metrics, and complains of everything that promtool would complain of.
///
/// # Errors
/// The first complaint.
pub fn read(text: &str) -> Result<BTreeMap<String, Family>, String> {
    let text = text.strip_suffix('\n').ok_or("no line feed at the end")?;
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    for line in text.split('\n') {
        let (name, item) = item(line, &families)?;
        if order.last() != Some(&name) {
            if order.contains(&name) {
                return Err(format!("`{name}` stands in two places"));
            }
            order.push(name.clone());
        }
        let family = families.entry(name.clone()).or_default();
        match item {
            Item::Help(text) if family.help.is_none() => family.help = Some(text),
            Item::Type(kind) if family.kind.is_none() && family.samples.is_empty() => {
                family.kind = Some(kind);
            }
            Item::Sample(sample) => family.samples.push(sample),
            _ => return Err(format!("`{line}` stands where it must not")),
        }
    }
    families
        .iter()
        .try_for_each(|(name, family)| check(name, family))?;
    Ok(families)
}

enum Item {
    Help(String),
    Type(String),
    Sample((String, Labels, f64)),
}

/// The family that a line belongs to, and what it says.
fn item(line: &str, families: &BTreeMap<String, Family>) -> Result<(String, Item), String> {
    let bad = || format!("`{line}` cannot be read");
    if let Some(rest) = line.strip_prefix("# HELP ") {
        let (name, text) = rest.split_once(' ').ok_or_else(bad)?;
        return Ok((name.to_owned(), Item::Help(text.to_owned())));
    }
    if let Some(rest) = line.strip_prefix("# TYPE ") {
        let (name, kind) = rest.split_once(' ').ok_or_else(bad)?;
        if !["counter", "gauge", "histogram", "summary", "untyped"].contains(&kind) {
            return Err(bad());
        }
        return Ok((name.to_owned(), Item::Type(kind.to_owned())));
    }
    let end = line.find(['{', ' ']).ok_or_else(bad)?;
    let (name, rest) = line.split_at(end);
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest).ok_or_else(bad)?,
        None => (Labels::new(), rest),
    };
    let value = value.strip_prefix(' ').ok_or_else(bad)?;
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        _ => value.parse().map_err(|_| bad())?,
    };
    let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| {
        let base = name.strip_suffix(suffix)?;
        let kind = families.get(base)?.kind.as_deref()?;
        (kind == "histogram").then_some(base)
    });
    let family = of_histogram.unwrap_or(name).to_owned();
    Ok((family, Item::Sample((name.to_owned(), labels, value))))
}

/// Reads labels up to the closing brace, and returns what is behind it.
fn labels(mut rest: &str) -> Option<(Labels, &str)> {
    let mut labels = Labels::new();
    loop {
        let (name, behind) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut characters = behind.char_indices();
        let end = loop {
            match characters.next()? {
                (at, '"') => break at,
                (_, '\\') => match characters.next()?.1 {
                    'n' => value.push('\n'),
                    plain @ ('\\' | '"') => value.push(plain),
                    _ => return None,
                },
                (_, plain) => value.push(plain),
            }
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_valid = !name.is_empty() && name.chars().all(is_name) && !name.starts_with("__");
        if !is_valid || labels.insert(name.to_owned(), value).is_some() {
            return None;
        }
        rest = &behind[end + 1..];
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((labels, behind));
        }
        rest = rest.strip_prefix(',')?;
    }
}

fn check(name: &str, family: &Family) -> Result<(), String> {
    let complain = |what: &str| Err(format!("`{name}`: {what}"));
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.chars().all(is_name) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return complain("a name has lower-case letters, digits and underscores");
    }
    if family.help.as_deref().unwrap_or_default().is_empty() {
        return complain("no help");
    }
    let Some(kind) = family.kind.as_deref() else {
        return complain("no type");
    };
    if family.samples.is_empty() {
        return complain("no samples");
    }
    if (kind == "counter") != name.ends_with("_total") {
        return complain("counters and nothing else end in `_total`");
    }
    let words: Vec<&str> = name.split('_').collect();
    let odd = [
        "milliseconds",
        "minutes",
        "hours",
        "days",
        "kilobytes",
        "megabytes",
        "bits",
        "ms",
        "percent",
        "gauge",
        "counter",
        "histogram",
        "count",
        "sum",
        "bucket",
    ];
    if let Some(word) = words.iter().find(|word| odd.contains(word)) {
        return complain(&format!(
            "`{word}` is no base unit, or says what the type says"
        ));
    }
    let mut seen = BTreeSet::new();
    for (name, labels, value) in &family.samples {
        if !seen.insert((name, labels)) {
            return complain("a sample stands twice");
        }
        if kind == "counter" && !(value.is_finite() && *value >= 0.0) {
            return complain("a counter below zero");
        }
        if kind != "histogram" && labels.contains_key("le") {
            return complain("`le` belongs to histograms");
        }
    }
    match kind {
        "histogram" => check_histogram(name, family),
        _ => Ok(()),
    }
}

fn check_histogram(name: &str, family: &Family) -> Result<(), String> {
    #[derive(Default)]
    struct Series {
        buckets: Vec<(f64, f64)>,
        count: Option<f64>,
        sum: Option<f64>,
    }
    let mut all: BTreeMap<Labels, Series> = BTreeMap::new();
    for (part, labels, value) in &family.samples {
        let mut labels = labels.clone();
        let bound = labels.remove("le");
        let series = all.entry(labels).or_default();
        match (part.strip_prefix(name), bound) {
            (Some("_bucket"), Some(bound)) => {
                let bound = bound.replace("+Inf", "inf").parse();
                series
                    .buckets
                    .push((bound.map_err(|_| "a bad bound")?, *value));
            }
            (Some("_sum"), None) => series.sum = Some(*value),
            (Some("_count"), None) => series.count = Some(*value),
            _ => return Err(format!("`{part}` is no part of a histogram")),
        }
    }
    for (labels, series) in all {
        let is_sorted = series.buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1);
        let last = series.buckets.last();
        let is_whole =
            last.is_some_and(|last| last.0 == f64::INFINITY && Some(last.1) == series.count);
        if !is_sorted || !is_whole || series.sum.is_none() {
            return Err(format!("`{name}` {labels:?}: not a whole histogram"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_promtool_complains_of_is_found() {
        let good = "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"\\\"\\n\"} 1\n";
        assert_eq!(
            read(good).unwrap()["a_total"].value(&[("x", "\"\n")]),
            Some(1.0)
        );
        for bad in [
            "",
            "a 1",
            "a 1\n",
            "# HELP a A.\n# TYPE a counter\na 1\n",
            "# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n",
            "# HELP a A.\n# TYPE a gauge\na 1\na 2\n",
            "# HELP a A.\n# TYPE a gauge\na{x=\"\\t\"} 1\n",
            "# HELP a A.\n# TYPE a gauge\na{x=\"1\" 1\n",
            "# HELP a A.\n# TYPE a gauge\n# HELP b B.\n# TYPE b gauge\nb 1\na 1\n",
            "# HELP a_ms A.\n# TYPE a_ms gauge\na_ms 1\n",
            "# HELP a A.\n# TYPE a histogram\na_bucket{le=\"1\"} 1\na_sum 1\na_count 1\n",
            "# HELP a A.\n# TYPE a gauge\n\na 1\n",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
