//! The names that users give to pipelines and components.

/// The names that are allowed, as JSON Schema says it.
pub(crate) const PATTERN: &str = "^[A-Za-z0-9_-]{1,64}$";

const LONGEST: usize = 64;

/// Says what is wrong with a name. Names become parts of keys, of file names and of messages.
pub(crate) fn fault(name: &str) -> Option<String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() {
        return Some("the name is empty".to_owned());
    }
    if !name.chars().all(is_allowed) {
        let shown = name.escape_debug();
        return Some(format!(
            "the name `{shown}` may have letters, digits, `_` and `-` only"
        ));
    }
    (name.len() > LONGEST).then(|| format!("the name is longer than {LONGEST} characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_allowed_and_paths_are_not() {
        for good in ["a", "Site-1", "_x_", &"x".repeat(64)] {
            assert_eq!(fault(good), None);
        }
        for bad in ["", "..", "a.b", "a/b", "a b", "ä", "a\n", &"x".repeat(65)] {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }
}
