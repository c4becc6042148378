//! Indexes a pack as `git index-pack` does: `cargo run --release --example index_pack -- pack-….pack out.idx`.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gitbarge_core::Progress;
use gitbarge_git::index::{Room, Spool, index};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(pack), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err(
            "give the names of a pack and of an index to write, and how many MiB of the pack may be in memory"
                .into(),
        );
    };
    let memory = match arguments.next() {
        Some(mebibytes) => mebibytes.parse::<u64>()? << 20,
        None => u64::MAX,
    };
    let beyond = Box::new(Spool::new(std::env::temp_dir()));
    let room = Room { memory, beyond };
    let stop = AtomicBool::new(false);
    let (indexed, _) = index(
        File::open(pack)?,
        room,
        &Arc::new(Progress::default()),
        &stop,
    )?;
    std::fs::write(out, &indexed.index)?;
    Ok(())
}
