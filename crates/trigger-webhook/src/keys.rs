//! What proofs are compared with: made from the secrets, and made anew when these may have changed.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitbarge_core::Secret;
use tokio::sync::Notify;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::provider::Provider;

/// How old keys may be that let somebody in.
const FRESH: Duration = Duration::from_secs(1);
/// Whoever fits no key may have been given a new one: the secrets are read again, though not for everybody who guesses.
const FRESHER: Duration = Duration::from_millis(100);
/// How long an answer waits for secrets that lie on a slow disk.
const PATIENCE: Duration = Duration::from_millis(30);

/// One secret, ready to be compared with.
pub(crate) struct Key {
    mac: hmac::Key,
    /// Of the secret itself, so that a comparison tells nothing of its length either.
    digest: digest::Digest,
}

impl Key {
    fn new(secret: &[u8]) -> Self {
        Self {
            mac: hmac::Key::new(hmac::HMAC_SHA256, secret),
            digest: digest::digest(&digest::SHA256, secret),
        }
    }

    /// Reads a secret.
    ///
    /// # Errors
    /// Why it can let nobody in, in words that are safe to print.
    pub(crate) fn read(secret: &Secret, provider: Provider) -> Result<Self, String> {
        let text = secret.read().map_err(|error| error.failure().message)?;
        let text = text.expose_line();
        if text.trim().is_empty() {
            return Err(format!("{} is empty", secret.place()));
        }
        if provider != Provider::Standard {
            return Ok(Self::new(text.as_bytes()));
        }
        let encoded = text.strip_prefix("whsec_");
        let bytes = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
        match bytes.map(Zeroizing::new) {
            Some(bytes) if !bytes.is_empty() => Ok(Self::new(&bytes)),
            _ => Err(format!("{} is not `whsec_` and base64", secret.place())),
        }
    }

    /// Whether somebody has said the secret itself.
    pub(crate) fn is(&self, said: &[u8]) -> bool {
        let said = digest::digest(&digest::SHA256, said);
        verify_slices_are_equal(self.digest.as_ref(), said.as_ref()).is_ok()
    }

    /// Whether one of these is the HMAC-SHA256 of a message in parts.
    pub(crate) fn has_signed(&self, message: &[&[u8]], signatures: &[[u8; 32]]) -> bool {
        let mut context = hmac::Context::with_key(&self.mac);
        message.iter().for_each(|part| context.update(part));
        let tag = context.sign();
        let fits =
            |signature: &&[u8; 32]| verify_slices_are_equal(tag.as_ref(), *signature).is_ok();
        signatures.iter().filter(fits).count() > 0
    }
}

#[cfg(any(test, feature = "fuzzing"))]
impl From<&str> for Key {
    fn from(secret: &str) -> Self {
        Self::new(secret.as_bytes())
    }
}

/// The keys of a trigger. Its secrets are read by a blocking thread, one at a time.
pub(crate) struct Keyring {
    secrets: Vec<Secret>,
    provider: Provider,
    shelf: Mutex<Shelf>,
    has_read: Notify,
}

#[derive(Default)]
struct Shelf {
    keys: Arc<[Key]>,
    read_at: Option<Instant>,
    is_reading: bool,
    /// What was complained of last, for a complaint that stays the same is made once.
    complaint: String,
}

impl Shelf {
    fn younger_than(&self, age: Duration) -> Option<Arc<[Key]>> {
        let is_young = self.read_at?.elapsed() < age;
        is_young.then(|| self.keys.clone())
    }
}

impl Keyring {
    pub(crate) fn new(secrets: &[Secret], provider: Provider) -> Self {
        Self {
            secrets: secrets.to_vec(),
            provider,
            shelf: Mutex::default(),
            has_read: Notify::new(),
        }
    }

    /// The keys in force.
    pub(crate) async fn keys(self: &Arc<Self>) -> Arc<[Key]> {
        self.at_most(FRESH).await
    }

    /// The keys for somebody whom others did not fit; the same ones if those were just made.
    pub(crate) async fn fresher(self: &Arc<Self>) -> Arc<[Key]> {
        self.at_most(FRESHER).await
    }

