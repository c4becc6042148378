//! What a blob looks like on disk, and the way back: line ends, `$Id$` and encodings, as the attributes of a path say.

use std::borrow::Cow;

use gix::attrs::StateRef;
use gix::bstr::{BStr, ByteSlice as _};
use gix::filter::plumbing::eol::{self, AttributesDigest, Mode};
use gix::filter::plumbing::ident;
use gix::worktree::stack::state::attributes::Source;
use gix::{AttributeStack, ObjectId};

use super::encoding::Encoding;

/// The attributes that decide; filters that start programs are not among them.
const ATTRIBUTES: [&str; 5] = ["crlf", "text", "eol", "ident", "working-tree-encoding"];

/// Converts between blobs and files.
pub(crate) struct Converter<'r> {
    attributes: AttributeStack<'r>,
    matches: gix::attrs::search::Outcome,
}

/// What the attributes of one path say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rules {
    line_ends: AttributesDigest,
    has_ids: bool,
    encoding: Option<Encoding>,
    /// Whether an encoding is named at all, be it unknown.
    names_encoding: bool,
}

impl<'r> Converter<'r> {
    /// A converter that finds `.gitattributes` files in the work tree or the index, as `source` has it.
    pub(crate) fn new(
        repository: &'r gix::Repository,
        index: &gix::index::State,
        source: Source,
    ) -> gix::Result<Self> {
        let attributes = repository.attributes_only(index, source)?;
        let matches = attributes.selected_attribute_matches(ATTRIBUTES);
        Ok(Self {
            attributes,
            matches,
        })
    }

    /// What the attributes of a path say.
    pub(crate) fn rules(&mut self, path: &BStr) -> gix::Result<Rules> {
        self.matches.reset();
        self.attributes
            .at_entry(path, None)?
            .matching_attributes(&mut self.matches);
        let mut states = self
            .matches
            .iter_selected()
            .map(|found| found.assignment.state);
        let mut next = || states.next().unwrap_or(StateRef::Unspecified);
        let (crlf, text, eol, id, encoding) = (next(), next(), next(), next(), next());
        Ok(Rules {
            line_ends: line_ends(text, crlf, eol),
            has_ids: id == StateRef::Set,
            encoding: match encoding {
                StateRef::Value(name) => Encoding::of(name.as_bstr()),
                _ => None,
            },
            names_encoding: encoding != StateRef::Unspecified,
        })
    }
}

impl Rules {
    /// Whether files may be anything but their blobs, byte for byte.
    pub(crate) fn convert(&self) -> bool {
        self.line_ends != AttributesDigest::Binary || self.has_ids || self.names_encoding
    }

    /// The content on disk of a blob.
    pub(crate) fn to_disk<'b>(&self, blob: &'b [u8], id: &gix::oid) -> gix::Result<Cow<'b, [u8]>> {
        let mut content = Cow::Borrowed(blob);
        if self.has_ids
            && let Some(expanded) = expand_ids(&content, id)
        {
            content = Cow::Owned(expanded);
        }
        let mut converted = Vec::new();
        if eol::convert_to_worktree(
            &content,
            self.line_ends,
            &mut converted,
            eol::Configuration::default(),
        )? {
            content = Cow::Owned(converted);
        }
        if let Some(encoded) = self.encoding.as_ref().and_then(|e| e.encode(&content)) {
            content = Cow::Owned(encoded);
        }
        Ok(content)
    }

    /// Whether a file with this content is the blob `id`, whose own content is `blob`.
    ///
    /// That is so too if it was written from the blob and git would commit it otherwise, as it does with line ends that the
    /// attributes forbid.
    pub(crate) fn is_same(&self, disk: Vec<u8>, id: &gix::oid, blob: &[u8]) -> gix::Result<bool> {
        if *self.to_disk(blob, id)? == *disk {
            return Ok(true);
        }
        let decoded = self.encoding.as_ref().and_then(|e| e.decode(&disk));
        let mut content = decoded.unwrap_or(disk);
        let mut converted = Vec::new();
        let mut in_index = |buffer: &mut Vec<u8>| {
            buffer.clear();
            buffer.extend_from_slice(blob);
            Ok(Some(()))
        };
        let options = eol::convert_to_git::Options::default();
        if eol::convert_to_git(
            &content,
            self.line_ends,
            &mut converted,
            &mut in_index,
            options,
        )? {
            std::mem::swap(&mut content, &mut converted);
        }
        if self.has_ids && ident::undo(&content, &mut converted).is_ok_and(|undone| undone) {
            content = converted;
        }
        let found: ObjectId = gix::objs::compute_hash(id.kind(), gix::objs::Kind::Blob, &content)?;
        Ok(*found == *id)
    }
}

