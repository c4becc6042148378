//! Signatures as Standard Webhooks says: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitbarge_core::{Error, ErrorKind, Result, Secret};
use zeroize::Zeroizing;

const PREFIX: &str = "whsec_";

/// The key that messages are signed with.
pub(crate) struct SigningKey(hmac::Key);

impl SigningKey {
    /// Reads the key where it lies.
    ///
    /// # Errors
    /// `config`, naming the place.
    pub(crate) fn read(secret: &Secret) -> Result<Self> {
        let text = secret.read()?;
        let wrong = || {
            let place = secret.place();
            let message = format!("{place} is no key for signatures: `{PREFIX}` and Base64");
            Error::new(ErrorKind::Config, message)
                .with_hint("make one with: printf 'whsec_%s\\n' \"$(openssl rand -base64 32)\"")
        };
        let encoded = text.expose_line().strip_prefix(PREFIX).ok_or_else(wrong)?;
        let key = STANDARD.decode(encoded).map(Zeroizing::new);
        let key = key.ok().filter(|key| !key.is_empty()).ok_or_else(wrong)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// The value of `webhook-signature` for a message that is sent at a time, in seconds.
    pub(crate) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's libraries.
    #[test]
    fn the_known_example_has_its_known_signature() {
        let secret = Secret::literal("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
        let key = SigningKey::read(&secret).unwrap();
        let signature = key.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_key_is_refused_without_quoting_it() {
        for text in ["", "hush", "whsec_", "whsec_hush!", "aHVzaA=="] {
            let error = SigningKey::read(&Secret::literal(text)).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Config);
            let shown = format!("{error:?}");
            assert!(
                !shown.contains("hush") && !shown.contains("aHVzaA"),
                "{shown}"
            );
        }
    }
}
