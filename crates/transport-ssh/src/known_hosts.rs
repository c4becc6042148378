//! OpenSSH's known_hosts files (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::keys::PublicKey;

/// What is known about one server.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Its keys.
    pub(crate) keys: Vec<PublicKey>,
    /// Whether it has keys besides, of a kind that cannot be read here.
    pub(crate) has_unreadable: bool,
    /// Keys that it must never show.
    pub(crate) revoked: Vec<PublicKey>,
}

impl Known {
    /// Whether any key of the server is known, readable or not.
    pub(crate) fn is_any(&self) -> bool {
        self.has_unreadable || !self.keys.is_empty()
    }
}

/// Finds what a known_hosts file says about a server, named `host` or `[host]:port`.
///
/// Lines of certificate authorities are passed over: host certificates are not asked for.
pub(crate) fn look_up(text: &str, server: &str) -> Known {
    let server = server.to_lowercase();
    let mut known = Known::default();
    for line in text.lines() {
        let mut fields = line.split_whitespace().peekable();
        let marker = fields.next_if(|field| field.starts_with('@'));
        let (Some(hosts), Some(kind), Some(blob)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        // Lines of SSH 1 have a number of bits where the key's kind stands.
        let is_other = hosts.starts_with('#') || kind.bytes().all(|b| b.is_ascii_digit());
        if is_other || !hosts_match(hosts, &server) {
            continue;
        }
        let key = PublicKey::from_openssh(&format!("{kind} {blob}"));
        match (marker, key) {
            (None, Ok(key)) => known.keys.push(key),
            (None, Err(_)) => known.has_unreadable = true,
            (Some("@revoked"), Ok(key)) => known.revoked.push(key),
            (Some(_), _) => {}
        }
    }
    known
}

fn hosts_match(hosts: &str, server: &str) -> bool {
    if let Some(hashed) = hosts.strip_prefix("|1|") {
        return hash_matches(hashed, server).unwrap_or(false);
    }
    let mut matches = false;
    for pattern in hosts.split(',').filter(|pattern| !pattern.is_empty()) {
        let pattern = pattern.to_lowercase();
        match pattern.strip_prefix('!') {
            Some(pattern) if glob_matches(pattern, server) => return false,
            Some(_) => {}
            None => matches |= glob_matches(&pattern, server),
        }
    }
    matches
}

/// `salt|hash`, both in base64: the HMAC-SHA1 of the name with the salt as key.
fn hash_matches(hashed: &str, server: &str) -> Option<bool> {
    let (salt, hash) = hashed.split_once('|')?;
    let (salt, hash) = (STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    Some(hmac::verify(&key, server.as_bytes(), &hash).is_ok())
}

/// `*` stands for any text, `?` for one character. A mismatch goes back to the last `*` only, so it takes no exponential time.
fn glob_matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut last_star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                last_star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star, from)) = last_star else {
                    return false;
                };
                last_star = Some((star, from + 1));
                (p, t) = (star + 1, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::*;

    const ED: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const HASHED: &str = "|1|AAECAwQFBgcICQoLDA0ODxAREhM=|";

    fn hashed(server: &str) -> String {
        let salt: Vec<u8> = (0..20).collect();
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
        format!(
            "{HASHED}{}",
            STANDARD.encode(hmac::sign(&key, server.as_bytes()))
        )
    }

    fn is_known(hosts: &str, server: &str) -> bool {
        !look_up(&format!("{hosts} {ED}"), server).keys.is_empty()
    }

    #[test]
    fn hosts_are_matched_as_openssh_does() {
        for (hosts, server, expected) in [
            ("host", "host", true),
            ("HOST", "host", true),
            ("host", "HOST", true),
            ("host", "host2", false),
            ("other,host", "host", true),
            ("*.example.org", "a.example.org", true),
            ("*.example.org", "example.org", false),
            ("h?st", "host", true),
            ("h?st", "hst", false),
            ("*,!host", "host", false),
            ("!host,*", "host", false),
            ("!host", "other", false),
            ("host", "[host]:2222", false),
            ("[host]:2222", "[host]:2222", true),
            ("[host]:*", "[host]:2222", true),
            ("[::1]:2222", "[::1]:2222", true),
            ("*", "[host]:2222", true),
            ("*a*b*c*", "xxaxxbxxcxx", true),
            ("*a*b*c*", "xxaxxcxxbxx", false),
        ] {
            assert_eq!(is_known(hosts, server), expected, "{hosts} {server}");
        }
        assert!(is_known(&hashed("host"), "Host"));
        assert!(is_known(&hashed("[host]:2222"), "[host]:2222"));
        assert!(!is_known(&hashed("host"), "[host]:2222"));
        assert!(!is_known("|1|broken", "host"));
    }

    #[test]
    fn markers_comments_and_line_ends_are_understood() {
        let text = format!(
            "# a comment\r\n\r\n@revoked host {ED}\r\n@cert-authority * {ED}\r\n  host\t{ED} me # x\r\nhost 1024 37 1234\r\n#host {ED}\r\nhost\r\n"
        );
        let known = look_up(&text, "host");
        assert_eq!(known.keys.len(), 1);
        assert_eq!(known.revoked, known.keys);
        assert!(!known.has_unreadable);
        assert!(!look_up(&text, "other").is_any());
    }

    #[test]
    fn a_key_that_cannot_be_read_makes_its_host_known() {
        let known = look_up("host ssh-future AAAAC3NzaC1mdXR1cmU=\n", "host");
        assert!(known.keys.is_empty() && known.has_unreadable && known.is_any());
    }

    proptest! {
        #[test]
        fn any_file_is_read(text in any::<String>(), server in any::<String>()) {
            drop(look_up(&text, &server));
            prop_assert!(glob_matches("*", &server));
            prop_assert!(glob_matches(&server.replace(['*', '?'], "x"), &server.replace(['*', '?'], "x")));
        }
    }
}
