//! Where a pipeline reads from, without any user: not even the name belongs on a page.

use gitbarge_core::Address;

/// The address without a user.
pub(super) fn shown(address: &Address) -> String {
    let text = address.as_str();
    let (scheme, rest) = match text.find("://") {
        Some(at) => text.split_at(at + 3),
        None => ("", text),
    };
    // Of `user@host:path` the user ends before the path begins.
    let host_end = rest.find(['/', ':']).unwrap_or(rest.len());
    let host_end = match scheme {
        "" => host_end,
        _ => rest.find('/').unwrap_or(rest.len()),
    };
    let user_end = rest[..host_end].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}{}", &rest[user_end..])
}

/// A message without the users of URLs in it, nor that of the pipeline's own address.
pub(super) fn without_users(message: &str, address: &Address) -> String {
    let message = message.replace(address.as_str(), &shown(address));
    let mut parts = message.split("://");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c == '/' || c == '`' || c.is_whitespace());
        let (host, rest) = part.split_at(end.unwrap_or(part.len()));
        let user_end = host.rfind('@').map_or(0, |at| at + 1);
        clean.extend(["://", &host[user_end..], rest]);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_user_is_shown() {
        for (address, expected) in [
            ("ssh://git@host:22/a@b", "ssh://host:22/a@b"),
            ("git@host:a/b.git", "host:a/b.git"),
            ("https://user:pw@host/x", "https://host/x"),
            ("/srv/a@b", "/srv/a@b"),
            ("file:///srv/x", "file:///srv/x"),
        ] {
            assert_eq!(shown(&Address::new(address)), expected);
        }
    }

    #[test]
    fn no_user_is_in_a_message() {
        let clean = |message| without_users(message, &Address::new("git@host:a/b.git"));
        assert_eq!(
            clean("no `git@host:a/b.git` there"),
            "no `host:a/b.git` there"
        );
        let urls = "`ssh://me@h/x@y` and https://you@i, ask me@example.org";
        assert_eq!(
            clean(urls),
            "`ssh://h/x@y` and https://i, ask me@example.org"
        );
        assert_eq!(clean("plain"), "plain");
    }
}
