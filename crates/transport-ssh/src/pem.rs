//! Undoes what variables, YAML and secret stores do to the text of a private key.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// The header of the encryption of old, from before PKCS#8 (RFC 1421 section 4.6.1.3).
const DEK_INFO: &str = "DEK-Info:";
/// The length of an AES block in hexadecimal digits.
const IV: usize = 32;

/// A key's text as `ssh-keygen` would have written it.
pub(crate) struct Pem {
    /// What stands after `BEGIN`, such as `OPENSSH PRIVATE KEY`.
    pub(crate) label: String,
    /// The cipher of an old PEM file that is encrypted, such as `AES-128-CBC`.
    pub(crate) cipher: Option<String>,
    /// The whole text: exact `BEGIN` and `END` lines, and the base64 between them.
    pub(crate) text: Zeroizing<String>,
}

/// Why a text holds no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoKey {
    Empty,
    PublicKey,
    Putty,
    Cut,
    Other,
}

/// Finds the key in a text, however its lines, ends and quotes were treated, or in the base64 of such a text.
pub(crate) fn restore(raw: &str) -> Result<Pem, NoKey> {
    let text = with_real_line_ends(raw);
    if text.contains(BEGIN) {
        return rebuild(&text);
    }
    match from_base64(&text) {
        Some(inner) if inner.contains(BEGIN) => rebuild(&with_real_line_ends(&inner)),
        _ => Err(what_else(&text)),
    }
}

/// No form of a key holds backslashes: one before `n` or `r` was a line end, any other escapes a quote.
fn with_real_line_ends(raw: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(raw.len()));
    let mut characters = raw.chars().peekable();
    while let Some(c) = characters.next() {
        if c != '\\' {
            text.push(c);
        } else if characters.next_if(|c| matches!(c, 'n' | 'r')).is_some() {
            text.push('\n');
        }
    }
    text
}

fn rebuild(text: &str) -> Result<Pem, NoKey> {
    let from = &text[text.find(BEGIN).ok_or(NoKey::Other)? + BEGIN.len()..];
    let (label, rest) = from.split_once(DASHES).ok_or(NoKey::Cut)?;
    if label.contains("PUBLIC KEY") {
        return Err(NoKey::PublicKey);
    }
    if !label.ends_with("PRIVATE KEY")
        || !label.bytes().all(|b| b.is_ascii_uppercase() || b == b' ')
    {
        return Err(NoKey::Other);
    }
    let body = &rest[..rest.find(END).ok_or(NoKey::Cut)?];
    let (cipher, iv, data) = match body.split_once(DEK_INFO) {
        Some((_, header)) => {
            let (cipher, after) = header.split_once(',').ok_or(NoKey::Cut)?;
            let after = after.trim_start();
            let digits = after.bytes().take(IV).take_while(u8::is_ascii_hexdigit);
            let (iv, data) = after.split_at(digits.count());
            (Some(cipher.trim().to_owned()), iv, data)
        }
        None => (None, "", body),
    };
    let mut text = Zeroizing::new(String::with_capacity(body.len() + 4 * label.len() + 128));
    text.extend([BEGIN, label, DASHES, "\n"]);
    if let Some(cipher) = &cipher {
        text.extend([
            "Proc-Type: 4,ENCRYPTED\n",
            DEK_INFO,
            " ",
            cipher,
            ",",
            iv,
            "\n\n",
        ]);
    }
    text.extend(data.split_whitespace());
    text.extend(["\n", END, label, DASHES, "\n"]);
    Ok(Pem {
        label: label.to_owned(),
        cipher,
        text,
    })
}

fn from_base64(text: &str) -> Option<Zeroizing<String>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let mut compact = Zeroizing::new(String::with_capacity(text.len()));
    let is_around = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\u{feff}');
    compact.extend(text.chars().filter(|c| !is_around(*c)));
    let bytes = Zeroizing::new(LENIENT.decode(compact.as_bytes()).ok()?);
    let text = std::str::from_utf8(&bytes).ok()?;
    Some(Zeroizing::new(text.to_owned()))
}

