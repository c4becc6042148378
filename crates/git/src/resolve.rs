//! What a pipeline's `ref` means among the refs of a remote.

use gitbarge_core::config::RefName;
use gitbarge_core::{Address, Error, ErrorKind, RefPatterns, RemoteRef, Result, Target};
use gix::bstr::BString;
use gix::protocol::handshake::Ref;

use crate::remote::Asked;

const HEAD: &str = "HEAD";

/// What to ask the remote for (protocol v2 `ref-prefix`): what the reference may mean, the patterns, and HEAD; nothing
/// means everything.
pub(crate) fn prefixes(asked: &Asked) -> Vec<BString> {
    let patterns: Vec<_> = asked.patterns.iter().map(RefPatterns::prefixes).collect();
    if patterns.iter().any(Vec::is_empty) {
        return Vec::new();
    }
    let reference = asked.reference.as_ref();
    let named = reference.filter(|r| r.as_hash().is_none() && r.as_str() != HEAD);
    let mut names = vec![BString::from(HEAD)];
    names.extend(patterns.into_iter().flatten().map(BString::from));
    names.extend(
        named
            .into_iter()
            .flat_map(RefName::candidates)
            .map(BString::from),
    );
    names
}

/// Puts gix's view of a remote's ref into ours; an unborn one is no ref.
pub(crate) fn remote_ref(found: Ref) -> Option<RemoteRef> {
    match found {
        Ref::Direct {
            full_ref_name,
            object,
        } => Some(RemoteRef {
            name: full_ref_name.into(),
            id: object,
            peeled: None,
            symref: None,
        }),
        Ref::Peeled {
            full_ref_name,
            tag,
            object,
        } => Some(RemoteRef {
            name: full_ref_name.into(),
            id: tag,
            peeled: Some(object),
            symref: None,
        }),
        Ref::Symbolic {
            full_ref_name,
            target,
            tag,
            object,
        } => Some(RemoteRef {
            name: full_ref_name.into(),
            id: tag.unwrap_or(object),
            peeled: tag.map(|_| object),
            symref: Some(target.into()),
        }),
        Ref::Unborn { .. } => None,
    }
}

/// Finds the target among the listed refs.
pub(crate) fn resolve(
    reference: Option<&RefName>,
    refs: &[RemoteRef],
    is_empty: bool,
    address: &Address,
) -> Result<Target> {
    let named = reference.filter(|r| r.as_str() != HEAD);
    if let Some(hash) = named.and_then(RefName::as_hash) {
        return Ok(Target {
            commit: hash,
            tip: hash,
            reference: None,
        });
    }
    let found = match named {
        Some(name) => name.candidates().iter().find_map(|full| find(refs, full)),
        None => find(refs, HEAD),
    };
    if let Some(found) = found {
        return target(found);
    }
    if is_empty {
        return Err(Error::new(
            ErrorKind::RemoteEmpty,
            format!("`{address}` has no commits yet"),
        ));
    }
    let wanted = match named {
        Some(name) => format!("`{address}` has no branch or tag `{name}`"),
        None => format!("the HEAD of `{address}` leads nowhere"),
    };
    Err(Error::new(ErrorKind::RefMissing, wanted))
}

fn find<'r>(refs: &'r [RemoteRef], name: &str) -> Option<&'r RemoteRef> {
    refs.iter().find(|r| r.name == name.as_bytes())
}

fn target(found: &RemoteRef) -> Result<Target> {
    let name = found.symref.as_ref().unwrap_or(&found.name);
    let name = std::str::from_utf8(name).map_err(|e| {
        Error::new(ErrorKind::RefMissing, "the ref's name is not UTF-8").with_source(e)
    })?;
    // A detached HEAD on the remote is a commit without a name.
    let reference = (name != HEAD).then(|| name.to_owned());
    Ok(Target {
        commit: found.peeled.unwrap_or(found.id),
        tip: found.id,
        reference,
    })
}

#[cfg(test)]
mod tests {
    use gix::ObjectId;

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

    fn ask(reference: Option<&str>, refs: &[RemoteRef], is_empty: bool) -> Result<Target> {
        let reference = reference.map(|r| RefName::new(r).unwrap());
        resolve(reference.as_ref(), refs, is_empty, &Address::new("h:x"))
    }

    #[test]
    fn a_branch_wins_over_a_tag() {
        let refs = [
            named("refs/tags/main", id('1')),
            named("refs/heads/main", id('2')),
        ];
        let target = ask(Some("main"), &refs, false).unwrap();
        assert_eq!(
            (target.commit, target.branch()),
            (id('2'), Some("refs/heads/main"))
        );
    }

    #[test]
    fn a_tag_is_peeled() {
        let refs = [RemoteRef {
            peeled: Some(id('2')),
            ..named("refs/tags/v1", id('1'))
        }];
        let target = ask(Some("v1"), &refs, false).unwrap();
        assert_eq!(
            (target.commit, target.tip, target.branch()),
            (id('2'), id('1'), None)
        );
    }

    #[test]
    fn head_leads_to_its_branch() {
        let head = RemoteRef {
            symref: Some("refs/heads/trunk".into()),
            ..named("HEAD", id('3'))
        };
        for asked in [None, Some("HEAD")] {
            let target = ask(asked, std::slice::from_ref(&head), false).unwrap();
            assert_eq!(target.reference.as_deref(), Some("refs/heads/trunk"));
        }
    }

    #[test]
    fn what_is_missing_is_told_apart() {
        assert_eq!(
            ask(Some("main"), &[], true).unwrap_err().kind(),
            ErrorKind::RemoteEmpty
        );
        assert_eq!(
            ask(None, &[], true).unwrap_err().kind(),
            ErrorKind::RemoteEmpty
        );
        let refs = [named("HEAD", id('1'))];
        assert_eq!(
            ask(Some("nope"), &refs, false).unwrap_err().kind(),
            ErrorKind::RefMissing
        );
    }
}
