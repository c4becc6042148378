//! Reads a mirror back: is everything there, whole, and closed?

use std::sync::Arc;

use bytes::Bytes;
use gitbarge_core::{Error, ErrorKind, Result, Run};
use gitbarge_git::index::{self, Index, Room};
use gix::ObjectId;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::gate::LARGEST;
use super::layout::{self, HEAD, PACKS, pack_key};
use super::snapshot::Snapshot;
use crate::store::{Store, Stored};

/// Reads every pack, and sees to it that its index is right, that its links are closed, and that all refs lead somewhere. No
/// more than `memory` bytes of a pack are in memory.
///
/// # Errors
/// `corrupt`, naming what is missing or damaged; those of [`Store::get`].
pub(crate) async fn verify(store: &Store, memory: u64, run: &Run) -> Result<Map<String, Value>> {
    let snapshot = Snapshot::read(store).await?;
    let Some(record) = snapshot.record.as_ref().filter(|_| snapshot.is_trusted()) else {
        return Err(corrupt(
            "the target holds no mirror that gitbarge has published".to_owned(),
        ));
    };
    let (mut indexes, mut links, mut objects) = (Vec::new(), Vec::new(), 0);
    let packs = listed(store).await?;
    for pack in &packs {
        let (index, open) = read(store, *pack, memory, run).await?;
        objects += u64::from(index.len());
        indexes.push(index);
        links.extend(open);
    }
    let is_there = |id: &ObjectId| indexes.iter().any(|index| index.contains(id));
    if let Some(lost) = links.iter().find(|link| !is_there(link)) {
        return Err(corrupt(format!("object {lost} is missing")));
    }
    for shown in &snapshot.refs {
        if !is_there(&shown.id) {
            let name = shown.name.escape_ascii();
            return Err(corrupt(format!(
                "the ref `{name}` leads to {}, which is missing",
                shown.id
            )));
        }
    }
    check_head(store, &snapshot).await?;
    for oid in &record.lfs {
        check_lfs(store, oid).await?;
    }
    let mut details = Map::new();
    details.insert("refs".to_owned(), json!(snapshot.refs.len()));
    details.insert("packs".to_owned(), json!(packs.len()));
    details.insert("objects".to_owned(), json!(objects));
    details.insert("lfs_objects".to_owned(), json!(record.lfs.len()));
    if !record.lfs_wanted.is_empty() {
        let missing = record.lfs_wanted.len();
        details.insert("lfs_missing".to_owned(), json!(missing));
    }
    Ok(details)
}

/// A pack's index, once it is known to be right, and the links that lead out of the pack.
async fn read(
    store: &Store,
    name: ObjectId,
    memory: u64,
    run: &Run,
) -> Result<(Index, Vec<ObjectId>)> {
    let key = pack_key(name, "idx");
    let stored = store.get_limited(&key, LARGEST).await?;
    let stored = stored.ok_or_else(|| corrupt(format!("`{key}` is missing")))?;
    let key = pack_key(name, "pack");
    let stream = store.read(&key).await?;
    let stream = stream.ok_or_else(|| corrupt(format!("`{key}` is missing")))?;
    let over = run.cancel_token().child_token();
    let beyond = Box::new(Stored::new(store, key.clone(), over.clone()));
    let _over = over.drop_guard();
    let room = Room { memory, beyond };
    let progress = run.progress().clone();
    let work = move |stop: &Arc<_>| index::index(stream, room, &progress, stop);
    let read = run.blocking("reading the pack", work).await;
    let (read, _) = read.map_err(|error| match error.kind() {
        ErrorKind::Corrupt => corrupt(format!("`{key}`: {error}")),
        _ => error,
    })?;
    if read.name != name || read.index[..] != stored.bytes[..] {
        let message = format!("`{key}` and its index do not fit together");
        return Err(corrupt(message));
    }
    Ok((Index::parse(Bytes::from(read.index))?, read.links))
}

/// The packs that readers are told of.
async fn listed(store: &Store) -> Result<Vec<ObjectId>> {
    let list = store.get(PACKS).await?;
    let list = list.ok_or_else(|| corrupt(format!("`{PACKS}` is missing")))?;
    let name = |file: &str| {
        let hex = file.strip_prefix("pack-")?.strip_suffix(".pack")?;
        ObjectId::from_hex(hex.as_bytes()).ok()
    };
    let names = layout::packs_in(&list.bytes).map(|file| {
        let unreadable = || corrupt(format!("`{PACKS}` names `{}`", file.escape_debug()));
        name(file).ok_or_else(unreadable)
    });
    names.collect()
}

async fn check_head(store: &Store, snapshot: &Snapshot) -> Result<()> {
    let head = store.get(HEAD).await?;
    let head = head.ok_or_else(|| corrupt(format!("`{HEAD}` is missing")))?;
    // A run that was broken off may have left HEAD open; the next one writes it.
    if snapshot.head().is_some() && head.bytes[..] != layout::head_text(&snapshot.shown())[..] {
        return Err(corrupt(format!("`{HEAD}` is not what was published")));
    }
    Ok(())
}

async fn check_lfs(store: &Store, oid: &str) -> Result<()> {
    let key = format!("lfs/objects/{}/{}/{oid}", &oid[..2], &oid[2..4]);
    let stream = store.read(&key).await?;
    let mut stream = stream.ok_or_else(|| corrupt(format!("`{key}` is missing")))?;
    let mut hasher = Sha256::new();
    while let Some(chunk) = stream.next().await? {
        hasher.update(&chunk);
    }
    let digest = hasher.finalize();
    let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    match found == oid {
        true => Ok(()),
        false => Err(corrupt(format!(
            "`{key}` has another content than its name says"
        ))),
    }
}

fn corrupt(message: String) -> Error {
    Error::new(ErrorKind::Corrupt, message).with_hint(
        "delete `gitbarge/state.json` in the target: the next run mirrors everything anew",
    )
}