    async fn at_most(self: &Arc<Self>, age: Duration) -> Arc<[Key]> {
        if let Some(keys) = self.shelf().younger_than(age) {
            return keys;
        }
        let has_read = self.has_read.notified();
        tokio::pin!(has_read);
        // From here on, the end of the reading is not missed.
        has_read.as_mut().enable();
        {
            let mut shelf = self.shelf();
            if let Some(keys) = shelf.younger_than(age) {
                return keys;
            }
            if !std::mem::replace(&mut shelf.is_reading, true) {
                let (this, span) = (self.clone(), tracing::Span::current());
                drop(tokio::task::spawn_blocking(move || {
                    span.in_scope(|| this.read());
                }));
            }
        }
        // Whoever waits in vain is judged by the keys that there are; the reading goes on.
        drop(timeout(PATIENCE, has_read).await);
        self.shelf().keys.clone()
    }

    fn read(&self) {
        // As of its beginning: what is written while it goes on may be missed.
        let read_at = Instant::now();
        let (mut keys, mut complaints) = (Vec::new(), Vec::new());
        for secret in &self.secrets {
            match Key::read(secret, self.provider) {
                Ok(key) => keys.push(key),
                Err(complaint) => complaints.push(complaint),
            }
        }
        let complaint = complaints.join("; ");
        let mut shelf = self.shelf();
        if complaint != shelf.complaint && !complaint.is_empty() {
            let (usable, provider) = (keys.len(), self.provider.as_str());
            tracing::error!(
                provider,
                usable,
                problem = complaint,
                "A webhook's secret lets nobody in."
            );
        }
        *shelf = Shelf {
            keys: keys.into(),
            read_at: Some(read_at),
            is_reading: false,
            complaint,
        };
        drop(shelf);
        self.has_read.notify_waiters();
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("secrets", &self.secrets)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn fault(secret: Secret, provider: Provider) -> String {
        Key::read(&secret, provider).err().unwrap_or_default()
    }

    #[test]
    fn a_secret_that_is_empty_or_not_there_is_no_key() {
        for empty in ["", "\n", "\r\n", "  \n"] {
            let fault = fault(Secret::literal(empty), Provider::Github);
            assert_eq!(fault, "the literal in the configuration is empty");
        }
        assert!(fault(Secret::env("GITBARGE_TEST_UNSET"), Provider::Gitlab).contains("is not set"));
        assert!(fault(Secret::file("/nowhere/x"), Provider::Gitlab).contains("/nowhere/x"));
        assert_eq!(fault(Secret::literal("x"), Provider::Github), "");
    }

    #[test]
    fn a_standard_secret_is_base64() {
        for good in ["whsec_MDEyMzQ1Njc4OQ==", "whsec_MDEyMzQ1Njc4OQ==\n"] {
            let key = Key::read(&Secret::literal(good), Provider::Standard)
                .ok()
                .unwrap();
            assert!(key.is(b"0123456789"), "{good}");
        }
        for bad in [
            "whsec_",
            "whsec_hush!",
            "whsec_MDEyMzQ1Njc4OQ",
            "MDEyMzQ1Njc4OQ==",
        ] {
            let fault = fault(Secret::literal(bad), Provider::Standard);
            assert!(
                fault.contains("`whsec_` and base64") && !fault.contains("hush"),
                "{fault}"
            );
        }
    }

    #[tokio::test]
    async fn a_file_that_has_changed_is_seen_at_once_by_whom_the_old_one_did_not_fit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "old\n").unwrap();
        let secrets = [Secret::file(&path), Secret::literal("")];
        let keyring = Arc::new(Keyring::new(&secrets, Provider::Token));
        let keys = keyring.keys().await;
        assert!(keys.len() == 1 && keys[0].is(b"old") && !keys[0].is(b"old\n"));

        fs::write(&path, "new\n").unwrap();
        assert!(
            Arc::ptr_eq(&keys, &keyring.keys().await),
            "a second has not passed"
        );
        let begun = Instant::now();
        while !keyring.fresher().await[0].is(b"new") {
            assert!(begun.elapsed() < FRESH, "it was not read again");
            tokio::task::yield_now().await;
        }

        fs::remove_file(&path).unwrap();
        while !keyring.fresher().await.is_empty() {
            assert!(begun.elapsed() < 2 * FRESH, "it was not read again");
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn a_secret_that_nobody_delivers_keeps_nobody_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let keyring = Arc::new(Keyring::new(&[Secret::file(&pipe)], Provider::Token));
        let begun = Instant::now();
        assert!(runtime.block_on(keyring.keys()).is_empty());
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "it took {:?}",
            begun.elapsed()
        );
        // Ends the thread that reads it.
        fs::write(&pipe, "late").unwrap();
        runtime.block_on(async {
            while keyring.keys().await.is_empty() {
                tokio::task::yield_now().await;
            }
        });
    }
}
