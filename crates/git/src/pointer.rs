//! Recognises the text files that stand for LFS objects.

/// A blob longer than this is not a pointer, in bytes.
///
/// The format's specification sets it: <https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>.
pub const MOST_BYTES: usize = 1024;

/// What a pointer file stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer {
    /// The SHA-256 of the object.
    pub oid: [u8; 32],
    /// Its size in bytes.
    pub size: u64,
}

/// Reads a pointer file of version 1, with or without extensions; `None` for whatever is not exactly one.
pub fn parse(blob: &[u8]) -> Option<Pointer> {
    if blob.len() > MOST_BYTES {
        return None;
    }
    let text = std::str::from_utf8(blob).ok()?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let mut lines = text.split('\n');
    if lines.next()? != "version https://git-lfs.github.com/spec/v1" {
        return None;
    }
    let mut line = lines.next()?;
    while is_extension(line) {
        line = lines.next()?;
    }
    let oid = digest(line.strip_prefix("oid sha256:")?)?;
    let size = size(lines.next()?.strip_prefix("size ")?)?;
    lines.next().is_none().then_some(Pointer { oid, size })
}

/// `ext-0-name sha256:<hex>`: a program that made the object out of the file.
fn is_extension(line: &str) -> bool {
    let parse = || {
        let (key, value) = line.strip_prefix("ext-")?.split_once(' ')?;
        let (priority, name) = key.split_once('-')?;
        let is_known = priority.len() == 1
            && priority.bytes().all(|b| b.is_ascii_digit())
            && !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        (is_known && digest(value.strip_prefix("sha256:")?).is_some()).then_some(())
    };
    parse().is_some()
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    let hex: &[u8; 64] = hex.as_bytes().try_into().ok()?;
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(digest)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn size(digits: &str) -> Option<u64> {
    let is_plain = digits.bytes().all(|b| b.is_ascii_digit());
    is_plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OID: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

    fn pointer(between: &str, oid: &str, end: &str) -> String {
        format!("version https://git-lfs.github.com/spec/v1\n{between}oid sha256:{oid}\nsize {end}")
    }

    #[test]
    fn a_pointer_is_read() {
        for between in ["".to_owned(), format!("ext-0-foo sha256:{OID}\n")] {
            let read = parse(pointer(&between, OID, "12345\n").as_bytes()).unwrap();
            assert_eq!((read.size, read.oid[0], read.oid[31]), (12345, 0x4d, 0x93));
        }
        assert!(parse(pointer("", OID, "0").as_bytes()).is_some());
    }

    #[test]
    fn what_merely_looks_like_one_is_not() {
        let good = pointer("", OID, "12345\n");
        for text in [
            String::new(),
            good.replace("spec/v1", "spec/v2"),
            good.replace("version ", "Version "),
            good.replace("sha256", "sha1"),
            good.replace("4d7a", "4D7A"),
            good.replace("4d7a", "4d7"),
            good.replace('\n', "\r\n"),
            format!("{good}\n"),
            format!("{good}more\n"),
            format!("\n{good}"),
            pointer("", OID, "-1\n"),
            pointer("", OID, "\n"),
            pointer("", OID, "99999999999999999999\n"),
            pointer("ext-10-foo sha256:00\n", OID, "1\n"),
            pointer("x y\n", OID, "1\n"),
            good.replace("size 12345\n", ""),
            good.replace("size 12345\n", &format!("size {:01$}\n", 1, MOST_BYTES)),
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(
            parse(b"version https://git-lfs.github.com/spec/v1\noid sha256:\xff"),
            None
        );
    }
}
