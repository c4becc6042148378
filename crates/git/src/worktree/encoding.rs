//! `working-tree-encoding`: files that are UTF-8 in the repository and something else on disk, as git and iconv have it.

use gix::bstr::{BStr, ByteSlice as _};
use gix::filter::plumbing::worktree;
use gix::filter::plumbing::worktree::encode_to_git::RoundTripCheck;

/// How a file is encoded on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf16(Form),
    Utf32(Form),
    /// Each byte is a character of the same number.
    Latin1,
    /// Any other, by the name that it has on the web.
    Named(String),
}

/// How the units of UTF-16 and UTF-32 are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    is_big_endian: bool,
    /// Whether a byte order mark comes first; when read, it decides the order.
    has_mark: bool,
}

const MARK: char = '\u{feff}';

impl Encoding {
    /// The encoding that git's attribute names; none for UTF-8, and for what cannot be converted, which git leaves as it is.
    pub(crate) fn of(name: &BStr) -> Option<Self> {
        let name = name.to_str().ok()?.to_uppercase();
        let plain = name
            .strip_prefix("UTF")
            .map(|rest| rest.trim_start_matches('-'));
        let form = |is_big_endian, has_mark| Form {
            is_big_endian,
            has_mark,
        };
        match plain {
            Some("8") => return None,
            // iconv writes the machine's own order, and git does not change it.
            Some("16") => return Some(Self::Utf16(form(cfg!(target_endian = "big"), true))),
            Some("16LE") => return Some(Self::Utf16(form(false, false))),
            Some("16BE") => return Some(Self::Utf16(form(true, false))),
            Some("16LE-BOM") => return Some(Self::Utf16(form(false, true))),
            Some("16BE-BOM") => return Some(Self::Utf16(form(true, true))),
            Some("32") => return Some(Self::Utf32(form(cfg!(target_endian = "big"), true))),
            Some("32LE") => return Some(Self::Utf32(form(false, false))),
            Some("32BE") => return Some(Self::Utf32(form(true, false))),
            _ => {}
        }
        if [
            "ISO-8859-1",
            "ISO8859-1",
            "ISO_8859-1",
            "LATIN1",
            "LATIN-1",
            "L1",
        ]
        .contains(&name.as_str())
        {
            return Some(Self::Latin1);
        }
        let label: &BStr = name.as_bytes().as_bstr();
        worktree::encoding::for_label(label)
            .is_ok()
            .then_some(Self::Named(name))
    }

    /// What UTF-8 text is on disk; nothing if it is no such text or has characters that the encoding lacks.
    pub(crate) fn encode(&self, utf8: &[u8]) -> Option<Vec<u8>> {
        let text = utf8.to_str().ok()?;
        let marked = |form: &Form| {
            form.has_mark
                .then_some(MARK)
                .into_iter()
                .chain(text.chars())
        };
        match self {
            Self::Utf16(form) => {
                let mut units = [0; 2];
                let mut bytes = Vec::with_capacity(2 * text.len() + 2);
                for character in marked(form) {
                    for unit in character.encode_utf16(&mut units) {
                        bytes.extend(form.order(unit.to_le_bytes()));
                    }
                }
                Some(bytes)
            }
            Self::Utf32(form) => {
                let units = marked(form).flat_map(|c| form.order(u32::from(c).to_le_bytes()));
                Some(units.collect())
            }
            Self::Latin1 => text
                .chars()
                .map(|c| u8::try_from(u32::from(c)).ok())
                .collect(),
            Self::Named(name) => {
                let encoding = worktree::encoding::for_label(name.as_bytes().as_bstr()).ok()?;
                let mut bytes = Vec::new();
                worktree::encode_to_worktree(utf8, encoding, &mut bytes).ok()?;
                Some(bytes)
            }
        }
    }

