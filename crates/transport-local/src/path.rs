//! Reads `url`: a path, or a `file://` URL. Pure.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// What a path in a `file://` URL does not need to hide.
const HIDDEN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The repository's path.
///
/// # Errors
/// What is wrong with the text, in words.
pub(crate) fn of_url(url: &str) -> Result<PathBuf, String> {
    if url.is_empty() {
        return Err("the path is empty".to_owned());
    }
    if url.chars().any(char::is_control) {
        return Err("the path has control characters".to_owned());
    }
    if url.starts_with('-') {
        return Err("the path must not begin with `-`; put `./` before it".to_owned());
    }
    match url.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => of_file_url(scheme, rest),
        _ => of_path(url),
    }
}

/// The `file://` URL of an absolute path.
pub(crate) fn to_file_url(path: &Path) -> String {
    let path = percent_encode(path.as_os_str().as_bytes(), HIDDEN);
    format!("file://{path}")
}

fn of_file_url(scheme: &str, rest: &str) -> Result<PathBuf, String> {
    if !scheme.eq_ignore_ascii_case("file") {
        return Err(format!(
            "a source of type `local` takes a path or a `file://` URL, not `{scheme}`"
        ));
    }
    let Some(slash) = rest.find('/') else {
        return Err("a `file://` URL needs an absolute path, as in `file:///srv/x.git`".to_owned());
    };
    let (host, path) = rest.split_at(slash);
    if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
        return Err("a `file://` URL must not name a host; write three slashes".to_owned());
    }
    let bytes: Vec<u8> = percent_decode_str(path).collect();
    if bytes.iter().any(u8::is_ascii_control) {
        return Err("the path has control characters".to_owned());
    }
    Ok(OsString::from_vec(bytes).into())
}

/// git takes `helper::address` for a remote helper and `host:path` for SSH, unless a slash comes first.
fn of_path(path: &str) -> Result<PathBuf, String> {
    let first = path.split('/').next().unwrap_or_default();
    if first.contains(':') {
        return Err(
            "this looks like an address of another machine; if it is a path, put `./` before it"
                .to_owned(),
        );
    }
    Ok(path.into())
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_file_urls_are_taken() {
        for (url, path) in [
            ("/srv/x.git", "/srv/x.git"),
            ("../x", "../x"),
            ("./a:b", "./a:b"),
            ("/srv/a:b", "/srv/a:b"),
            ("/srv/50%25", "/srv/50%25"),
            ("file:///srv/x.git", "/srv/x.git"),
            ("FILE://localhost/srv/x", "/srv/x"),
            ("file:///srv/a%20b%25?c#d", "/srv/a b%?c#d"),
        ] {
            assert_eq!(of_url(url).as_deref(), Ok(Path::new(path)), "{url}");
        }
        let bytes = of_url("file:///%ff").unwrap();
        assert_eq!(bytes.as_os_str().as_bytes(), b"/\xff");
    }

    #[test]
    fn a_written_url_is_read_back() {
        for path in [&b"/srv/x.git"[..], b"/srv/a b%20?c#d;e", b"/\xff\xc3\xa9"] {
            let path = PathBuf::from(OsString::from_vec(path.to_vec()));
            assert_eq!(of_url(&to_file_url(&path)), Ok(path));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for url in [
            "",
            "-x",
            "--upload-pack=touch /tmp/x",
            "a\nb",
            "/srv/\u{7}",
            "ssh://h/x",
            "https://h/x",
            "ext::sh -c id",
            "git@h:x.git",
            "file://",
            "file://x",
            "file://host/x",
            "file:///a%00b",
            "file:///a%0ab",
        ] {
            assert!(of_url(url).is_err(), "{url}");
        }
    }
}
