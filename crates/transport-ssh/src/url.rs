//! The addresses that git reads as SSH: `user@host:path` and `ssh://user@host:port/path`.

use std::net::Ipv6Addr;

use percent_encoding::percent_decode_str;

/// The user of an address that names none, as on all git hosting services.
const DEFAULT_USER: &str = "git";
const DEFAULT_PORT: u16 = 22;

/// Where a repository is. Nothing in it begins with `-` or holds control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SshUrl {
    pub(crate) user: String,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// As the remote git gets it: absolute, `~user/…`, or relative to the account's home.
    pub(crate) path: String,
}

impl SshUrl {
    /// Reads an address as git does (git-fetch(1), "GIT URLS").
    ///
    /// The error is what is wrong with it; it quotes no part that may be a password.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        if url.is_empty() {
            return Err("the url is empty".to_owned());
        }
        if url.chars().any(char::is_control) {
            return Err("the url contains a control character".to_owned());
        }
        if url.starts_with('-') {
            return Err("the url begins with `-`".to_owned());
        }
        match url.split_once("://") {
            Some(("ssh", rest)) => parse_ssh(rest),
            Some((scheme, _)) if scheme.chars().all(is_scheme_character) => Err(format!(
                "the url's scheme is `{scheme}`, which is not ssh: write `ssh://git@host/path` or `git@host:path`"
            )),
            _ => parse_scp(url),
        }
    }

    /// The server as known_hosts files name it: `host`, or `[host]:port` if the port is not the usual one.
    pub(crate) fn server(&self) -> String {
        if self.port == DEFAULT_PORT {
            self.host.clone()
        } else {
            format!("[{}]:{}", self.host, self.port)
        }
    }

    fn checked(user: Option<&str>, host: &str, port: u16, path: &str) -> Result<Self, String> {
        let user = user.unwrap_or(DEFAULT_USER);
        // `/~user` is how URLs write `~user`.
        let path = if path.starts_with("/~") {
            &path[1..]
        } else {
            path
        };
        for (part, text) in [("user", user), ("host", host), ("path", path)] {
            if text.is_empty() {
                return Err(format!("the url has no {part}"));
            }
            if text.starts_with('-') {
                return Err(format!("the url's {part} begins with `-`"));
            }
            if text.chars().any(char::is_control) {
                return Err(format!("the url's {part} contains a control character"));
            }
        }
        if path == "/" {
            return Err("the url has no path".to_owned());
        }
        if user.contains(char::is_whitespace) {
            return Err("the url's user contains white space".to_owned());
        }
        Ok(Self {
            user: user.to_owned(),
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        })
    }
}

/// What follows `ssh://`.
fn parse_ssh(rest: &str) -> Result<SshUrl, String> {
    let Some(slash) = rest.find('/') else {
        return Err("the url has no path".to_owned());
    };
    let (authority, path) = rest.split_at(slash);
    let (user, server) = match authority.rsplit_once('@') {
        Some((user, _)) if user.contains(':') => {
            return Err(
                "the url holds a password, which this source does not use: remove it and set `key`"
                    .to_owned(),
            );
        }
        Some((user, server)) => (Some(decoded(user, "user")?), server),
        None => (None, authority),
    };
    let (host, port) = if server.starts_with('[') {
        let (host, after) = bracketed(server)?;
        match after.strip_prefix(':') {
            Some(port) => (host, parse_port(port)?),
            None if after.is_empty() => (host, DEFAULT_PORT),
            None => return Err("the url has text between `]` and its path".to_owned()),
        }
    } else {
        let (host, port) = match server.split_once(':') {
            Some((_, more)) if more.contains(':') => {
                return Err(
                    "the url's host is an IPv6 address without brackets: write `[::1]`".to_owned(),
                );
            }
            Some((host, port)) => (host, parse_port(port)?),
            None => (server, DEFAULT_PORT),
        };
        (host_name(host)?, port)
    };
    SshUrl::checked(user.as_deref(), host, port, &decoded(path, "path")?)
}