    /// The UTF-8 of a file on disk; nothing if it is not in this encoding.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Utf16(form) => {
                let (units, rest) = bytes.as_chunks::<2>();
                let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
                let units = form.read(units, u16::swap_bytes, 0xfeff)?;
                let text = rest.is_empty().then(|| String::from_utf16(&units))?;
                text.ok().map(String::into_bytes)
            }
            Self::Utf32(form) => {
                let (units, rest) = bytes.as_chunks::<4>();
                let units: Vec<u32> = units.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
                let units = form.read(units, u32::swap_bytes, 0xfeff)?;
                let text: Option<String> = units.into_iter().map(char::from_u32).collect();
                text.filter(|_| rest.is_empty()).map(String::into_bytes)
            }
            Self::Latin1 => Some(
                bytes
                    .iter()
                    .map(|byte| char::from(*byte))
                    .collect::<String>()
                    .into_bytes(),
            ),
            Self::Named(name) => {
                let encoding = worktree::encoding::for_label(name.as_bytes().as_bstr()).ok()?;
                let mut utf8 = Vec::new();
                worktree::encode_to_git(bytes, encoding, &mut utf8, RoundTripCheck::Skip).ok()?;
                Some(utf8)
            }
        }
    }
}

impl Form {
    fn order<const N: usize>(self, mut little: [u8; N]) -> [u8; N] {
        if self.is_big_endian {
            little.reverse();
        }
        little
    }

    /// Turns units that were read as little endian into characters' units, without the mark. As in git, a mark must be
    /// there if the encoding has one, and must not be if not.
    fn read<U: Copy + PartialEq>(self, units: Vec<U>, swap: fn(U) -> U, mark: U) -> Option<Vec<U>> {
        let first = units.first().copied();
        let is_swapped = first == Some(swap(mark));
        let is_marked = is_swapped || first == Some(mark);
        if is_marked != self.has_mark {
            return None;
        }
        let is_big_endian = if self.has_mark {
            is_swapped
        } else {
            self.is_big_endian
        };
        let units = units.into_iter().skip(usize::from(is_marked));
        Some(
            units
                .map(|unit| if is_big_endian { swap(unit) } else { unit })
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: &[&str] = &[
        "UTF-16",
        "utf-16le",
        "UTF-16BE",
        "UTF-16LE-BOM",
        "UTF-16BE-BOM",
        "UTF-32",
        "UTF-32LE",
        "UTF-32BE",
    ];

    #[test]
    fn encodings_are_those_of_git() {
        let encoded = |name: &str| {
            Encoding::of(name.into())
                .unwrap()
                .encode("é\n".as_bytes())
                .unwrap()
        };
        assert_eq!(Encoding::of("utf8".into()), None);
        assert_eq!(Encoding::of("no such".into()), None);
        assert_eq!(encoded("UTF-16LE"), b"\xe9\0\n\0");
        assert_eq!(encoded("UTF-16BE-BOM"), b"\xfe\xff\0\xe9\0\n");
        assert_eq!(encoded("ISO-8859-1"), b"\xe9\n");
        let cyrillic = Encoding::of("koi8-r".into()).unwrap();
        assert_eq!(cyrillic.encode("я\n".as_bytes()).unwrap(), b"\xd1\n");
        assert_eq!(cyrillic.decode(b"\xd1\n").unwrap(), "я\n".as_bytes());
    }

    #[test]
    fn what_an_encoding_lacks_stays_as_it_is() {
        assert_eq!(
            Encoding::of("latin1".into())
                .unwrap()
                .encode("€".as_bytes()),
            None
        );
        assert_eq!(Encoding::of("UTF-16".into()).unwrap().encode(b"\xff"), None);
        assert_eq!(Encoding::of("UTF-16".into()).unwrap().decode(b"a\0"), None);
        assert_eq!(
            Encoding::of("UTF-16LE".into())
                .unwrap()
                .decode(b"\xff\xfea\0"),
            None
        );
        assert_eq!(
            Encoding::of("UTF-16LE".into()).unwrap().decode(b"odd"),
            None
        );
    }

    proptest! {
        #[test]
        fn what_was_encoded_can_be_read(text in "[^\u{feff}\u{fffe}]{0,20}") {
            for name in NAMES {
                let encoding = Encoding::of((*name).into()).unwrap();
                let bytes = encoding.encode(text.as_bytes()).unwrap();
                prop_assert_eq!(encoding.decode(&bytes).unwrap(), text.as_bytes());
            }
        }
    }
}
