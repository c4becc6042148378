//! The client's private key: read anew for each session, kept in memory only.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, Digest, SHA256};
use gitbarge_core::{Error, ErrorKind, Result, Secret, SecretText};
use russh::keys::{Algorithm, Error as KeyError, PrivateKey, decode_secret_key};

use crate::pem::{NoKey, Pem, restore};

/// Where the key and its passphrase lie.
#[derive(Debug, Clone)]
pub(crate) struct KeyPlace {
    pub(crate) key: Secret,
    pub(crate) passphrase: Option<Secret>,
}

/// A key as it was read, not yet decoded.
pub(crate) struct KeyText {
    place: KeyPlace,
    key: SecretText,
    passphrase: Option<SecretText>,
}

/// Tells two keys apart without keeping them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KeyDigest(Vec<u8>);

impl KeyPlace {
    /// Reads both where they lie.
    ///
    /// # Errors
    /// `config`, naming the place.
    pub(crate) fn read(&self) -> Result<KeyText> {
        let read = |what: &str, secret: &Secret| {
            secret.read().map_err(|error| {
                Error::new(ErrorKind::Config, format!("cannot read `{what}`")).with_source(error)
            })
        };
        let key = read("key", &self.key)?;
        let passphrase = self.passphrase.as_ref();
        let passphrase = passphrase.map(|secret| read("passphrase", secret));
        Ok(KeyText {
            place: self.clone(),
            key,
            passphrase: passphrase.transpose()?,
        })
    }
}

impl KeyText {
    /// What changes when the key or its passphrase does.
    pub(crate) fn digest(&self) -> KeyDigest {
        let mut context = Context::new(&SHA256);
        context.update(self.key.expose().as_bytes());
        // NUL stands in neither of the two.
        context.update(&[0]);
        if let Some(passphrase) = &self.passphrase {
            context.update(passphrase.expose_line().as_bytes());
        }
        let digest: Digest = context.finish();
        KeyDigest(digest.as_ref().to_vec())
    }

    /// Decodes, and decrypts where needed, which takes about a second for some keys.
    ///
    /// # Errors
    /// `config`, naming the place, and never quoting the key.
    pub(crate) fn decode(&self) -> Result<Arc<PrivateKey>> {
        let pem = restore(self.key.expose()).map_err(|no_key| self.no_key(no_key))?;
        let is_rsa = pem.label == "RSA PRIVATE KEY";
        if let Some(cipher) = &pem.cipher
            && !(is_rsa && cipher == "AES-128-CBC")
        {
            return Err(self
                .wrong(&format!(
                    "is encrypted in the old PEM format with {cipher}, which is not supported"
                ))
                .with_hint("write it in OpenSSH's format with `ssh-keygen -p -f FILE`"));
        }
        let key = match self.decode_plain(&pem) {
            Err(KeyError::KeyIsEncrypted) => self.decrypt(&pem)?,
            result => result.map_err(|error| self.wrong("cannot be decoded").with_source(error))?,
        };
        match key.algorithm() {
            Algorithm::Ed25519 | Algorithm::Ecdsa { .. } | Algorithm::Rsa { .. } => {
                Ok(Arc::new(key))
            }
            other => Err(self
                .wrong(&format!(
                    "is of type {}, which is not supported",
                    other.as_str()
                ))
                .with_hint("make an ed25519 key with `ssh-keygen -t ed25519`")),
        }
    }

    fn decode_plain(&self, pem: &Pem) -> Result<PrivateKey, KeyError> {
        // The decoder takes an encrypted PKCS#8 key without a passphrase for a damaged one.
        if pem.label.starts_with("ENCRYPTED ") {
            return Err(KeyError::KeyIsEncrypted);
        }
        decode_secret_key(&pem.text, None)
    }

    fn decrypt(&self, pem: &Pem) -> Result<PrivateKey> {
        let place = self.place.passphrase.as_ref();
        let (Some(passphrase), Some(place)) = (&self.passphrase, place) else {
            return Err(self.wrong("is encrypted, and `passphrase` is not set").with_hint(
                "set `passphrase`, or take a key without one: a deploy key is as safe as the place it lies in",
            ));
        };
        decode_secret_key(&pem.text, Some(passphrase.expose_line())).map_err(|error| {
            let fault = format!("cannot be decrypted with `passphrase` ({})", place.place());
            self.wrong(&fault).with_source(error)
        })
    }

    fn no_key(&self, no_key: NoKey) -> Error {
        match no_key {
            NoKey::Empty => self.wrong("is empty"),
            NoKey::PublicKey => self.wrong("is a public key").with_hint(
                "the private key is needed: the file without `.pub`, which begins with `-----BEGIN`",
            ),
            NoKey::Putty => self.wrong("is in PuTTY's format").with_hint(
                "export it with `puttygen FILE -O private-openssh -o FILE.openssh`",
            ),
            NoKey::Cut => self.wrong("is cut off: its `-----END` line is missing"),
            NoKey::Other => self.wrong("is no private key").with_hint(
                "a private key begins with `-----BEGIN`; for one in a file write `{ file = \"PATH\" }`",
            ),
        }
    }

    fn wrong(&self, fault: &str) -> Error {
        let place = self.place.key.place();
        Error::new(ErrorKind::Config, format!("`key` ({place}) {fault}"))
    }
}

#[cfg(test)]
mod tests {
    use gitbarge_testkit::sshd::{KeyType, SshKey};
    use proptest::prelude::{any, proptest};
    use russh::keys::{HashAlg, encode_pkcs8_pem, encode_pkcs8_pem_encrypted};

    use super::*;

    fn text(key: &str, passphrase: Option<&str>) -> KeyText {
        let place = KeyPlace {
            key: Secret::literal(key),
            passphrase: passphrase.map(Secret::literal),
        };
        place.read().unwrap()
    }