/// `[user@]host:path`, which rsync and scp use too.
fn parse_scp(url: &str) -> Result<SshUrl, String> {
    let no_address = || {
        "the url is no ssh address: write `git@host:path` or `ssh://git@host/path`; a path of this machine belongs to the source `local`"
            .to_owned()
    };
    let before_path = url.find([':', '/', '[']).ok_or_else(no_address)?;
    let (user, server) = match url[..before_path].rfind('@') {
        Some(at) => (Some(&url[..at]), &url[at + 1..]),
        None => (None, url),
    };
    if server.starts_with('[') {
        let (host, after) = bracketed(server)?;
        let path = after.strip_prefix(':').ok_or_else(no_address)?;
        return SshUrl::checked(user, host, DEFAULT_PORT, path);
    }
    let (host, path) = server.split_once(':').ok_or_else(no_address)?;
    if host.contains('/') {
        return Err(no_address());
    }
    if path.starts_with(':') {
        return Err(format!(
            "the url names the remote helper `{}::`, which would run a program",
            host.escape_debug()
        ));
    }
    SshUrl::checked(user, host_name(host)?, DEFAULT_PORT, path)
}

/// `[address]` and what follows it.
fn bracketed(server: &str) -> Result<(&str, &str), String> {
    let inner = server.strip_prefix('[').and_then(|s| s.split_once(']'));
    let (host, after) = inner.ok_or("the url has a `[` without its `]`")?;
    let (address, zone) = host.split_once('%').unwrap_or((host, ""));
    if address.parse::<Ipv6Addr>().is_err() || !zone.chars().all(is_name_character) {
        return Err(
            "the url has no IPv6 address in its brackets; a port is written `ssh://host:port/path`"
                .to_owned(),
        );
    }
    Ok((host, after))
}

fn host_name(host: &str) -> Result<&str, String> {
    if host.chars().all(is_name_character) {
        Ok(host)
    } else {
        Err(format!(
            "the url's host is no host name: `{}`",
            host.escape_debug()
        ))
    }
}

fn parse_port(text: &str) -> Result<u16, String> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|port| is_number && *port != 0)
        .ok_or_else(|| "the url's port is no number from 1 to 65535".to_owned())
}

fn decoded(text: &str, part: &str) -> Result<String, String> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(format!("the url's {part} is not UTF-8 when decoded")),
    }
}

/// Letters of other scripts are left to the resolver.
fn is_name_character(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_')
}

