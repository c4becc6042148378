//! Whether the key that a server shows is to be trusted.

use std::borrow::Cow;

use gitbarge_core::{Error, ErrorKind, Result};
use russh::Preferred;
use russh::keys::{Algorithm, HashAlg, PublicKey};

use crate::config::HostKeys;
use crate::known_hosts::Known;

/// Judges the keys of one server.
pub(crate) struct HostCheck {
    policy: HostKeys,
    /// As known_hosts files name it.
    server: String,
    known: Known,
}

/// Why a key is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// It was known or pinned before.
    Known,
    /// Nothing was known about the server, and policy allows learning.
    New,
}

impl HostCheck {
    pub(crate) fn new(policy: HostKeys, server: String, known: Known) -> Self {
        Self {
            policy,
            server,
            known,
        }
    }

    /// Judges a key that the server has proved to hold.
    ///
    /// A server that is known under any key is never new: else whoever sits in between had only to offer another algorithm.
    ///
    /// # Errors
    /// `host_key_changed`, `host_key_unknown`.
    pub(crate) fn judge(&self, key: &PublicKey) -> Result<Trust> {
        let known = &self.known;
        if known.revoked.iter().any(|k| k.key_data() == key.key_data()) {
            return Err(self.changed(key, "which known_hosts marks as revoked"));
        }
        if let HostKeys::Pinned(pins) = &self.policy {
            let shown = key.fingerprint(HashAlg::Sha256).to_string();
            if pins.contains(&shown) {
                return Ok(Trust::Known);
            }
            let instead = format!("but `host_keys` pins {}", pins.join(", "));
            return Err(self.changed(key, &instead));
        }
        if known.keys.iter().any(|k| k.key_data() == key.key_data()) {
            return Ok(Trust::Known);
        }
        if known.is_any() {
            return Err(self.changed(key, &format!("but is known by {}", self.known_names())));
        }
        match self.policy {
            HostKeys::AcceptNew => Ok(Trust::New),
            HostKeys::Strict | HostKeys::Pinned(_) => Err(self.unknown(key)),
        }
    }

    /// The algorithms to ask for: those of known keys first, as OpenSSH does, for a server shows one key only.
    pub(crate) fn preferred_algorithms(&self) -> Cow<'static, [Algorithm]> {
        let mut algorithms = Preferred::DEFAULT.key.to_vec();
        let is_known = |algorithm: &Algorithm| {
            let mut known = self.known.keys.iter().map(PublicKey::algorithm);
            known.any(|k| k == *algorithm || (is_rsa(&k) && is_rsa(algorithm)))
        };
        algorithms.sort_by_key(|algorithm| !is_known(algorithm));
        algorithms.into()
    }

    fn known_names(&self) -> String {
        let mut names: Vec<String> = self.known.keys.iter().map(name).collect();
        if self.known.has_unreadable {
            names.push("a key that gitbarge cannot read".to_owned());
        }
        names.join(", ")
    }

    fn changed(&self, key: &PublicKey, instead: &str) -> Error {
        let message = format!(
            "`{}` shows the host key {}, {instead}",
            self.server,
            name(key)
        );
        Error::new(ErrorKind::HostKeyChanged, message).with_hint(
            "this may be an attack: ask the server's owner; if the key is theirs, put it into the file that \
             `known_hosts` names, or pin its fingerprint in `host_keys`",
        )
    }

    fn unknown(&self, key: &PublicKey) -> Error {
        let message = format!("`{}` shows the unknown host key {}", self.server, name(key));
        Error::new(ErrorKind::HostKeyUnknown, message).with_hint(format!(
            "verify the fingerprint with the server's owner; then add the key to the file that `known_hosts` names, \
             or set `host_keys = [\"{}\"]`",
            key.fingerprint(HashAlg::Sha256)
        ))
    }
}

/// A key as people compare it: its algorithm and fingerprint.
pub(crate) fn name(key: &PublicKey) -> String {
    let fingerprint = key.fingerprint(HashAlg::Sha256);
    format!("{fingerprint} ({})", key.algorithm().as_str())
}

/// RSA keys go by several names of algorithms, one for each hash.
fn is_rsa(algorithm: &Algorithm) -> bool {
    matches!(algorithm, Algorithm::Rsa { .. })
}

#[cfg(test)]
mod tests {
    use gitbarge_testkit::sshd::{KeyType, SshKey};

    use super::*;
    use crate::known_hosts::look_up;

    fn key(key: &SshKey) -> PublicKey {
        PublicKey::from_openssh(&key.public).unwrap()
    }

    fn judged(policy: HostKeys, known: &str, shown: &SshKey) -> Result<Trust, ErrorKind> {
        let check = HostCheck::new(policy, "host".to_owned(), look_up(known, "host"));
        check.judge(&key(shown)).map_err(|error| {
            assert!(error.to_string().contains(&shown.fingerprint), "{error}");
            error.kind()
        })
    }

    #[test]
    fn keys_are_judged_by_policy() {
        let (shown, other) = (
            SshKey::generate(KeyType::Ed25519),
            SshKey::generate(KeyType::Ed25519),
        );
        let of_other_type = SshKey::generate(KeyType::Ecdsa);
        let line = |key: &SshKey| format!("host {}\n", key.public);
        let known = line(&shown);
        let with_other = line(&other) + &known;
        let revoked = format!("{known}@revoked * {}", shown.public);
        let pin = |key: &SshKey| HostKeys::Pinned(vec![key.fingerprint.clone()]);
        let changed = Err(ErrorKind::HostKeyChanged);
        for (policy, known, expected) in [
            (HostKeys::AcceptNew, "", Ok(Trust::New)),
            (HostKeys::AcceptNew, &*known, Ok(Trust::Known)),
            (HostKeys::AcceptNew, &*with_other, Ok(Trust::Known)),
            (HostKeys::AcceptNew, &*line(&other), changed),
            (HostKeys::AcceptNew, &*line(&of_other_type), changed),
            (HostKeys::AcceptNew, "host ssh-dss AAAA", changed),
            (HostKeys::AcceptNew, &*revoked, changed),
            (HostKeys::Strict, "", Err(ErrorKind::HostKeyUnknown)),
            (HostKeys::Strict, &*known, Ok(Trust::Known)),
            (HostKeys::Strict, &*line(&other), changed),
            (HostKeys::Strict, &*line(&of_other_type), changed),
            (HostKeys::Strict, &*revoked, changed),
            (pin(&shown), "", Ok(Trust::Known)),
            (pin(&shown), &*line(&other), Ok(Trust::Known)),
            (pin(&shown), &*revoked, changed),
            (pin(&other), "", changed),
            (pin(&other), &*known, changed),
        ] {
            assert_eq!(
                judged(policy.clone(), known, &shown),
                expected,
                "{policy:?} {known}"
            );
        }
    }

    #[test]
    fn known_algorithms_are_asked_for_first() {
        let rsa = SshKey::generate(KeyType::Rsa);
        let known = look_up(&format!("host {}", rsa.public), "host");
        let check = HostCheck::new(HostKeys::AcceptNew, "host".to_owned(), known);
        let algorithms = check.preferred_algorithms();
        assert!(is_rsa(&algorithms[0]) && is_rsa(&algorithms[1]));
        assert_eq!(algorithms.len(), Preferred::DEFAULT.key.len());
        let check = HostCheck::new(HostKeys::AcceptNew, "host".to_owned(), Known::default());
        assert_eq!(check.preferred_algorithms(), Preferred::DEFAULT.key);
    }
}
