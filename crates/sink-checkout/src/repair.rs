//! What is done about damage: the repository is mended in place, then refilled from the remote, and replaced only at the last.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use gitbarge_core::{Delivery, Error, ErrorKind, Result, Target};
use gitbarge_git::{history, integrity, mend, refs, repository, worktree};
use gix::ObjectId;

use crate::apply::{branch_or_main, tracking_name};
use crate::discarded;
use crate::memory::{self, Memory};
use crate::sink::CheckoutOptions;
use crate::target;

/// How long another git may take from one pack's end to the next one's being seen.
const REPACK_PAUSE: Duration = Duration::from_millis(200);
const MESSAGE: &str = "gitbarge: repaired";

/// What was found wrong with a repository.
#[derive(Debug, Clone, Default)]
pub(crate) struct Repair {
    /// One line for each thing that was put right.
    pub(crate) lines: Vec<String>,
    /// Objects are missing, and everything is to be fetched once more.
    pub(crate) refetch: bool,
    /// Somebody else was at the repository: refs may lead to what is not there.
    pub(crate) is_suspect: bool,
}

impl Repair {
    /// Whether nobody but us was at the repository since it was found in order.
    pub(crate) fn is_sound(&self) -> bool {
        !self.is_suspect
    }
}

/// Mends what can be mended without the remote. With `thorough`, nothing is taken for granted.
///
/// # Errors
/// `refused` if the damaged repository did not come from this source; `locked`, `disk_full`, `cancelled`.
pub(crate) fn before_fetch(
    options: &CheckoutOptions,
    delivery: &Delivery,
    memory: &Memory,
    thorough: bool,
    stop: &AtomicBool,
) -> Result<Repair> {
    let git_dir = options.path.join(".git");
    let is_changed = memory.structure_changed(&git_dir)?;
    let are_objects_changed = memory.objects_changed(&git_dir)?;
    let mut repair = Repair {
        is_suspect: thorough || is_changed || are_objects_changed,
        ..Repair::default()
    };
    if !repair.is_suspect {
        return Ok(repair);
    }
    let may_mend = may_mend(options, delivery, memory);
    if thorough && !may_mend {
        // A kind of repository that we cannot read is not damaged.
        mend::survey(&git_dir)?;
        return Err(target::refused(
            &options.path,
            "holds a damaged repository that gitbarge did not make",
        ));
    }
    if may_mend {
        mend_files(options, delivery, memory, &mut repair)?;
    }
    if may_mend && (thorough || are_objects_changed) {
        let mut damage = mend::damaged_objects(&git_dir, stop)?;
        // Another git may be about to write the index.
        damage.retain(|one| thorough || !matches!(one, mend::Damage::Unindexed(_)));
        repair.refetch |= damage
            .iter()
            .any(|one| matches!(one, mend::Damage::Pack(_)));
        repair
            .lines
            .extend(mend::mend_objects(&git_dir, &damage, stop)?);
    }
    integrity::are_packs_readable(&git_dir)?;
    let is_thorough = may_mend && (thorough || are_objects_changed);
    let lacks = || lacks_objects(options, delivery, memory, is_thorough, stop);
    // Asked twice: another git may just have moved everything into a new pack.
    repair.refetch = repair.refetch || (lacks()? && after_a_pause(lacks)?);
    Ok(repair)
}

fn after_a_pause(ask: impl Fn() -> Result<bool>) -> Result<bool> {
    std::thread::sleep(REPACK_PAUSE);
    ask()
}

fn lacks_objects(
    options: &CheckoutOptions,
    delivery: &Delivery,
    memory: &Memory,
    is_thorough: bool,
    stop: &AtomicBool,
) -> Result<bool> {
    let repository = repository::open(&options.path)?;
    if own_tips(&repository, delivery).any(|id| !repository.has_object(id)) {
        return Ok(true);
    }
    Ok(is_thorough && !is_complete(&repository, delivery, memory, stop)?)
}

/// Whether all is there that came from the remote, and the files of HEAD. What else is local cannot be fetched again anyway.
fn is_complete(
    repository: &gix::Repository,
    delivery: &Delivery,
    memory: &Memory,
    stop: &AtomicBool,
) -> Result<bool> {
    let tracking = delivery.target()?.branch().and_then(tracking_name);
    let mut tips: Vec<ObjectId> = tracking
        .iter()
        .filter_map(|name| refs::find(repository, name))
        .collect();
    tips.extend(memory.commit());
    if repository.has_object(delivery.target()?.commit) {
        tips.extend(history::commit_of(repository, delivery.target()?.commit));
    }
    tips.sort();
    tips.dedup();
    let checked = integrity::is_complete(repository, &tips, stop).and_then(|()| {
        match refs::head(repository) {
            Some(head) => {
                let tree = worktree::tree_of(repository, head)?;
                integrity::is_tree_complete(repository, tree, stop)
            }
            None => Ok(()),
        }
    });
    match checked {
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            tracing::warn!(
                error = error.failure().message,
                "The repository lacks objects."
            );
            Ok(false)
        }
        checked => checked.map(|()| true),
    }
}

