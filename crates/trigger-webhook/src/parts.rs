//! What answers and log lines may say of what came from outside, and headers that must not stand twice.

use gitbarge_core::redact::shorten;
use http::HeaderMap;

/// How much of a text from outside is shown, in characters.
const LONGEST: usize = 120;

/// A header stands twice where it must stand once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Twice(pub(crate) String);

/// The value of a header; whoever sends two wants one of them to be overlooked.
pub(crate) fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h [u8]>, Twice> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    match values.next() {
        Some(_) => Err(Twice(name.to_owned())),
        None => Ok(value.map(|value| value.as_bytes())),
    }
}

/// Text from outside in backquotes: short, on one line, and without anything that a terminal or a reader could take for more.
pub(crate) fn quoted(text: &str) -> String {
    // Not all of a text that may have many megabytes is worth escaping.
    let end = text.char_indices().nth(2 * LONGEST).map(|(at, _)| at);
    let text = &text[..end.unwrap_or(text.len())];
    format!("`{}`", shorten(&text.escape_debug().to_string(), LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_short_and_plain() {
        assert_eq!(quoted("refs/heads/größe"), "`refs/heads/größe`");
        assert_eq!(quoted("a\u{1b}[2J\n\u{202e}b"), r"`a\u{1b}[2J\n\u{202e}b`");
        let long = quoted(&"\u{7}".repeat(1 << 20));
        assert!(long.chars().count() <= LONGEST + 2, "{long}");
    }

    #[test]
    fn a_header_that_stands_twice_is_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(single(&headers, "x"), Ok(None));
        headers.append("x", "1".parse().unwrap());
        assert_eq!(single(&headers, "x"), Ok(Some(&b"1"[..])));
        headers.append("x", "1".parse().unwrap());
        assert_eq!(single(&headers, "x"), Err(Twice("x".to_owned())));
    }
}
