//! Text as Slack wants it: redacted, escaped, and never longer than allowed.
//!
//! Slack's rules: <https://docs.slack.dev/messaging/formatting-message-text#escaping>.

use gitbarge_core::redact::redact;

/// What stands where a text had to be cut.
const CUT: &str = "…";

/// Escapes text from outside, so that it pings nobody and formats nothing as code, within `limit` characters.
pub(crate) fn plain(text: &str, limit: usize) -> String {
    escape(&clean(text), limit)
}

/// The same in one line, as code.
pub(crate) fn code(text: &str, limit: usize) -> String {
    let line = clean(text).replace('\n', " ").replace('`', "'");
    format!("`{}`", escape(&line, limit - 2))
}

/// The same as a block of code.
pub(crate) fn code_block(text: &str, limit: usize) -> String {
    const OPEN: &str = "```\n";
    const CLOSE: &str = "\n```";
    let inner = escape(&clean(text), limit - OPEN.len() - CLOSE.len());
    format!("{OPEN}{inner}{CLOSE}")
}

/// Characters as Slack's servers may count them at worst: in UTF-16.
pub(crate) fn length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Slack refuses empty texts.
fn clean(text: &str) -> String {
    let text = redact(text).replace("```", "'''");
    if text.is_empty() {
        return "-".to_owned();
    }
    text
}

/// Cuts between characters of the original, so that no entity is cut in two.
fn escape(text: &str, limit: usize) -> String {
    let whole: usize = text.chars().map(escaped_length).sum();
    let mut left = if whole <= limit {
        limit
    } else {
        limit - length(CUT)
    };
    let mut out = String::with_capacity(whole.min(limit));
    for c in text.chars() {
        match left.checked_sub(escaped_length(c)) {
            Some(rest) => left = rest,
            None => {
                out.push_str(CUT);
                break;
            }
        }
        match entity(c) {
            Some(entity) => out.push_str(entity),
            None => out.push(c),
        }
    }
    out
}

fn escaped_length(c: char) -> usize {
    entity(c).map_or(c.len_utf16(), str::len)
}

fn entity(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    #[test]
    fn pings_and_links_are_escaped() {
        assert_eq!(
            plain("<!channel> <@U123> a & b", 100),
            "&lt;!channel&gt; &lt;@U123&gt; a &amp; b"
        );
    }

    #[test]
    fn entities_are_not_cut() {
        assert_eq!(plain("ab<cd", 7), "ab&lt;…");
        assert_eq!(plain("ab<cd", 8), "ab&lt;cd");
        assert_eq!(plain("ab<cd", 6), "ab…");
    }

    #[test]
    fn fences_and_backquotes_stay_inside() {
        assert_eq!(code_block("a```b", 100), "```\na'''b\n```");
        assert_eq!(code("a`b\nc", 100), "`a'b c`");
        assert_eq!(code("", 100), "`-`");
    }

    proptest! {
        #[test]
        fn every_text_fits_and_is_whole(text in "([&<>`\\n😀a]|\\PC){0,300}", limit in 12_usize..400) {
            for out in [plain(&text, limit), code(&text, limit), code_block(&text, limit)] {
                prop_assert!(length(&out) <= limit, "{out}");
                prop_assert!(!out.is_empty());
                let rest = out.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
                prop_assert!(!rest.contains(['&', '<', '>']), "{out}");
                let fences = out.matches("```").count();
                prop_assert!(fences == 0 || fences == 2, "{out}");
            }
        }
    }
}