/// Where HEAD and the branch are by their own word.
fn own_tips(repository: &gix::Repository, delivery: &Delivery) -> impl Iterator<Item = ObjectId> {
    let branch = delivery
        .target
        .as_ref()
        .and_then(Target::branch)
        .and_then(|name| refs::find(repository, name));
    refs::head(repository).into_iter().chain(branch)
}

fn mend_files(
    options: &CheckoutOptions,
    delivery: &Delivery,
    memory: &Memory,
    repair: &mut Repair,
) -> Result<()> {
    let git_dir = options.path.join(".git");
    let mended = mend::mend(
        &git_dir,
        branch_or_main(delivery.target()?),
        &delivery.address,
    )?;
    repair.lines.extend(mended.repaired);
    if mended.lost_refs.is_empty() {
        return Ok(());
    }
    let repository = repository::open(&options.path)?;
    for name in &mended.lost_refs {
        if let Some(id) = mend::restore_from_reflog(&repository, name)? {
            repair
                .lines
                .push(format!("brought `{name}` back to {id} from its log"));
        }
    }
    anchor(&repository, delivery, memory)
}

/// Puts right what could only be judged once the remote's objects were there.
///
/// # Errors
/// `corrupt` if objects that the remote should have sent are missing still.
pub(crate) fn after_fetch(
    options: &CheckoutOptions,
    delivery: &Delivery,
    memory: &Memory,
    repair: &mut Repair,
    stop: &AtomicBool,
) -> Result<()> {
    if !repair.is_suspect {
        return Ok(());
    }
    let git_dir = options.path.join(".git");
    integrity::are_packs_readable(&git_dir)?;
    let repository = repository::open(&options.path)?;
    if repair.refetch {
        let saved = mend::salvage(&repository, stop)?;
        if saved > 0 {
            repair
                .lines
                .push(format!("saved {saved} objects from damaged packs"));
        }
        let commit = history::commit_of(&repository, delivery.target()?.commit)?;
        integrity::is_complete(&repository, &[commit], stop)?;
        mend::drop_emptied_packs(&repository);
        repair.lines.push("fetched everything once more".to_owned());
    }
    if !may_mend(options, delivery, memory) {
        return Ok(());
    }
    for (name, id) in mend::refs_without_object(&repository)? {
        let line = match mend::set_aside_ref(&repository, &name)? {
            Some(earlier) => format!("put `{name}` back to {earlier}: {id} is lost"),
            None => format!("set the ref `{name}` aside: {id} is lost"),
        };
        repair.lines.push(line);
    }
    let commit = history::commit_of(&repository, delivery.target()?.commit)?;
    for id in [commit, worktree::tree_of(&repository, commit)?] {
        let name = format!("refs/replace/{id}");
        if refs::find(&repository, &name).is_some() {
            mend::set_aside_ref(&repository, &name)?;
            repair.lines.push(format!(
                "set the ref `{name}` aside: git takes another object for the delivered one"
            ));
        }
    }
    settle_head(&repository, delivery, memory, repair, stop)
}

/// Sees to it that HEAD leads to a commit whose files can be compared with the work tree.
fn settle_head(
    repository: &gix::Repository,
    delivery: &Delivery,
    memory: &Memory,
    repair: &mut Repair,
    stop: &AtomicBool,
) -> Result<()> {
    let branch = branch_or_main(delivery.target()?);
    let head = refs::head(repository);
    let is_usable = match head {
        None => true,
        Some(id) => match worktree::tree_of(repository, id)
            .and_then(|tree| integrity::is_tree_complete(repository, tree, stop))
        {
            Err(error) if error.kind() == ErrorKind::Corrupt => false,
            checked => checked.map(|()| true)?,
        },
    };
    if let Some(id) = head.filter(|_| !is_usable) {
        repair
            .lines
            .push(format!("left the commit {id}: parts of it are lost"));
        let on = repository
            .head_name()
            .ok()
            .flatten()
            .map(|name| name.as_bstr().to_string());
        if on.as_deref() == Some(branch) {
            refs::delete(repository, branch)?;
        }
        refs::attach_head(repository, branch, MESSAGE)?;
    }
    if repair.lines.is_empty() {
        return Ok(());
    }
    anchor(repository, delivery, memory)
}