fn what_else(text: &str) -> NoKey {
    let is_around = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\u{feff}');
    let text = text.trim_matches(is_around);
    let is_public = ["ssh-", "ecdsa-sha2-", "sk-", "---- BEGIN SSH2 PUBLIC KEY"];
    if text.is_empty() {
        NoKey::Empty
    } else if is_public.iter().any(|start| text.starts_with(start)) {
        NoKey::PublicKey
    } else if text.starts_with("PuTTY-User-Key-File-") {
        NoKey::Putty
    } else {
        NoKey::Other
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\nBBBB\nCC==\n-----END OPENSSH PRIVATE KEY-----\n";
    const RESTORED: &str =
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAABBBBCC==\n-----END OPENSSH PRIVATE KEY-----\n";
    const OLD: &str = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\nAAAA\nBBBB\n-----END RSA PRIVATE KEY-----\n";

    fn restored(raw: &str) -> String {
        match restore(raw) {
            Ok(pem) => pem.text.to_string(),
            Err(no_key) => panic!("{no_key:?}: {raw}"),
        }
    }

    #[test]
    fn every_deformation_is_undone() {
        let base64 = STANDARD.encode(KEY);
        let lines: Vec<&str> = base64
            .as_bytes()
            .chunks(40)
            .map(|c| std::str::from_utf8(c).unwrap())
            .collect();
        for raw in [
            KEY.to_owned(),
            KEY.replace('\n', "\\n"),
            KEY.replace('\n', "\\r\\n"),
            KEY.replace('\n', "\\\\n"),
            KEY.replace('\n', "\r\n"),
            KEY.replace('\n', "\r"),
            format!("\"{KEY}\""),
            format!("'\"{}\"'", KEY.trim()),
            format!("\"{}\"", KEY.replace('\n', "\\n")),
            format!("\\\"{}\\\"", KEY.replace('\n', "\\n")),
            KEY.replace('\n', " "),
            KEY.replace('\n', ""),
            base64.clone(),
            base64.trim_end_matches('=').to_owned(),
            format!("\"{base64}\"\n"),
            lines.join("\n"),
            lines.join("\\n"),
            STANDARD.encode(KEY.replace('\n', "\r\n")),
            KEY.trim_end().to_owned(),
            format!("\u{feff}{KEY}"),
            format!("\n\n {KEY}\n\n"),
            KEY.replace('\n', "\n    "),
            KEY.replace('\n', "\n\n"),
        ] {
            assert_eq!(restored(&raw), RESTORED, "{raw}");
        }
    }

    #[test]
    fn an_old_encrypted_key_keeps_its_header() {
        let expected = OLD.replace("AAAA\n", "AAAA");
        for raw in [
            OLD.to_owned(),
            OLD.replace('\n', " "),
            OLD.replace('\n', ""),
            OLD.replace('\n', "\\n"),
        ] {
            assert_eq!(restored(&raw), expected, "{raw}");
            assert_eq!(
                restore(&raw).ok().unwrap().cipher.as_deref(),
                Some("AES-128-CBC")
            );
        }
    }

    #[test]
    fn what_is_no_private_key_is_told_apart() {
        for (raw, expected) in [
            ("", NoKey::Empty),
            (" \"\" \n", NoKey::Empty),
            ("ssh-ed25519 AAAA me", NoKey::PublicKey),
            ("'ecdsa-sha2-nistp256 AAAA'", NoKey::PublicKey),
            (
                "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
                NoKey::PublicKey,
            ),
            ("---- BEGIN SSH2 PUBLIC KEY ----", NoKey::PublicKey),
            ("PuTTY-User-Key-File-3: ssh-ed25519", NoKey::Putty),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA", NoKey::Cut),
            ("-----BEGIN OPENSSH PRIVATE", NoKey::Cut),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
                NoKey::Other,
            ),
            ("hello", NoKey::Other),
            ("/home/me/.ssh/id_ed25519", NoKey::Other),
        ] {
            assert_eq!(restore(raw).err(), Some(expected), "{raw}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in any::<String>()) {
            drop(restore(&text));
            drop(restore(&format!("-----BEGIN {text}")));
            drop(restore(&format!("-----BEGIN RSA PRIVATE KEY-----DEK-Info:{text}-----END RSA PRIVATE KEY-----")));
        }

        #[test]
        fn restoring_twice_changes_nothing(body in "[A-Za-z0-9+/]{4,200}") {
            let once = restored(&format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"));
            prop_assert_eq!(restored(&once), once);
        }
    }
}
