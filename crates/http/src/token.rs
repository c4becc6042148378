//! The token of the API.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use gitbarge_core::Secret;
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout};

/// How long what was read counts.
const FRESH: Duration = Duration::from_secs(1);

/// The API's token, read again when it is used.
pub(crate) struct Token {
    secret: Secret,
    read: Mutex<Read>,
}

#[derive(Default)]
struct Read {
    last: Option<(Instant, Known)>,
    /// A reading that has not come to its end yet; there is never a second one.
    going: Option<JoinHandle<Known>>,
}

/// What is known of the token; `None` if it cannot be read, or is empty.
type Known = Option<Digest>;

/// Whether somebody knows the token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fits,
    Differs,
    /// The token cannot be read now.
    Unknown,
}

impl Token {
    pub(crate) fn new(secret: Secret) -> Self {
        Self {
            secret,
            read: Mutex::default(),
        }
    }

    /// Compares in constant time: by their digests, so that the length tells nothing either.
    pub(crate) async fn judge(&self, shown: &[u8], patience: Duration) -> Verdict {
        let Ok(Some(known)) = timeout(patience, self.known()).await else {
            return Verdict::Unknown;
        };
        let shown = digest(&SHA256, shown);
        match verify_slices_are_equal(known.as_ref(), shown.as_ref()) {
            Ok(()) => Verdict::Fits,
            Err(_) => Verdict::Differs,
        }
    }

    async fn known(&self) -> Known {
        let mut read = self.read.lock().await;
        if let Some((at, known)) = &read.last
            && at.elapsed() < FRESH
        {
            return *known;
        }
        let secret = self.secret.clone();
        let going = read
            .going
            .get_or_insert_with(|| spawn_blocking(move || token(&secret)));
        let known = going.await.unwrap_or_default();
        read.going = None;
        read.last = Some((Instant::now(), known));
        known
    }
}

fn token(secret: &Secret) -> Known {
    match secret.read() {
        Ok(text) if text.expose_line().is_empty() => {
            tracing::error!(place = secret.place(), "The API's token is empty.");
            None
        }
        Ok(text) => Some(digest(&SHA256, text.expose_line().as_bytes())),
        Err(error) => {
            let error = error.failure().message;
            tracing::error!(error, "The API's token cannot be read.");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn only_the_token_itself_fits() {
        let token = Token::new(Secret::literal("hush\n"));
        assert_eq!(token.judge(b"hush", PATIENCE).await, Verdict::Fits);
        for wrong in ["", "hus", "hushh", "HUSH", "hush\n"] {
            let verdict = token.judge(wrong.as_bytes(), PATIENCE).await;
            assert_eq!(verdict, Verdict::Differs, "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn an_empty_or_missing_token_lets_nobody_in() {
        for secret in [
            Secret::literal(""),
            Secret::literal("\n"),
            Secret::file("/nowhere/token"),
        ] {
            let token = Token::new(secret);
            assert_eq!(token.judge(b"", PATIENCE).await, Verdict::Unknown);
        }
    }

    #[tokio::test]
    async fn a_file_is_read_again_and_one_that_never_ends_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "old\n").unwrap();
        let token = Token::new(Secret::file(&path));
        assert_eq!(token.judge(b"old", PATIENCE).await, Verdict::Fits);
        std::fs::write(&path, "new\n").unwrap();
        tokio::time::pause();
        tokio::time::advance(FRESH).await;
        tokio::time::resume();
        assert_eq!(token.judge(b"new", PATIENCE).await, Verdict::Fits);

        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let token = Token::new(Secret::file(&pipe));
        let soon = Duration::from_millis(20);
        assert_eq!(token.judge(b"x", soon).await, Verdict::Unknown);
        assert_eq!(token.judge(b"x", soon).await, Verdict::Unknown);
        // The one reading that waits gets what is written.
        std::fs::write(&pipe, "x").unwrap();
        assert_eq!(token.judge(b"x", PATIENCE).await, Verdict::Fits);
    }
}
