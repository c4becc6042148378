//! The files that readers of a dumb-protocol repository ask for. Source: gitrepository-layout(5), git-http-backend(1).

use gitbarge_core::{Error, ErrorKind, RemoteRef, Result};
use gix::ObjectId;
use sha2::{Digest as _, Sha256};

/// Where HEAD leads.
pub(crate) const HEAD: &str = "HEAD";
/// All refs; its write is the commit point of a run.
pub(crate) const REFS: &str = "info/refs";
/// All packs, newest first.
pub(crate) const PACKS: &str = "objects/info/packs";

/// What HEAD leads to when the remote does not say.
const UNBORN: &str = "refs/heads/main";
/// What follows the name of a tag in the line that says what it leads to.
const PEELED: &[u8] = b"^{}";

/// The key of a pack; `extension` is `pack` or `idx`.
pub(crate) fn pack_key(name: ObjectId, extension: &str) -> String {
    format!("objects/pack/pack-{name}.{extension}")
}

/// The text of `HEAD` for what the remote has shown.
pub(crate) fn head_text(refs: &[RemoteRef]) -> Vec<u8> {
    let head = refs.iter().find(|r| r.name == HEAD.as_bytes());
    match head.map(|head| (&head.symref, head.id)) {
        Some((Some(branch), _)) => [b"ref: ", &branch[..], b"\n"].concat(),
        Some((None, id)) => format!("{id}\n").into_bytes(),
        None => [b"ref: ", default_branch(refs), b"\n"].concat(),
    }
}

/// Where HEAD leads if the remote does not say, or to something that is not mirrored.
fn default_branch(refs: &[RemoteRef]) -> &[u8] {
    let branches = || refs.iter().map(|r| &r.name[..]);
    let is_usual = |name: &&[u8]| *name == UNBORN.as_bytes() || *name == b"refs/heads/master";
    let usual = branches().find(is_usual);
    let first = || branches().find(|name| name.starts_with(b"refs/heads/"));
    usual.or_else(first).unwrap_or(UNBORN.as_bytes())
}

/// The text of `info/refs`.
///
/// # Errors
/// `protocol` for names that no ref may have: they would say something else to readers.
pub(crate) fn refs_text(refs: &[RemoteRef]) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    for shown in refs.iter().filter(|r| r.name != HEAD.as_bytes()) {
        let is_odd = |byte: &u8| *byte <= b' ' || *byte == 0x7f;
        if !shown.name.starts_with(b"refs/") || shown.name.iter().any(is_odd) {
            let name = shown.name.escape_ascii();
            return Err(Error::new(
                ErrorKind::Protocol,
                format!("the remote has a ref with the impossible name `{name}`"),
            ));
        }
        line(&mut text, shown.id, &[&shown.name]);
        if let Some(peeled) = shown.peeled {
            line(&mut text, peeled, &[&shown.name, PEELED]);
        }
    }
    Ok(text)
}

fn line(text: &mut Vec<u8>, id: ObjectId, name: &[&[u8]]) {
    text.extend_from_slice(id.to_string().as_bytes());
    text.push(b'\t');
    text.extend_from_slice(&name.concat());
    text.push(b'\n');
}

/// The refs in the text of `info/refs`, sorted by name.
///
/// # Errors
/// `corrupt`.
pub(crate) fn parse_refs(text: &[u8]) -> Result<Vec<RemoteRef>> {
    let mut refs: Vec<RemoteRef> = Vec::new();
    for line in text.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()) {
        let (id, name) = parse_line(line).ok_or_else(|| corrupt(line))?;
        match name.strip_suffix(PEELED) {
            None => refs.push(RemoteRef {
                name: name.to_owned(),
                id,
                peeled: None,
                symref: None,
            }),
            Some(tag) => {
                let last = refs.last_mut().filter(|last| last.name == tag);
                last.ok_or_else(|| corrupt(line))?.peeled = Some(id);
            }
        }
    }
    refs.sort_unstable();
    Ok(refs)
}

fn parse_line(line: &[u8]) -> Option<(ObjectId, &[u8])> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let id = ObjectId::from_hex(&line[..tab]).ok()?;
    Some((id, &line[tab + 1..]))
}

fn corrupt(line: &[u8]) -> Error {
    let line = line.escape_ascii();
    Error::new(
        ErrorKind::Corrupt,
        format!("`{REFS}` has the unreadable line `{line}`"),
    )
}

/// The text of `objects/info/packs`: these packs, and those of another such text.
pub(crate) fn packs_text(names: impl Iterator<Item = ObjectId>, others: &[u8]) -> Vec<u8> {
    let mut lines: Vec<String> = names.map(|name| format!("P pack-{name}.pack\n")).collect();
    for name in packs_in(others) {
        let line = format!("P {name}\n");
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    (lines.concat() + "\n").into_bytes()
}

/// The files that a text of `objects/info/packs` names, such as `pack-….pack`.
pub(crate) fn packs_in(text: &[u8]) -> impl Iterator<Item = &str> {
    let lines = text.split(|byte| *byte == b'\n');
    lines.filter_map(|line| str::from_utf8(line.strip_prefix(b"P ")?).ok())
}

/// The fingerprint of a text, to recognise it later.
pub(crate) fn digest(text: &[u8]) -> String {
    let digest = Sha256::digest(text);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> ObjectId {
        ObjectId::from_hex(digit.to_string().repeat(40).as_bytes()).unwrap()
    }

    fn named(name: &str, id: ObjectId) -> RemoteRef {
        RemoteRef {
            name: name.into(),
            id,
            peeled: None,
            symref: None,
        }
    }

    #[test]
    fn refs_survive_the_way_there_and_back() {
        let tag = RemoteRef {
            peeled: Some(id('1')),
            ..named("refs/tags/v1", id('2'))
        };
        let refs = [named("refs/heads/main", id('1')), tag];
        let text = refs_text(&refs).unwrap();
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 3);
        assert!(text.ends_with(b"\trefs/tags/v1^{}\n"));
        assert_eq!(parse_refs(&text).unwrap(), refs);
    }

    #[test]
    fn what_is_no_list_of_refs_is_corrupt() {
        let hash = "1".repeat(40);
        for text in [
            "x",
            "<html>",
            &format!("{hash} refs/a"),
            &format!("{hash}\trefs/a^{{}}\n"),
        ] {
            let error = parse_refs(text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{text}");
        }
    }

    #[test]
    fn a_name_that_would_make_another_line_is_refused() {
        let bad = named(&format!("refs/heads/a\n{}\trefs/heads/b", id('2')), id('1'));
        assert_eq!(refs_text(&[bad]).unwrap_err().kind(), ErrorKind::Protocol);
    }

    #[test]
    fn head_is_a_branch_or_a_hash() {
        let branch = RemoteRef {
            symref: Some("refs/heads/x".into()),
            ..named("HEAD", id('1'))
        };
        assert_eq!(head_text(&[branch]), b"ref: refs/heads/x\n");
        let detached = named("HEAD", id('1'));
        assert_eq!(head_text(&[detached]), format!("{}\n", id('1')).as_bytes());
        assert_eq!(head_text(&[]), b"ref: refs/heads/main\n");
    }
}
