//! Reads what signature headers say. Nothing here is proved yet.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// An HMAC-SHA256 in lower-case hex, after what must stand before it.
pub(crate) fn hex(value: &[u8], prefix: &str) -> Option<[u8; 32]> {
    let digits = value.strip_prefix(prefix.as_bytes())?;
    let mut signature = [0; 32];
    if digits.len() != 2 * signature.len() {
        return None;
    }
    for (byte, pair) in signature.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(signature)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// A signature with the time at which it was made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Timed<'v> {
    /// As it stands there, for it is signed so.
    pub(crate) stamp: &'v [u8],
    /// In seconds since 1970.
    pub(crate) at: i64,
    pub(crate) signatures: Vec<[u8; 32]>,
}

/// `t=<unix>,sha256=<hex>`, as Pierre's code storage writes it; each must stand once, what else stands there does not count.
pub(crate) fn pierre(value: &[u8]) -> Option<Timed<'_>> {
    let (mut stamp, mut signature) = (None, None);
    for field in value.split(|byte| *byte == b',') {
        let field = field.trim_ascii();
        let is_twice = match (field.strip_prefix(b"t="), field.strip_prefix(b"sha256=")) {
            (Some(text), _) => stamp.replace(text).is_some(),
            (_, Some(digits)) => signature.replace(digits).is_some(),
            _ => false,
        };
        if is_twice {
            return None;
        }
    }
    let stamp = stamp?;
    Some(Timed {
        stamp,
        at: unix(stamp)?,
        signatures: vec![hex(signature?, "")?],
    })
}

/// `v1,<base64>` several times, separated by blanks; those of other versions do not count.
/// Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.
pub(crate) fn standard<'v>(stamp: &'v [u8], value: &[u8]) -> Option<Timed<'v>> {
    let fields = value.split(|byte| *byte == b' ');
    let signatures = fields.filter_map(|field| {
        let bytes = STANDARD.decode(field.strip_prefix(b"v1,")?).ok()?;
        bytes.try_into().ok()
    });
    let signatures: Vec<[u8; 32]> = signatures.collect();
    let at = unix(stamp)?;
    (!signatures.is_empty()).then_some(Timed {
        stamp,
        at,
        signatures,
    })
}

/// Seconds since 1970, in digits only.
fn unix(stamp: &[u8]) -> Option<i64> {
    let is_plain = (1..=12).contains(&stamp.len()) && stamp.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(stamp).ok().filter(|_| is_plain)?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "00ff0123456789abcdef00000000000000000000000000000000000000000010";

    #[test]
    fn only_the_whole_hex_in_lower_case_is_a_signature() {
        let good = hex(format!("sha256={HEX}").as_bytes(), "sha256=").unwrap();
        assert_eq!((good[0], good[1], good[2], good[31]), (0, 0xff, 1, 0x10));
        assert_eq!(hex(HEX.as_bytes(), ""), Some(good));
        for bad in [
            HEX.to_owned(),
            "sha256=".to_owned(),
            String::new(),
            format!("sha256={}", &HEX[1..]),
            format!("sha256={}", &HEX[..32]),
            format!("sha256={HEX}0"),
            format!("sha256= {HEX}"),
            format!("sha256={}", HEX.to_uppercase()),
            format!("sha256={}", "z".repeat(64)),
            format!("sha256={}", "é".repeat(32)),
            format!("SHA256={HEX}"),
            format!("sha1={}", &HEX[..40]),
        ] {
            assert_eq!(hex(bad.as_bytes(), "sha256="), None, "{bad}");
        }
    }

    #[test]
    fn pierre_says_when_and_signs_once() {
        let timed = |text: &str| pierre(text.as_bytes()).map(|timed| timed.at);
        assert_eq!(
            timed(&format!("t=1731705121,sha256={HEX}")),
            Some(1_731_705_121)
        );
        assert_eq!(timed(&format!("sha256={HEX}, t=17, v2=x")), Some(17));
        for bad in [
            String::new(),
            format!("sha256={HEX}"),
            "t=1731705121".to_owned(),
            format!("t=,sha256={HEX}"),
            format!("t=-1,sha256={HEX}"),
            format!("t=+1,sha256={HEX}"),
            format!("t=1.5,sha256={HEX}"),
            format!("t=99999999999999999999,sha256={HEX}"),
            format!("t=1,t=2,sha256={HEX}"),
            format!("t=1,sha256={HEX},sha256={HEX}"),
            format!("t=1,sha256={}", &HEX[2..]),
        ] {
            assert_eq!(timed(&bad), None, "{bad}");
        }
    }

    #[test]
    fn standard_signatures_of_other_versions_do_not_count() {
        let text = STANDARD.encode([7; 32]);
        let count =
            |value: &str| standard(b"17", value.as_bytes()).map(|timed| timed.signatures.len());
        assert_eq!(count(&format!("v1,{text}")), Some(1));
        assert_eq!(count(&format!("v1a,{text} v1,{text}  v1,{text}")), Some(2));
        for bad in [
            String::new(),
            "v1,".to_owned(),
            format!("v1a,{text}"),
            text.clone(),
            format!("v1,{}", &text[4..]),
            format!("v1,{}", &text[..43]),
        ] {
            assert_eq!(count(&bad), None, "{bad}");
        }
        assert_eq!(standard(b"soon", format!("v1,{text}").as_bytes()), None);
    }
}
