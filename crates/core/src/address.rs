//! Where a repository is, in a form that is safe to print.

use std::fmt;

use crate::redact::clean_url_rest;

/// A source's or target's address without credentials and query.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address(String);

impl Address {
    /// Takes a URL, an scp-like address or a path; passwords, tokens and the query are dropped at once.
    pub fn new(url: &str) -> Self {
        let text: String = match url.find("://") {
            Some(at) => {
                let (scheme, rest) = url.split_at(at + 3);
                format!("{scheme}{}", clean_url_rest(rest, scheme))
            }
            None => url.to_owned(),
        };
        Self(text.chars().filter(|c| !c.is_control()).collect())
    }

    /// The printable text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_query_are_dropped() {
        let show = |url| Address::new(url).to_string();
        assert_eq!(
            show("https://me:pw@h.org/x.git?a=b#c"),
            "https://h.org/x.git"
        );
        assert_eq!(show("https://token@h.org/x.git"), "https://h.org/x.git");
        assert_eq!(show("ssh://git:pw@h:22/x"), "ssh://git@h:22/x");
        assert_eq!(show("git@h.org:a/b.git"), "git@h.org:a/b.git");
        assert_eq!(show("/srv/x"), "/srv/x");
    }
}
