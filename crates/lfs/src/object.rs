//! What an LFS object is known by.

use std::fmt::Write as _;

/// An LFS object, as a pointer file names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Object {
    /// The SHA-256 of its content.
    pub oid: [u8; 32],
    /// Its length in bytes.
    pub size: u64,
}

impl Object {
    /// Reads the 64 hexadecimal digits of an object's name.
    pub fn parse(oid: &str, size: u64) -> Option<Self> {
        let digits = oid.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut bytes = [0; 32];
        for (n, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&oid[2 * n..2 * n + 2], 16).ok()?;
        }
        Some(Self { oid: bytes, size })
    }

    /// Its name in 64 lower-case hexadecimal digits.
    pub fn hex(&self) -> String {
        hex(&self.oid)
    }

    /// Where it lies below a repository or a mirror: `lfs/objects/aa/bb/<name>`.
    pub fn path(&self) -> String {
        let hex = self.hex();
        format!("lfs/objects/{}/{}/{hex}", &hex[..2], &hex[2..4])
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back() {
        let name = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";
        let object = Object::parse(name, 12).unwrap();
        assert_eq!(object.hex(), name);
        assert_eq!(object.path(), format!("lfs/objects/4d/7a/{name}"));
        assert_eq!(Object::parse(&name.to_uppercase(), 12), Some(object));
    }

    #[test]
    fn what_is_no_name_is_none() {
        let signed = format!("+1{}", "0".repeat(62));
        for text in [
            "",
            "4d7a",
            &"g".repeat(64),
            &"0".repeat(65),
            &"é".repeat(32),
            &signed,
        ] {
            assert_eq!(Object::parse(text, 0), None, "{text}");
        }
    }
}
