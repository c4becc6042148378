//! Receives a pack into a repository.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gitbarge_core::{Error, FetchOptions, Progress, Result};
use gix::ObjectId;
use gix::odb::pack;
use gix::odb::store::RefreshMode;
use gix::protocol::fetch::{Context, Options, Shallow, Tags};

use crate::negotiate::Negotiation;
use crate::progress::Meter;
use crate::remote::{Conversation, agent};
use crate::{error, repository};

/// Asks for everything that `tip` reaches and the repository lacks, and adds it as one pack.
///
/// The pack is complete and durable before it can be seen; refs are not touched.
pub(crate) fn receive(
    conversation: Conversation,
    git_dir: &Path,
    tip: ObjectId,
    options: FetchOptions,
    progress: &Arc<Progress>,
    stop: &AtomicBool,
) -> Result<()> {
    let Conversation {
        mut connection,
        mut handshake,
        address,
    } = conversation;
    let repository = repository::open_bare(git_dir)?;
    let shallow = shallow(&repository, options)?;
    let fetch_options = Options {
        shallow_file: repository
            .shallow_file()
            .map_err(|e| error::local("cannot name the shallow file", e))?,
        shallow: &shallow,
        tags: Tags::None,
        reject_shallow_remote: false,
    };
    let mut searched = repository.clone();
    // What the remote offers is mostly not there; looking for new packs each time would cost a directory listing.
    searched.objects.refresh = RefreshMode::Never;
    let commit_graph = searched.commit_graph_if_enabled().ok().flatten();
    let mut negotiation = Negotiation::new(&searched, commit_graph.as_ref(), tip, options.refetch)?;
    let packs_before = packs(git_dir);
    let mut written = None;
    let outcome = gix::protocol::fetch(
        &mut negotiation,
        |reader, progress, stop| {
            written = Some(write_pack(reader, &repository, progress, stop)?);
            Ok(true)
        },
        Meter::fetching(progress),
        stop,
        Context {
            handshake: &mut handshake,
            transport: &mut connection.transport,
            user_agent: agent(),
            trace_packetlines: false,
        },
        fetch_options,
    );
    if let Err(error) = outcome {
        clear_unindexed(git_dir, &packs_before);
        return Err(match stop.load(std::sync::atomic::Ordering::Relaxed) {
            true => Error::cancelled("fetching"),
            false => error::remote("fetching", error, &address, &connection.remote),
        });
    }
    match written {
        Some(outcome) => settle(&outcome),
        None => Ok(()),
    }
}

fn packs(git_dir: &Path) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(git_dir.join("objects/pack"))
        .into_iter()
        .flatten()
        .flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Removes packs of a failed fetch that never got their index, and what kept `git gc` off them: nobody sees them, and they fill the disk.
fn clear_unindexed(git_dir: &Path, before: &BTreeSet<PathBuf>) {
    for keep in packs(git_dir).difference(before) {
        // Another git that packs meanwhile makes no such mark.
        let is_mark = keep.extension().is_some_and(|e| e == "keep");
        if is_mark && !keep.with_extension("idx").exists() {
            drop(std::fs::remove_file(keep.with_extension("pack")));
            drop(std::fs::remove_file(keep));
        }
    }
}

fn shallow(repository: &gix::Repository, options: FetchOptions) -> Result<Shallow> {
    Ok(match options.depth {
        Some(depth) => Shallow::DepthAtRemote(depth),
        None if repository::is_shallow(repository)? => Shallow::undo(),
        None => Shallow::NoChange,
    })
}

fn write_pack(
    reader: &mut dyn std::io::BufRead,
    repository: &gix::Repository,
    progress: &mut dyn gix::DynNestedProgress,
    stop: &AtomicBool,
) -> gix::Result<pack::bundle::write::Outcome> {
    let is_fresh = repository
        .objects
        .store_ref()
        .iter()
        .map(|mut objects| objects.next().is_none())
        .unwrap_or(false);
    // A pack for an empty repository is complete by itself, and is taken as it comes; another may lean on what is there.
    let bases = (!is_fresh).then(|| repository.objects.clone());
    pack::Bundle::write_to_directory(
        reader,
        Some(&repository.objects.store_ref().path().join("pack")),
        progress,
        stop,
        bases,
        repository.object_hash(),
        pack_options(),
    )
}

/// How packs are indexed.
pub(crate) fn pack_options() -> pack::bundle::write::Options {
    pack::bundle::write::Options {
        thread_limit: None,
        index_version: pack::index::Version::default(),
        iteration_mode: pack::data::input::Mode::Verify,
        alloc_limit_bytes: None,
        compression: Default::default(),
    }
}

/// Makes the pack durable, and takes the mark away that keeps `git gc` off it while it is new.
fn settle(outcome: &pack::bundle::write::Outcome) -> Result<()> {
    let files: Vec<&PathBuf> = outcome
        .data_path
        .iter()
        .chain(&outcome.index_path)
        .collect();
    for path in &files {
        sync(path)?;
    }
    if let Some(folder) = files.first().and_then(|path| path.parent()) {
        sync(folder)?;
    }
    match &outcome.keep_path {
        Some(keep) => std::fs::remove_file(keep)
            .map_err(|e| error::io(format!("failed to remove `{}`", keep.display()), e)),
        None => Ok(()),
    }
}

fn sync(path: &Path) -> Result<()> {
    let synced = std::fs::File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|e| error::io(format!("failed to make `{}` durable", path.display()), e))
}
