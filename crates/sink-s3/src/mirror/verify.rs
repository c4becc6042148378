//! Reads a mirror back: is everything there, whole, and closed?

use std::sync::Arc;

use bytes::Bytes;
use gitbarge_core::{Error, ErrorKind, Result, Run};
use gitbarge_git::index::{self, Index, Room};
use gix::ObjectId;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::layout::{self, HEAD, PACKS, pack_key};
use super::record::{Pack, Record};
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
    for pack in &record.packs {
        let (index, open) = read(store, pack, memory, run).await?;
        indexes.push(index);
        links.extend(open);
        objects += pack.objects;
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
    check_pointers(store, &snapshot, record).await?;
    for oid in &record.lfs {
        check_lfs(store, oid).await?;
    }
    let mut details = Map::new();
    details.insert("refs".to_owned(), json!(snapshot.refs.len()));
    details.insert("packs".to_owned(), json!(record.packs.len()));
    details.insert("objects".to_owned(), json!(objects));
    details.insert("lfs_objects".to_owned(), json!(record.lfs.len()));
    Ok(details)
}

/// A pack's index, once it is known to be right, and the links that lead out of the pack.
async fn read(
    store: &Store,
    pack: &Pack,
    memory: u64,
    run: &Run,
) -> Result<(Index, Vec<ObjectId>)> {
    let name = pack.name.0;
    let key = pack_key(name, "idx");
    let stored = store.get_limited(&key, u64::MAX).await?;
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

/// The small files from which readers begin must lead to all packs, and to the branch that HEAD is on.
async fn check_pointers(store: &Store, snapshot: &Snapshot, record: &Record) -> Result<()> {
    let get = async |key: &str| {
        let object = store.get(key).await?;
        object.ok_or_else(|| corrupt(format!("`{key}` is missing")))
    };
    let list = get(PACKS).await?.bytes;
    let lines: Vec<&[u8]> = list.split(|byte| *byte == b'\n').collect();
    // Packs of a run that was broken off are not told to readers yet.
    let told = record.packs.iter().filter(|_| record.packs_tag.is_some());
    for pack in told {
        let line = format!("P pack-{}.pack", String::from(pack.name));
        if !lines.contains(&line.as_bytes()) {
            return Err(corrupt(format!("`{PACKS}` has no line `{line}`")));
        }
    }
    let head = get(HEAD).await?.bytes;
    // A run that was broken off may have left HEAD open; the next one writes it.
    if snapshot.head().is_some() && head[..] != layout::head_text(&snapshot.shown())[..] {
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
