//! Cookies from a file in Netscape's format, as curl and git read it: <https://curl.se/docs/http-cookies.html>.

use std::net::IpAddr;

use gitbarge_core::{Error, ErrorKind, Result};
use jiff::Timestamp;
use reqwest::Url;
use zeroize::Zeroizing;

/// What such a line begins with is no comment.
const HTTP_ONLY: &str = "#HttpOnly_";

/// The cookies of a file. Nothing that a server sets is added.
#[derive(Default)]
pub(crate) struct Cookies(Vec<Cookie>);

struct Cookie {
    domain: String,
    /// Whether it is for the hosts below the domain too.
    with_hosts_below: bool,
    path: String,
    is_secure: bool,
    /// Seconds since 1970; 0 for ever.
    expires: i64,
    /// `name=value`
    text: Zeroizing<String>,
}

impl Cookies {
    /// Reads a file's text.
    ///
    /// # Errors
    /// `config`, naming the line and quoting nothing of it.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().enumerate().filter(|(_, line)| !is_blank(line));
        let cookies = lines.map(|(number, line)| {
            Cookie::parse(line).ok_or_else(|| {
                let message = format!("line {} of `cookie_file` is no cookie", number + 1);
                Error::new(ErrorKind::Config, message).with_hint(
                    "a cookie has seven fields, separated by tabs: domain, TRUE or FALSE, path, TRUE or FALSE, expiry, name, value",
                )
            })
        });
        Ok(Self(cookies.collect::<Result<_>>()?))
    }

    /// The value of the header `Cookie` for a request, if any fits; longer paths come first (RFC 6265, section 5.4).
    pub(crate) fn header(&self, url: &Url, now: Timestamp) -> Option<Zeroizing<String>> {
        let mut fitting: Vec<&Cookie> = self
            .0
            .iter()
            .filter(|cookie| cookie.fits(url, now))
            .collect();
        if fitting.is_empty() {
            return None;
        }
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let length = fitting.iter().map(|cookie| cookie.text.len() + 2).sum();
        let mut header = Zeroizing::new(String::with_capacity(length));
        for cookie in fitting {
            if !header.is_empty() {
                header.push_str("; ");
            }
            header.push_str(&cookie.text);
        }
        Some(header)
    }
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty() || (line.starts_with('#') && !line.starts_with(HTTP_ONLY))
}

impl Cookie {
    fn parse(line: &str) -> Option<Self> {
        let line = line.strip_prefix(HTTP_ONLY).unwrap_or(line);
        let fields: Vec<&str> = line.split('\t').collect();
        // A cookie without a value may lack its last field.
        let (&[domain, below, path, secure, expires, name], value) = match fields.as_slice() {
            [first @ .., value] if fields.len() == 7 => (first.try_into().ok()?, *value),
            all => (all.try_into().ok()?, ""),
        };
        let flag = |text: &str| match text.to_ascii_uppercase().as_str() {
            "TRUE" => Some(true),
            "FALSE" => Some(false),
            _ => None,
        };
        let is_fit = |text: &str| !text.chars().any(|c| c.is_control() || c == ';');
        let name_is_there = !name.is_empty() && !domain.is_empty();
        (name_is_there && is_fit(name) && is_fit(value)).then_some(())?;
        Some(Self {
            domain: domain
                .strip_prefix('.')
                .unwrap_or(domain)
                .to_ascii_lowercase(),
            with_hosts_below: flag(below)?,
            path: path.to_owned(),
            is_secure: flag(secure)?,
            expires: expires.parse().ok()?,
            text: Zeroizing::new(format!("{name}={value}")),
        })
    }

    fn fits(&self, url: &Url, now: Timestamp) -> bool {
        let host = url.host_str().unwrap_or_default();
        let lives = self.expires == 0 || self.expires > now.as_second();
        lives
            && (!self.is_secure || url.scheme() == "https")
            && self.is_for_host(host)
            && self.is_for_path(url.path())
    }

    fn is_for_host(&self, host: &str) -> bool {
        if host == self.domain {
            return true;
        }
        let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        let above = host.strip_suffix(&self.domain);
        self.with_hosts_below && !is_address && above.is_some_and(|rest| rest.ends_with('.'))
    }

    fn is_for_path(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&self.path);
        let ends_there =
            |rest: &str| rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/');
        rest.is_some_and(ends_there)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# Netscape HTTP Cookie File\n\n\
        .example.org\tTRUE\t/\tTRUE\t0\twide\t1\n\
        #HttpOnly_git.example.org\tFALSE\t/team\tFALSE\t2000\tnarrow\t2\n\
        other.org\tFALSE\t/\tFALSE\t0\tother\t3\n\
        127.0.0.1\tTRUE\t/\tFALSE\t0\taddress\t4\n";

    fn header(url: &str, now: i64) -> Option<String> {
        let (url, now) = (
            Url::parse(url).unwrap(),
            Timestamp::from_second(now).unwrap(),
        );
        let header = Cookies::parse(FILE).unwrap().header(&url, now);
        header.map(|header| header.to_string())
    }

    #[test]
    fn a_cookie_goes_where_its_domain_path_scheme_and_time_allow() {
        for (url, now, expected) in [
            (
                "https://git.example.org/team/x.git",
                1999,
                Some("narrow=2; wide=1"),
            ),
            (
                "https://git.example.org/team",
                1999,
                Some("narrow=2; wide=1"),
            ),
            ("https://git.example.org/team/x.git", 2000, Some("wide=1")),
            ("https://git.example.org/teams", 1999, Some("wide=1")),
            ("http://git.example.org/team/x.git", 1999, Some("narrow=2")),
            ("https://a.git.example.org/team/x.git", 1999, Some("wide=1")),
            ("https://example.org/x", 0, Some("wide=1")),
            ("https://badexample.org/x", 0, None),
            ("http://a.other.org/x", 0, None),
            ("http://127.0.0.1:8080/x", 0, Some("address=4")),
        ] {
            assert_eq!(header(url, now).as_deref(), expected, "{url} at {now}");
        }
    }

    #[test]
    fn what_is_no_cookie_is_named_by_its_line_only() {
        for bad in [
            "hush",
            ".h\tTRUE\t/\tMAYBE\t0\tname\thush",
            ".h\tTRUE\t/\tTRUE\tsoon\tname\thush",
            ".h\tTRUE\t/\tTRUE\t0\tname\thush; more",
            ".h\tTRUE\t/\tTRUE\t0\t\thush",
            "h\tTRUE\t/\tTRUE\t0\tname\thush\tmore",
        ] {
            let error = Cookies::parse(&format!("# comment\n{bad}\n"))
                .err()
                .unwrap();
            assert_eq!(error.to_string(), "line 2 of `cookie_file` is no cookie");
        }
        assert!(Cookies::parse("h\tFALSE\t/\tFALSE\t0\tempty\n").is_ok());
    }
}
