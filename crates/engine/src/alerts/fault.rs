//! When two failures are the same fault.

use gitbarge_core::Failure;

/// What makes two failures the same fault: the sink, the kind, and the message without what changes from run to run.
pub(super) fn key(sink: Option<&str>, failure: &Failure) -> String {
    format!(
        "{}|{}|{}",
        sink.unwrap_or_default(),
        failure.kind,
        normalised(&failure.message)
    )
}

/// Numbers, hashes and the like are folded to `#`.
fn normalised(message: &str) -> String {
    let mut out = String::new();
    let is_word = |c: char| c.is_alphanumeric();
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        let end = rest
            .find(|c| is_word(c) != is_word(first))
            .unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        // The parts of a UUID are as short as this.
        let is_hash = part.len() >= 4 && part.chars().all(|c| c.is_ascii_hexdigit());
        let has_digit = part.chars().any(|c| c.is_ascii_digit());
        out.push_str(if is_hash || has_digit { "#" } else { part });
        rest = after;
    }
    // `1.5s` and `12s`, or `10.0.0.7:22` and `[::1]:22`, differ in nothing that lasts.
    while let Some(at) = ["#.#", "#:#", "#-#"]
        .iter()
        .find_map(|joined| out.find(joined))
    {
        out.replace_range(at..at + 3, "#");
    }
    out.truncate(out.char_indices().nth(300).map_or(out.len(), |(at, _)| at));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_the_same_but_for_numbers_and_hashes() {
        assert_eq!(
            normalised("port 22 at 127.0.0.1"),
            normalised("port 2222 at 10.0.0.7")
        );
        assert_eq!(
            normalised("object deadbeefcafe"),
            normalised("object 0123456789ab")
        );
        assert_ne!(normalised("host a"), normalised("host b"));
    }
}