    fn fingerprint(key: &str, passphrase: Option<&str>) -> String {
        let key = text(key, passphrase).decode().unwrap();
        key.fingerprint(HashAlg::Sha256).to_string()
    }

    fn refusal(key: &str, passphrase: Option<&str>) -> String {
        let error = text(key, passphrase).decode().err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        let failure = error.failure();
        assert!(failure.message.contains("`key`"), "{failure:?}");
        assert!(
            failure.message.contains("the literal in the configuration"),
            "{failure:?}"
        );
        failure.message
    }

    #[test]
    fn keys_of_all_types_and_formats_are_decoded() {
        for kind in [KeyType::Ed25519, KeyType::Ecdsa, KeyType::Rsa] {
            let key = SshKey::generate(kind);
            assert_eq!(fingerprint(&key.private, None), key.fingerprint, "{kind:?}");
            // A passphrase that is not needed does no harm.
            assert_eq!(fingerprint(&key.private, Some("x")), key.fingerprint);
            let locked = key.written_as("RFC4716", "pass phrase");
            assert_eq!(fingerprint(&locked, Some("pass phrase\n")), key.fingerprint);
            if kind == KeyType::Ed25519 {
                continue;
            }
            for format in ["PEM", "PKCS8"] {
                let plain = key.written_as(format, "");
                assert_eq!(
                    fingerprint(&plain, None),
                    key.fingerprint,
                    "{kind:?} {format}"
                );
                assert_eq!(
                    fingerprint(&plain, Some("x")),
                    key.fingerprint,
                    "{kind:?} {format}"
                );
            }
            let locked = key.written_as("PKCS8", "pass phrase");
            assert_eq!(fingerprint(&locked, Some("pass phrase")), key.fingerprint);
        }
    }

    #[test]
    fn an_ed25519_key_in_pkcs8_is_decoded() {
        let key = SshKey::generate(KeyType::Ed25519);
        let decoded = text(&key.private, None).decode().unwrap();
        let mut pem = Vec::new();
        encode_pkcs8_pem(&decoded, &mut pem).unwrap();
        let pem = String::from_utf8(pem).unwrap();
        assert_eq!(fingerprint(&pem, None), key.fingerprint);
        let mut locked = Vec::new();
        encode_pkcs8_pem_encrypted(&decoded, b"pass", 1000, &mut locked).unwrap();
        let locked = String::from_utf8(locked).unwrap();
        assert_eq!(fingerprint(&locked, Some("pass")), key.fingerprint);
        assert!(refusal(&locked, None).contains("is encrypted"));
    }

    #[test]
    fn an_encrypted_key_wants_its_own_passphrase() {
        let rsa = SshKey::generate(KeyType::Rsa);
        let old = rsa.written_as("PEM", "right");
        assert!(old.contains("DEK-Info: AES-128-CBC"), "{old}");
        assert_eq!(fingerprint(&old, Some("right")), rsa.fingerprint);
        let one_line = old.replace('\n', " ");
        assert_eq!(fingerprint(&one_line, Some("right")), rsa.fingerprint);
        for locked in [
            old,
            rsa.written_as("PKCS8", "right"),
            rsa.written_as("RFC4716", "right"),
        ] {
            assert!(refusal(&locked, None).contains("is encrypted, and `passphrase` is not set"));
            let wrong = refusal(&locked, Some("wrong"));
            assert!(
                wrong.contains("cannot be decrypted with `passphrase`"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn an_old_cipher_is_named() {
        let rsa = SshKey::generate(KeyType::Rsa).written_as("PEM", "right");
        let strange = rsa.replace("AES-128-CBC", "AES-256-CBC");
        assert!(refusal(&strange, Some("right")).contains("with AES-256-CBC"));
        let elliptic = SshKey::generate(KeyType::Ecdsa).written_as("PEM", "right");
        assert!(refusal(&elliptic, Some("right")).contains("old PEM format"));
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_quoted() {
        let key = SshKey::generate(KeyType::Ed25519);
        assert!(refusal(&key.public, None).contains("is a public key"));
        assert!(refusal("", None).contains("is empty"));
        let hush = refusal("hush hush", None);
        assert!(
            hush.contains("is no private key") && !hush.contains("hush"),
            "{hush}"
        );
        let cut = &key.private[..200];
        assert!(refusal(cut, None).contains("is cut off"));
        let damaged = key.private.replacen("AAAA", "AAAB", 1);
        assert!(refusal(&damaged, None).contains("cannot be decoded"));
    }

    #[test]
    fn an_unset_variable_is_named() {
        let place = KeyPlace {
            key: Secret::env("GITBARGE_TEST_UNSET"),
            passphrase: None,
        };
        let message = place.read().err().unwrap().failure().message;
        assert_eq!(
            message,
            "cannot read `key`: environment variable `GITBARGE_TEST_UNSET` is not set"
        );
    }

    #[test]
    fn another_key_or_passphrase_has_another_digest() {
        let one = text("a", None).digest();
        assert!(one == text("a", None).digest());
        assert!(one != text("b", None).digest());
        assert!(one != text("a", Some("b")).digest());
    }

    proptest! {
        #[test]
        fn any_body_is_answered(body in any::<Vec<u8>>()) {
            use base64::Engine as _;
            let body = base64::engine::general_purpose::STANDARD.encode(body);
            for label in ["OPENSSH", "RSA", "EC", "ENCRYPTED"] {
                let pem = format!("-----BEGIN {label} PRIVATE KEY-----\n{body}\n-----END {label} PRIVATE KEY-----");
                assert!(text(&pem, Some("x")).decode().is_err());
            }
        }
    }
}