/// What git's convert.c makes of these attributes, with `core.autocrlf` and `core.eol` unset.
fn line_ends(text: StateRef<'_>, crlf: StateRef<'_>, eol: StateRef<'_>) -> AttributesDigest {
    let of_text = |state: StateRef<'_>| match state {
        StateRef::Set => Some(AttributesDigest::Text),
        StateRef::Unset => Some(AttributesDigest::Binary),
        StateRef::Value(value) if value.as_bstr() == "input" => Some(AttributesDigest::TextInput),
        StateRef::Value(value) if value.as_bstr() == "auto" => Some(AttributesDigest::TextAuto),
        _ => None,
    };
    let eol = match eol {
        StateRef::Value(value) if value.as_bstr() == "lf" => Some(Mode::Lf),
        StateRef::Value(value) if value.as_bstr() == "crlf" => Some(Mode::CrLf),
        _ => None,
    };
    match (of_text(text).or_else(|| of_text(crlf)), eol) {
        (Some(AttributesDigest::Binary), _) | (None, None) => AttributesDigest::Binary,
        (Some(AttributesDigest::TextAuto), Some(Mode::Lf)) => AttributesDigest::TextAutoInput,
        (Some(AttributesDigest::TextAuto), Some(Mode::CrLf)) => AttributesDigest::TextAutoCrlf,
        (_, Some(Mode::CrLf)) => AttributesDigest::TextCrlf,
        (_, Some(Mode::Lf)) | (Some(AttributesDigest::Text), None) => AttributesDigest::TextInput,
        (Some(other), None) => other,
    }
}

/// Replaces `$Id$`, and what it may have been expanded to before, by `$Id: <id> $`; nothing if there is none.
///
/// As git's `ident_to_worktree` does it: an expansion ends in its line, and one with spaces inside is somebody else's.
fn expand_ids(content: &[u8], id: &gix::oid) -> Option<Vec<u8>> {
    if !content.contains_str("$Id$") && !content.contains_str("$Id:") {
        return None;
    }
    let expanded = format!("Id: {id} $");
    let mut out = Vec::with_capacity(content.len() + expanded.len());
    let mut rest = content;
    while let Some(dollar) = rest.find_byte(b'$') {
        out.extend_from_slice(&rest[..=dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix(b"Id$") {
            out.extend_from_slice(expanded.as_bytes());
            rest = after;
        } else if let Some(after) = rest.strip_prefix(b"Id:") {
            let Some(end) = after.find_byte(b'$') else {
                break;
            };
            let inside = &after[..end];
            let is_foreign = inside
                .get(1..)
                .and_then(|text| text.find_byte(b' '))
                .is_some_and(|space| space + 2 < end);
            if !inside.contains(&b'\n') && !is_foreign {
                out.extend_from_slice(expanded.as_bytes());
                rest = &after[end + 1..];
            }
        }
    }
    out.extend_from_slice(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_expanded_as_git_does() {
        let id = ObjectId::null(gix::hash::Kind::Sha1);
        let whole = format!("$Id: {id} $");
        let cases = [
            ("a $Id$ b", format!("a {whole} b")),
            ("$Id$$Id$", format!("{whole}{whole}")),
            ("$Id: 12 $", whole.clone()),
            ("$Id:12$", whole.clone()),
            ("$Id: a b $", "$Id: a b $".to_owned()),
            ("$Id: a\n$Id$", format!("$Id: a\n{whole}")),
            ("$Id: a", "$Id: a".to_owned()),
            ("$$Id$", format!("${whole}")),
        ];
        for (content, expected) in cases {
            let expanded = expand_ids(content.as_bytes(), &id).unwrap();
            assert_eq!(expanded.as_bstr(), expected.as_str(), "{content}");
        }
        assert_eq!(expand_ids(b"$ $Idea$", &id), None);
    }
}