/// Puts the branch that HEAD is on back to the last delivery, if the branch is lost.
fn anchor(repository: &gix::Repository, delivery: &Delivery, memory: &Memory) -> Result<()> {
    let branch = branch_or_main(delivery.target()?);
    let on = repository
        .head_name()
        .ok()
        .flatten()
        .map(|name| name.as_bstr().to_string());
    let is_unborn = on.as_deref() == Some(branch) && refs::find(repository, branch).is_none();
    match memory
        .commit()
        .filter(|id| is_unborn && repository.has_object(*id))
    {
        Some(commit) => refs::set(repository, branch, commit, MESSAGE),
        None => Ok(()),
    }
}

/// Whether the repository is ours to mend, as far as can be told before its history can be read.
fn may_mend(options: &CheckoutOptions, delivery: &Delivery, memory: &Memory) -> bool {
    memory.is_from(&delivery.address)
        || options.allow_replace
        || repository::origin(&options.path.join(".git")).as_deref()
            == Some(delivery.address.as_str())
}

/// Makes an empty repository beside the damaged one, to be fetched into. Returns its folder.
pub(crate) fn begin_beside(
    options: &CheckoutOptions,
    delivery: &Delivery,
) -> Result<std::path::PathBuf> {
    let memory = Memory::read(&options.path.join(".git"));
    if !may_mend(options, delivery, &memory) {
        return Err(target::refused(
            &options.path,
            "holds a damaged repository that gitbarge did not make",
        ));
    }
    repository::make_beside(
        &options.path,
        branch_or_main(delivery.target()?),
        &delivery.address,
    )
}

/// Puts the filled repository in the damaged one's place, with all that survives of that one.
///
/// # Errors
/// `corrupt` if the remote did not send everything. Until the exchange, the damaged one stays as it was.
pub(crate) fn finish_beside(
    options: &CheckoutOptions,
    delivery: &Delivery,
    stop: &AtomicBool,
) -> Result<Repair> {
    let (old, new) = (
        options.path.join(".git"),
        options.path.join(repository::HALF_MADE),
    );
    let memory = Memory::read(&old);
    let fetched = repository::open_beside(&options.path)?;
    let commit = history::commit_of(&fetched, delivery.target()?.commit)?;
    integrity::is_complete(&fetched, &[commit], stop)?;
    let lost = mend::carry_over(&old, &new, stop)?;
    let mended = mend::mend(&new, branch_or_main(delivery.target()?), &delivery.address)?;
    let fetched = repository::open_beside(&options.path)?;
    mend::salvage(&fetched, stop)?;
    let mut lines = vec!["cloned anew".to_owned()];
    lines.extend(mended.repaired);
    for name in lost.iter().chain(&mended.lost_refs) {
        lines.push(match mend::restore_from_reflog(&fetched, name)? {
            Some(id) => format!("brought `{name}` back to {id} from its log"),
            None => format!("left the ref `{name}`: what it led to is lost"),
        });
    }
    anchor(&fetched, delivery, &memory)?;
    repository::swap(&options.path)?;
    Ok(Repair {
        lines,
        refetch: false,
        is_suspect: true,
    })
}

/// Removes the files that a delivery has written when the disk became full, so that the next one has space to begin with.
pub(crate) fn make_space(options: &CheckoutOptions) -> Result<()> {
    let git_dir = options.path.join(".git");
    let (Some(unfinished), Some(begun)) = (memory::unfinished(&git_dir), memory::begun(&git_dir))
    else {
        return Ok(());
    };
    let repository = repository::open(&options.path)?;
    let head = repository.head_id().ok().map(gix::Id::detach);
    for path in discarded::paths_of_unfinished(&repository, head, Some(unfinished)) {
        let file = options.path.join(std::ffi::OsStr::from_bytes(&path));
        if was_written_since(&file, begun) {
            // What cannot be removed keeps its space.
            drop(fs::remove_file(&file));
        }
    }
    Ok(())
}

/// Whether a regular file has been written since, so that it is not what somebody else had there before.
fn was_written_since(file: &Path, begun: SystemTime) -> bool {
    let Ok(since) = begun.duration_since(SystemTime::UNIX_EPOCH) else {
        return false;
    };
    let begun = (
        since.as_secs().cast_signed(),
        i64::from(since.subsec_nanos()),
    );
    fs::symlink_metadata(file)
        .is_ok_and(|meta| meta.is_file() && (meta.ctime(), meta.ctime_nsec()) >= begun)
}

/// Whether another try may help at once: somebody else's git was in the way for a moment.
pub(crate) fn is_momentary(error: &Error) -> bool {
    error.kind() == ErrorKind::Locked
}