fn is_scheme_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn addresses_are_read_as_git_reads_them() {
        for (url, user, host, port, path) in [
            (
                "git@github.com:org/a.git",
                "git",
                "github.com",
                22,
                "org/a.git",
            ),
            ("host:a", "git", "host", 22, "a"),
            ("me@host:/srv/a.git", "me", "host", 22, "/srv/a.git"),
            ("host:~me/a", "git", "host", 22, "~me/a"),
            ("host:/~me/a", "git", "host", 22, "~me/a"),
            ("host:2222/a", "git", "host", 22, "2222/a"),
            ("git@host:a@b:c", "git", "host", 22, "a@b:c"),
            ("host:a://b", "git", "host", 22, "a://b"),
            ("me@[::1]:a", "me", "::1", 22, "a"),
            ("[fe80::1%eth0]:a", "git", "fe80::1%eth0", 22, "a"),
            ("ssh://host/a", "git", "host", 22, "/a"),
            ("ssh://me@host:2222/a b", "me", "host", 2222, "/a b"),
            ("ssh://me@host/~/a", "me", "host", 22, "~/a"),
            ("ssh://host/~me/a%20b", "git", "host", 22, "~me/a b"),
            ("ssh://[::1]:2222/a", "git", "::1", 2222, "/a"),
            ("ssh://[::1]/a", "git", "::1", 22, "/a"),
            ("ssh://a%40b@host/a?b#c", "a@b", "host", 22, "/a?b#c"),
        ] {
            let expected = SshUrl {
                user: user.to_owned(),
                host: host.to_owned(),
                port,
                path: path.to_owned(),
            };
            assert_eq!(SshUrl::parse(url), Ok(expected), "{url}");
        }
    }

    #[test]
    fn what_is_no_ssh_address_is_refused_in_words() {
        for (url, words) in [
            ("", "empty"),
            ("-oProxyCommand=x", "begins with `-`"),
            ("--upload-pack=x", "begins with `-`"),
            ("ssh://-oProxyCommand=x/a", "no host name"),
            ("ssh://-x/a", "host begins with `-`"),
            ("ssh://-x@host/a", "user begins with `-`"),
            ("ssh://%2dx@host/a", "user begins with `-`"),
            ("git@-host:a", "host begins with `-`"),
            ("host:-a", "path begins with `-`"),
            ("ext::sh -c id", "remote helper"),
            ("fd::7", "remote helper"),
            ("https://me:hush@host/a", "scheme is `https`"),
            ("file:///a", "scheme is `file`"),
            ("git://host/a", "scheme is `git`"),
            ("/srv/a.git", "no ssh address"),
            ("./a:b", "no ssh address"),
            ("a", "no ssh address"),
            ("host:", "no path"),
            (":a", "no host"),
            ("@host:a", "no user"),
            ("ssh://host", "no path"),
            ("ssh://host/", "no path"),
            ("ssh:///a", "no host"),
            ("ssh://@host/a", "no user"),
            ("ssh://git:hush@host/a", "password"),
            ("ssh://host:/a", "port"),
            ("ssh://host:0/a", "port"),
            ("ssh://host:65536/a", "port"),
            ("ssh://host:+22/a", "port"),
            ("ssh://::1/a", "without brackets"),
            ("ssh://[::1/a", "without its `]`"),
            ("ssh://[::1]x/a", "between"),
            ("[host:2222]:a", "no IPv6 address"),
            ("ho st:a", "no host name"),
            ("ssh://ho$st/a", "no host name"),
            ("ssh://me you@host/a", "white space"),
            ("ssh://host/a%0ab", "control character"),
            ("ssh://host/%ff", "not UTF-8"),
            ("host:a\nb", "control character"),
        ] {
            let problem = SshUrl::parse(url).unwrap_err();
            assert!(problem.contains(words), "{url}: {problem}");
            assert!(!problem.contains("hush"), "{problem}");
        }
    }

    #[test]
    fn a_server_is_named_as_in_known_hosts() {
        let server = |url| SshUrl::parse(url).unwrap().server();
        assert_eq!(server("host:a"), "host");
        assert_eq!(server("ssh://host:2222/a"), "[host]:2222");
        assert_eq!(server("ssh://[::1]:2222/a"), "[::1]:2222");
    }

    proptest! {
        #[test]
        fn written_addresses_are_read_back(
            user in "[a-z][a-z0-9_]{0,8}",
            host in "[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\\.[a-z]{2,3})?",
            port in 1..=u16::MAX,
            path in "/[a-z0-9._/-]{1,20}[a-z]",
        ) {
            let expected = SshUrl { user, host, port, path };
            let SshUrl { user, host, path, .. } = &expected;
            let url = format!("ssh://{user}@{host}:{port}{path}");
            prop_assert_eq!(SshUrl::parse(&url), Ok(expected.clone()));
            let scp = SshUrl { port: DEFAULT_PORT, ..expected.clone() };
            prop_assert_eq!(SshUrl::parse(&format!("{user}@{host}:{path}")), Ok(scp));
        }

        #[test]
        fn no_part_can_be_taken_for_an_option(url in any::<String>()) {
            if let Ok(url) = SshUrl::parse(&url) {
                for part in [&url.user, &url.host, &url.path] {
                    prop_assert!(!part.is_empty() && !part.starts_with('-'));
                    prop_assert!(!part.contains(char::is_control));
                }
            }
        }
    }
}
