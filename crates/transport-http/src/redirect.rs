//! Which redirects are followed: those that stay with the same server, and those to a server that the configuration names.

use gitbarge_core::{Address, Error, ErrorKind, Result};
use gitbarge_http_client::server;
use reqwest::Url;

use crate::url::remove_user_info;

/// How often a server may send us elsewhere.
pub(crate) const MOST_REDIRECTS: usize = 5;
/// What follows a repository's address in the first request.
pub(crate) const INFO_REFS: &str = "/info/refs";

/// The repository's new address, if the first request (`asked`) is redirected to `location`.
///
/// # Errors
/// `config` if it is another server's that is not trusted; `protocol` if it is none of a repository.
pub(crate) fn follow(
    asked: &Url,
    location: &str,
    is_trusted: impl Fn(&Url) -> bool,
) -> Result<Url> {
    let from = Address::new(asked.as_str());
    let mut to = asked.join(location).map_err(|_| {
        Error::new(
            ErrorKind::Protocol,
            format!("`{from}` redirects to what is no address"),
        )
    })?;
    remove_user_info(&mut to);
    to.set_query(None);
    to.set_fragment(None);
    let path = to.path().strip_suffix(INFO_REFS).map(str::to_owned);
    if let Some(path) = &path {
        to.set_path(path);
    }
    if !is_same_server(asked, &to) && !is_trusted(&to) {
        let message = format!("`{from}` redirects to another server: `{to}`");
        return Err(Error::new(ErrorKind::Config, message).with_hint(format!(
            "if the repository has moved there and you trust {0}, set `url` to the new address, or name the server in `hosts.\"{0}\"`; credentials go nowhere else",
            server(&to)
        )));
    }
    if path.is_none() {
        let message = format!("`{from}` redirects to a page that is no repository's: `{to}`");
        return Err(Error::new(ErrorKind::Protocol, message).with_hint(
            "check `url`; if the page is for logging in, set `username` and `password`, or `token`",
        ));
    }
    Ok(to)
}

/// Name and port are the same; from http on its usual port, https on its own is the same server, made safe.
pub(crate) fn is_same_server(from: &Url, to: &Url) -> bool {
    if from.host_str() != to.host_str() {
        return false;
    }
    let ports = (from.port_or_known_default(), to.port_or_known_default());
    match (from.scheme(), to.scheme()) {
        ("http", "https") => ports.0 == ports.1 || ports == (Some(80), Some(443)),
        (before, after) => before == after && ports.0 == ports.1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed(from: &str, location: &str) -> Result<String> {
        let asked = format!("{from}/info/refs?service=git-upload-pack");
        let is_trusted = |to: &Url| to.host_str() == Some("trusted");
        follow(&Url::parse(&asked).unwrap(), location, is_trusted).map(|url| url.to_string())
    }

    #[test]
    fn the_same_server_is_followed_and_made_safe() {
        let query = "info/refs?service=git-upload-pack";
        for (from, location, to) in [
            ("https://h/a", format!("/b/{query}"), "https://h/b"),
            ("https://h/a", format!("https://h/b/{query}"), "https://h/b"),
            (
                "https://h/a",
                format!("https://u:p@h/b/{query}"),
                "https://h/b",
            ),
            ("http://h/a", format!("https://h/a/{query}"), "https://h/a"),
            (
                "https://h/a",
                format!("https://trusted/b/{query}"),
                "https://trusted/b",
            ),
            (
                "http://h:8/a",
                format!("https://h:8/a/{query}"),
                "https://h:8/a",
            ),
        ] {
            assert_eq!(followed(from, &location).unwrap(), to, "{location}");
        }
    }

    #[test]
    fn other_servers_and_unsafe_ones_are_named_and_not_followed() {
        for (from, location) in [
            ("https://h/a", "https://other/a/info/refs"),
            ("https://h/a", "//other/a/info/refs"),
            ("https://h/a", "https://h:8443/a/info/refs"),
            ("https://h/a", "http://h/a/info/refs"),
            ("http://h:8080/a", "https://h/a/info/refs"),
            ("https://h/a", "ftp://h/a/info/refs"),
        ] {
            let error = followed(from, location).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{location}");
        }
        let error = followed("https://h/a", "https://u:hush@other/b/info/refs?hush").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`https://h/a/info/refs` redirects to another server: `https://other/b`"
        );
    }

    #[test]
    fn a_page_is_no_repository() {
        let error = followed("https://h/a", "/users/sign_in?x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.to_string().contains("`https://h/users/sign_in`"));
    }
}
