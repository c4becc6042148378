//! Tokens by which a GitHub App shows who it is: JWTs, signed with RS256 (RFC 7519, RFC 7518).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gitbarge_core::{Error, ErrorKind, Result, Secret};
use jiff::Timestamp;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use zeroize::{Zeroize as _, Zeroizing};

/// The header of every token: `{"alg":"RS256","typ":"JWT"}`.
const HEADER: &str = r#"{"alg":"RS256","typ":"JWT"}"#;
/// GitHub's clock may be behind ours.
const SKEW: i64 = 60;
/// GitHub takes ten minutes at most.
const LIFE: i64 = 9 * 60;

/// Reads the key, and signs a token of this issuer.
///
/// # Errors
/// `config`, naming where the key lies.
pub(crate) fn sign(key: &Secret, issuer: &str, now: Timestamp) -> Result<Zeroizing<String>> {
    let pair = read(key)?;
    let issued = now.as_second() - SKEW;
    let expires = now.as_second() + LIFE;
    let claims = serde_json::json!({ "iat": issued, "exp": expires, "iss": issuer });
    let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let mut token = Zeroizing::new(format!(
        "{}.{}",
        encoded(HEADER),
        encoded(&claims.to_string())
    ));
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        token.as_bytes(),
        &mut signature,
    )
    .map_err(|_| Error::new(ErrorKind::Internal, "a token could not be signed"))?;
    token.push('.');
    token.push_str(&URL_SAFE_NO_PAD.encode(signature));
    Ok(token)
}

fn read(key: &Secret) -> Result<KeyPair> {
    let wrong = || {
        let message = format!("{} is no RSA private key in PEM", key.place());
        Error::new(ErrorKind::Config, message)
            .with_hint("make a private key on the GitHub App's page, and give the whole file that is downloaded")
    };
    let text = key.read()?;
    let mut der = PrivateKeyDer::from_pem_slice(text.expose().as_bytes()).map_err(|_| wrong())?;
    let pair = match &der {
        PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
        _ => return Err(wrong()),
    };
    der.zeroize();
    pair.map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn a_token_says_who_and_until_when_and_can_be_verified() {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(der.as_ref())
        );
        let now = Timestamp::from_second(1_000_000).unwrap();
        let token = sign(&Secret::literal(pem), "Iv1.abc", now).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key());
        public.verify(signed.as_bytes(), &signature).unwrap();
        let parts = signed
            .split('.')
            .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
        let parts: Vec<serde_json::Value> = parts
            .map(|part| serde_json::from_slice(&part).unwrap())
            .collect();
        assert_eq!(parts[0], serde_json::json!({"alg": "RS256", "typ": "JWT"}));
        assert_eq!(
            parts[1],
            serde_json::json!({"iat": 999_940, "exp": 1_000_540, "iss": "Iv1.abc"})
        );
    }

    #[test]
    fn what_is_no_key_is_refused_without_quoting_it() {
        for text in [
            "hush",
            "-----BEGIN PRIVATE KEY-----\naHVzaA==\n-----END PRIVATE KEY-----",
        ] {
            let error = sign(&Secret::literal(text), "x", Timestamp::UNIX_EPOCH).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            let shown = format!("{error:?}");
            assert!(
                !shown.contains("hush") && !shown.contains("aHVz"),
                "{shown}"
            );
        }
    }
}
