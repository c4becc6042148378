//! Object files that are proven damaged: set aside, indexed anew, and emptied of all that can still be read.

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use gitbarge_core::{ErrorKind, Result};
use gix::ObjectId;
use gix::objs::Write as _;
use gix::odb::{loose, pack};
use gix::progress::Discard;

use super::{ASIDE, move_aside};
use crate::error;
use crate::integrity::object_files;
use crate::remote::check_stop;

const HASH: gix::hash::Kind = gix::hash::Kind::Sha1;
/// A pack's header and trailer; nothing shorter is one.
const SHORTEST: u64 = 32;

/// An object file of which something is wrong for certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// A loose object whose content is not what its name says.
    Loose(PathBuf),
    /// A pack whose checksum is wrong, or that is cut off.
    Pack(PathBuf),
    /// A pack's index that is damaged, or belongs to no pack.
    Index(PathBuf),
    /// A sound pack without an index.
    Unindexed(PathBuf),
}

/// Reads every object file, and compares it with its checksum.
///
/// # Errors
/// `refused` if a file cannot be read, which proves nothing; `cancelled`.
pub fn damaged_objects(git_dir: &Path, stop: &AtomicBool) -> Result<Vec<Damage>> {
    let objects = git_dir.join("objects");
    let store = loose::Store::at(&objects, HASH);
    let mut damage = Vec::new();
    for path in object_files(&objects) {
        check_stop(stop, "checking objects")?;
        match path.extension().and_then(|e| e.to_str()) {
            Some("pack") => {
                if !is_pack_sound(&path, stop)? {
                    damage.push(Damage::Pack(path));
                } else if !path.with_extension("idx").exists() && path.exists() {
                    damage.push(Damage::Unindexed(path));
                }
            }
            Some("idx") => {
                if !is_index_sound(&path, stop)? {
                    damage.push(Damage::Index(path));
                }
            }
            _ => {
                if let Some(id) = loose_id(&path)
                    && !is_loose_sound(&store, id, &path)?
                {
                    damage.push(Damage::Loose(path));
                }
            }
        }
    }
    Ok(damage)
}

fn loose_id(path: &Path) -> Option<ObjectId> {
    let rest = path.file_name()?.to_str()?;
    let start = path.parent()?.file_name()?.to_str()?;
    ObjectId::from_hex(format!("{start}{rest}").as_bytes()).ok()
}

fn is_loose_sound(store: &loose::Store, id: ObjectId, path: &Path) -> Result<bool> {
    if !is_readable(path)? {
        return Ok(true);
    }
    let mut buffer = Vec::new();
    match store.try_find(&id, &mut buffer) {
        Ok(Some(object)) => Ok(gix::objs::compute_hash(HASH, object.kind, object.data)
            .is_ok_and(|actual| actual == id)),
        Ok(None) => Ok(true),
        Err(e) => is_no_damage(path, e),
    }
}

fn is_pack_sound(path: &Path, stop: &AtomicBool) -> Result<bool> {
    let Some(length) = length(path)? else {
        return Ok(true);
    };
    if length < SHORTEST {
        return Ok(false);
    }
    let checked =
        pack::data::File::at(path, HASH).and_then(|pack| pack.verify_checksum(&mut Discard, stop));
    match checked {
        Ok(_) => Ok(true),
        Err(e) => is_no_damage(path, e),
    }
}

fn is_index_sound(path: &Path, stop: &AtomicBool) -> Result<bool> {
    if length(path)?.is_none() {
        return Ok(true);
    }
    let pack = path.with_extension("pack");
    if length(&pack)?.is_none() {
        return Ok(!path.exists());
    }
    let checked = pack::index::File::at(path, HASH).and_then(|index| {
        index.verify_checksum(&mut Discard, stop)?;
        Ok(index)
    });
    match checked {
        Ok(index) => {
            let trailer = pack::data::File::at(&pack, HASH).map(|pack| pack.checksum());
            Ok(trailer.map_or(true, |trailer| trailer == index.pack_checksum()))
        }
        Err(e) => is_no_damage(path, e),
    }
}

/// Whether what went wrong is that a file has vanished; other troubles of the system are errors.
fn is_no_damage(path: &Path, cause: gix::Error) -> Result<bool> {
    let error = error::local(format!("failed to check `{}`", path.display()), cause);
    match error.kind() {
        ErrorKind::Corrupt => Ok(false),
        // A small file that is mapped to memory is refused as an invalid argument.
        _ if length(path)?.is_some_and(|length| length < SHORTEST) => Ok(false),
        ErrorKind::Locked => Ok(true),
        _ => Err(error),
    }
}

