//! The addresses that git reads over HTTP: `https://user:password@host:port/path`.

use gitbarge_core::Secret;
use gitbarge_http_client::server;
use percent_encoding::percent_decode_str;
use reqwest::Url;

/// Where a repository is.
#[derive(Debug, Clone)]
pub(crate) struct HttpUrl {
    /// Without user info, query, fragment and slashes at the end.
    pub(crate) base: Url,
    /// What stood before `@`.
    pub(crate) login: Option<UserInfo>,
}

/// A user and password in a URL. A lone user may be a token.
#[derive(Debug, Clone)]
pub(crate) struct UserInfo {
    pub(crate) username: Secret,
    pub(crate) password: Option<Secret>,
}

impl HttpUrl {
    /// Reads a URL. The error is what is wrong with it; it quotes no part that may be a password.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        check_text(text)?;
        // Everything else is quoted in an error only as far as it cannot be secret.
        let mut base = Url::parse(text).map_err(|error| format!("the url is none: {error}"))?;
        if base.query().is_some() || base.fragment().is_some() {
            return Err("the url has a query or a fragment, which no repository has".to_owned());
        }
        let login = user_info(&base)?;
        remove_user_info(&mut base);
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&path);
        Ok(Self { base, login })
    }

    /// Where git-lfs looks for a repository's LFS server (git-lfs, docs/api/server-discovery.md).
    pub(crate) fn lfs(&self) -> Url {
        let mut url = self.base.clone();
        let path = self.base.path().trim_end_matches('/');
        let suffix = if path.ends_with(".git") { "" } else { ".git" };
        url.set_path(&format!("{path}{suffix}/info/lfs"));
        url
    }
}

/// A URL's server, as the keys of `hosts` name it.
pub(crate) fn host_and_port(url: &Url) -> String {
    server(url).to_ascii_lowercase()
}

/// What stands before `@`.
///
/// # Errors
/// What is wrong with it; nothing of it is quoted.
pub(crate) fn user_info(url: &Url) -> Result<Option<UserInfo>, String> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    Ok(Some(UserInfo {
        username: decoded(url.username())?,
        password: url.password().map(decoded).transpose()?,
    }))
}

/// Takes a user and a password out.
pub(crate) fn remove_user_info(url: &mut Url) {
    // It fails for URLs without a host only, which are not http.
    url.set_username("").ok();
    url.set_password(None).ok();
}

/// What the URL parser would repair in silence.
fn check_text(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("the url is empty".to_owned());
    }
    if text.starts_with('-') {
        return Err("the url begins with `-`".to_owned());
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("the url contains a control character or white space".to_owned());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("the url is no http address: write `https://host/path`".to_owned());
    };
    if !matches!(scheme, "http" | "https") {
        let is_scheme = scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        return Err(match scheme {
            "ssh" => "the url's scheme is `ssh`: use `type = \"ssh\"`".to_owned(),
            "file" => "the url's scheme is `file`: use `type = \"local\"`".to_owned(),
            _ if is_scheme => {
                format!("the url's scheme is `{scheme}`, which is neither `https` nor `http`")
            }
            _ => "the url is no http address: write `https://host/path`".to_owned(),
        });
    }
    // `http:///path` would be repaired to `http://path`.
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if host.is_empty() || host.starts_with(':') {
        return Err("the url has no host".to_owned());
    }
    if host.starts_with('-') {
        return Err("the url's host begins with `-`".to_owned());
    }
    Ok(())
}

fn decoded(text: &str) -> Result<Secret, String> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) if !text.chars().any(char::is_control) => Ok(Secret::literal(text)),
        Ok(_) => Err("the url's user info contains a control character".to_owned()),
        Err(_) => Err("the url's user info is not UTF-8 when decoded".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_info_is_moved_out() {
        let url = HttpUrl::parse("https://me:a%40b@host:8443/x.git/").unwrap();
        assert_eq!(url.base.as_str(), "https://host:8443/x.git");
        assert_eq!(server(&url.base), "host:8443");
        let login = url.login.unwrap();
        assert_eq!(login.username.read().unwrap().expose(), "me");
        assert_eq!(login.password.unwrap().read().unwrap().expose(), "a@b");
        let token = HttpUrl::parse("https://token@host/x").unwrap();
        assert!(token.login.unwrap().password.is_none());
        assert!(HttpUrl::parse("https://host/x").unwrap().login.is_none());
    }

    #[test]
    fn what_is_no_http_address_is_refused_without_quoting_secrets() {
        for (url, words) in [
            ("", "empty"),
            ("-u", "begins with `-`"),
            ("https://-host/x", "host begins with `-`"),
            ("https://me:hush@h/a\nb", "control character"),
            ("https://h/a b", "white space"),
            ("ftp://me:hush@h/x", "`ftp`"),
            ("ssh://git@h/x", "\"ssh\""),
            ("file:///x", "\"local\""),
            ("git@host:x", "no http address"),
            ("/srv/x.git", "no http address"),
            ("https:hush", "no http address"),
            ("me:hush@h://x", "no http address"),
            ("https://", "no host"),
            ("https:///x", "no host"),
            ("https://me:hush@/x", "no host"),
            ("https://me:hush@:80/x", "no host"),
            ("https://me:hush@h:99999/x", "port"),
            ("https://h/x?token=hush", "query"),
            ("https://h/x#hush", "fragment"),
            ("https://a%00b:hush@h/x", "control character"),
            ("https://%ff:hush@h/x", "UTF-8"),
        ] {
            let message = HttpUrl::parse(url).unwrap_err();
            assert!(message.contains(words), "{url}: {message}");
            assert!(!message.contains("hush"), "{url}: {message}");
        }
    }

    #[test]
    fn the_lfs_server_is_where_git_lfs_looks() {
        for url in [
            "https://h/x",
            "https://h/x/",
            "https://h/x.git",
            "https://h/x.git/",
        ] {
            let url = HttpUrl::parse(url).unwrap();
            assert_eq!(url.lfs().as_str(), "https://h/x.git/info/lfs");
        }
    }
}
