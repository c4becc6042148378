//! A bundle of the whole history, from which `git clone --bundle-uri` can start. Sources: gitformat-bundle(5), bundle-uri(7).

use std::sync::Arc;

use bytes::Bytes;
use gitbarge_core::{RemoteRef, Result};
use gitbarge_git::index::PackBytes;
use gix::ObjectId;

use super::chunks::chunks;
use super::layout::HEAD;
use crate::store::{Body, Condition, Store};

/// Where bundles lie.
pub(crate) const FOLDER: &str = "bundles/";
const LIST: &str = "bundle.list";

/// The key of the bundle whose pack has this name.
pub(crate) fn key(name: ObjectId) -> String {
    format!("{FOLDER}{name}.bundle")
}

/// Uploads a bundle of these refs, whose whole history is in the pack.
pub(crate) async fn upload(
    store: &Store,
    refs: &[RemoteRef],
    name: ObjectId,
    pack: &Arc<PackBytes>,
) -> Result<()> {
    let header = Bytes::from(header(refs));
    let length = header.len() as u64 + pack.length();
    store
        .upload(&key(name), length, chunks(header, pack), Body::Pack)
        .await
}

/// Tells readers of the bundle.
pub(crate) async fn publish(store: &Store, name: ObjectId) -> Result<()> {
    let text = format!(
        "[bundle]\n\tversion = 1\n\tmode = all\n\theuristic = creationToken\n\
         [bundle \"base\"]\n\turi = {}\n\tcreationToken = 1\n",
        key(name)
    );
    store
        .put(LIST, text.into(), Body::Pointer, Condition::None)
        .await?;
    Ok(())
}

/// The key of the bundle that readers are told of.
pub(crate) async fn published(store: &Store) -> Result<Option<String>> {
    let Some(list) = store.get(LIST).await? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&list.bytes);
    let mut lines = text.lines();
    let uri = lines.find_map(|line| line.trim().strip_prefix("uri = "));
    Ok(uri.map(str::to_owned))
}

fn header(refs: &[RemoteRef]) -> Vec<u8> {
    let mut header = b"# v2 git bundle\n".to_vec();
    for shown in refs.iter().filter(|r| r.name != HEAD.as_bytes()) {
        header.extend_from_slice(format!("{} ", shown.id).as_bytes());
        header.extend_from_slice(&shown.name);
        header.push(b'\n');
    }
    header.push(b'\n');
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_names_the_refs_and_ends_with_an_empty_line() {
        let id = ObjectId::null(gix::hash::Kind::Sha1);
        let named = |name: &str| RemoteRef {
            name: name.into(),
            id,
            peeled: None,
            symref: None,
        };
        let header = header(&[named("HEAD"), named("refs/heads/main")]);
        let expected = format!("# v2 git bundle\n{id} refs/heads/main\n\n");
        assert_eq!(header, expected.as_bytes());
    }
}
