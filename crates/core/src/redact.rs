//! Makes text that came from outside fit to be shown: no secrets, no control characters, bounded.

/// The longest message that results, logs and alerts carry, in characters.
const LONGEST: usize = 2_000;

/// Removes private keys, credentials in URLs and control characters, and shortens what is too long.
///
/// It is the last line of defence; whoever makes a message leaves secrets out in the first place.
pub fn redact(text: &str) -> String {
    let text = without_private_keys(text);
    let text = without_url_credentials(&text);
    let clean: String = text
        .chars()
        .map(|c| if c == '\n' || !c.is_control() { c } else { ' ' })
        .collect();
    shorten(clean.trim(), LONGEST)
}

/// Keeps the first and the last part of a text that is longer than `limit` characters.
pub fn shorten(text: &str, limit: usize) -> String {
    let count = text.chars().count();
    if count <= limit {
        return text.to_owned();
    }
    let half = limit.saturating_sub(5) / 2;
    let head: String = text.chars().take(half).collect();
    let tail: String = text.chars().skip(count - half).collect();
    format!("{head} ... {tail}")
}

fn without_private_keys(text: &str) -> String {
    const BEGIN: &str = "-----BEGIN ";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(BEGIN) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let label_end = from[BEGIN.len()..]
            .find("-----")
            .map(|i| i + BEGIN.len() + 5);
        let is_private = label_end.is_some_and(|end| from[..end].contains("PRIVATE KEY"));
        if !is_private {
            out.push_str(BEGIN);
            rest = &from[BEGIN.len()..];
            continue;
        }
        out.push_str("[redacted]");
        rest = match from.find("-----END ") {
            Some(end) => {
                let footer = &from[end + "-----END ".len()..];
                footer.find("-----").map_or("", |i| &footer[i + 5..])
            }
            None => "",
        };
    }
    out.push_str(rest);
    out
}

/// `scheme://user:password@host/path?token=x` becomes `scheme://host/path`; a lone user name stays, for `ssh://git@host`.
fn without_url_credentials(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, from) = rest.split_at(at + 3);
        out.push_str(before);
        let end = from
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>'))
            .unwrap_or(from.len());
        let (url, after) = from.split_at(end);
        out.push_str(&clean_url_rest(url, before));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Cleans what follows `scheme://` in a URL.
pub(crate) fn clean_url_rest(url: &str, scheme: &str) -> String {
    let authority_end = url.find(['/', '?', '#']).unwrap_or(url.len());
    let (authority, path) = url.split_at(authority_end);
    let host = match authority.rfind('@') {
        Some(at) => {
            let user = authority[..at].split(':').next().unwrap_or_default();
            let user_is_public = scheme.ends_with("ssh://") && !user.is_empty();
            if user_is_public {
                format!("{user}{}", &authority[at..])
            } else {
                authority[at + 1..].to_owned()
            }
        }
        None => authority.to_owned(),
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    format!("{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_keys_are_removed() {
        let text =
            "key -----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY----- bad";
        assert_eq!(redact(text), "key [redacted] bad");
        assert_eq!(
            redact("x -----BEGIN RSA PRIVATE KEY-----\nabc"),
            "x [redacted]"
        );
        assert_eq!(
            redact("-----BEGIN CERTIFICATE-----"),
            "-----BEGIN CERTIFICATE-----"
        );
    }

    #[test]
    fn url_credentials_and_queries_are_removed() {
        assert_eq!(
            redact("at https://me:pw@h.org/x?token=1 now"),
            "at https://h.org/x now"
        );
        assert_eq!(redact("`https://tok@h.org/x`"), "`https://h.org/x`");
        assert_eq!(redact("ssh://git:pw@h/x"), "ssh://git@h/x");
    }

    #[test]
    fn control_characters_become_blanks_and_length_is_bounded() {
        assert_eq!(redact("a\u{1b}[31mb\tc\nd"), "a [31mb c\nd");
        assert!(redact(&"x".repeat(100_000)).chars().count() <= LONGEST);
    }
}