fn length(path: &Path) -> Result<Option<u64>> {
    match fs::File::open(path).and_then(|file| file.metadata()) {
        Ok(meta) => Ok(Some(meta.len())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(error::io(format!("failed to open `{}`", path.display()), e)),
    }
}

fn is_readable(path: &Path) -> Result<bool> {
    Ok(length(path)?.is_some())
}

/// Sets damaged files aside, and indexes sound packs anew. One line for each.
pub fn mend_objects(git_dir: &Path, damage: &[Damage], stop: &AtomicBool) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for one in damage {
        let (path, line) = match one {
            Damage::Loose(path) => (path, "set a damaged object aside"),
            Damage::Pack(path) => (path, "set a damaged pack aside"),
            Damage::Index(path) => (path, "set a damaged pack index aside"),
            Damage::Unindexed(path) => (path, "indexed a pack anew"),
        };
        match one {
            Damage::Loose(path) | Damage::Index(path) => aside(git_dir, path)?,
            Damage::Pack(path) => {
                for extension in ["rev", "bitmap", "mtimes", "keep", "idx"] {
                    aside(git_dir, &path.with_extension(extension))?;
                }
                aside(git_dir, path)?;
            }
            Damage::Unindexed(_) => {}
        }
        let pack = path.with_extension("pack");
        let is_unindexed = match one {
            Damage::Index(_) => pack.exists() && !damage.contains(&Damage::Pack(pack.clone())),
            Damage::Unindexed(_) => true,
            Damage::Loose(_) | Damage::Pack(_) => false,
        };
        if is_unindexed {
            index_anew(&pack, stop)?;
        }
        let line = format!(
            "{line}: `{}`",
            path.strip_prefix(git_dir).unwrap_or(path).display()
        );
        tracing::warn!(repaired = line, "Mended the repository.");
        lines.push(line);
    }
    Ok(lines)
}

fn aside(git_dir: &Path, path: &Path) -> Result<()> {
    match path.strip_prefix(git_dir) {
        Ok(name) if fs::symlink_metadata(path).is_ok() => move_aside(git_dir, name).map(drop),
        _ => Ok(()),
    }
}

fn index_anew(pack_path: &Path, stop: &AtomicBool) -> Result<()> {
    let cannot = |e| error::local(format!("failed to index `{}`", pack_path.display()), e);
    let file = fs::File::open(pack_path)
        .map_err(|e| error::io(format!("failed to open `{}`", pack_path.display()), e))?;
    let outcome = pack::Bundle::write_to_directory(
        &mut BufReader::new(file),
        pack_path.parent(),
        &mut Discard,
        stop,
        None::<gix::OdbHandle>,
        HASH,
        crate::receive::pack_options(),
    )
    .map_err(cannot)?;
    if let Some(keep) = outcome.keep_path {
        drop(fs::remove_file(keep));
    }
    Ok(())
}

/// Takes all that can be read out of packs that were set aside, if the repository lacks it. Returns how many objects that were.
pub fn salvage(repository: &gix::Repository, stop: &AtomicBool) -> Result<usize> {
    let mut saved = 0;
    for index in indices_aside(repository.git_dir()) {
        let Ok(bundle) = pack::Bundle::at(&index, HASH) else {
            continue;
        };
        let end = length(&index.with_extension("pack"))?
            .unwrap_or_default()
            .saturating_sub(20);
        let (mut out, mut inflate) = (Vec::new(), gix::zlib::Inflate::default());
        for entry in bundle.index.iter() {
            check_stop(stop, "saving objects")?;
            if repository.has_object(entry.oid) || entry.pack_offset >= end {
                continue;
            }
            let found = bundle.find(&entry.oid, &mut out, &mut inflate, &mut pack::cache::Never);
            let Ok(Some((object, _))) = found else {
                continue;
            };
            let is_whole = gix::objs::compute_hash(HASH, object.kind, object.data)
                .is_ok_and(|id| id == entry.oid);
            if is_whole {
                let written = repository.objects.write_buf(object.kind, object.data);
                written.map_err(|e| error::local("failed to save an object", e))?;
                saved += 1;
            }
        }
    }
    Ok(saved)
}

/// Removes packs that were set aside, and whose objects are all in the repository again.
pub fn drop_emptied_packs(repository: &gix::Repository) {
    for index in indices_aside(repository.git_dir()) {
        let Ok(file) = pack::index::File::at(&index, HASH) else {
            continue;
        };
        if file.iter().all(|entry| repository.has_object(entry.oid)) {
            drop(fs::remove_file(index.with_extension("pack")));
            drop(fs::remove_file(&index));
        }
    }
}

fn indices_aside(git_dir: &Path) -> Vec<PathBuf> {
    let times = fs::read_dir(git_dir.join(ASIDE))
        .into_iter()
        .flatten()
        .flatten();
    let packs = times.flat_map(|time| {
        fs::read_dir(time.path().join("objects/pack"))
            .into_iter()
            .flatten()
            .flatten()
    });
    packs
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "idx"))
        .collect()
}
