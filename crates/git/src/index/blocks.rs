//! Reads a pack that is not in memory, block by block, and keeps the blocks that were used last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gitbarge_core::Result;

use super::beyond::Beyond;

/// The largest and the smallest block, in bytes: one that is far away costs a request.
const SIZES: (usize, usize) = (4 << 20, 512 << 10);
/// So many blocks at least, however little memory there is: each thread works in a few places.
const FEWEST: usize = 16;

/// A pack that is read in blocks.
pub(super) struct Blocks {
    beyond: Box<dyn Beyond>,
    length: u64,
    size: usize,
    most: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    blocks: HashMap<u64, Block>,
    /// Grows with each use.
    now: u64,
}

struct Block {
    used: u64,
    /// Locked while it is being read, so that whoever wants it too waits instead of reading it again.
    bytes: Arc<Mutex<Option<Bytes>>>,
}

impl Blocks {
    /// `budget` is how many bytes may be in memory.
    pub(super) fn new(beyond: Box<dyn Beyond>, length: u64, budget: u64) -> Self {
        let budget = usize::try_from(budget).unwrap_or(usize::MAX);
        let size = (budget / FEWEST).clamp(SIZES.1, SIZES.0);
        Self {
            beyond,
            length,
            size,
            most: (budget / size).max(FEWEST),
            kept: Mutex::default(),
        }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// How many bytes are best read at once.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Reads without keeping anything.
    pub(super) fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        self.beyond.read(offset, length)
    }

    /// The rest of the block that `offset` is in; empty at the end of the pack.
    pub(super) fn rest(&self, offset: u64) -> Result<Bytes> {
        if offset >= self.length {
            return Ok(Bytes::new());
        }
        let number = offset / self.size as u64;
        let start = number * self.size as u64;
        let slot = self.slot(number);
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let block = match &*slot {
            Some(block) => block.clone(),
            None => {
                let left = usize::try_from(self.length - start).unwrap_or(usize::MAX);
                let block = self.beyond.read(start, self.size.min(left))?;
                slot.insert(block).clone()
            }
        };
        let within = usize::try_from(offset - start).expect("a block is small");
        Ok(block.slice(within..))
    }

    /// A block's place in memory, for which an older one makes room.
    fn slot(&self, number: u64) -> Arc<Mutex<Option<Bytes>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.now += 1;
        let now = kept.now;
        if let Some(block) = kept.blocks.get_mut(&number) {
            block.used = now;
            return block.bytes.clone();
        }
        if kept.blocks.len() >= self.most {
            let oldest = kept.blocks.iter().min_by_key(|(_, block)| block.used);
            if let Some(oldest) = oldest.map(|(number, _)| *number) {
                kept.blocks.remove(&oldest);
            }
        }
        let bytes = Arc::<Mutex<Option<Bytes>>>::default();
        let block = Block {
            used: now,
            bytes: bytes.clone(),
        };
        kept.blocks.insert(number, block);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Every byte is the number of its MiB.
    #[derive(Default)]
    struct Counting(Arc<AtomicUsize>);

    impl Beyond for Counting {
        fn write(&mut self, _: Bytes) -> Result<()> {
            Ok(())
        }

        fn finish(&mut self) -> Result<()> {
            Ok(())
        }

        fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let bytes = (offset..).take(length).map(|at| (at >> 20) as u8);
            Ok(bytes.collect())
        }
    }

    #[test]
    fn what_was_used_last_is_read_once() {
        let reads = Arc::<AtomicUsize>::default();
        let blocks = Blocks::new(Box::new(Counting(reads.clone())), 100 << 20, 16 << 20);
        let reads = || reads.load(Ordering::Relaxed);
        for mib in 0..16 {
            assert_eq!(blocks.rest(mib << 20).unwrap().len(), 1 << 20);
            let rest = blocks.rest((mib << 20) + 5).unwrap();
            assert_eq!((rest.len(), rest[0]), ((1 << 20) - 5, mib as u8));
            assert_eq!(blocks.rest(0).unwrap()[0], 0);
        }
        assert_eq!(reads(), 16);
        // The second makes room, since the first was used all the time.
        blocks.rest(16 << 20).unwrap();
        blocks.rest(0).unwrap();
        assert_eq!(reads(), 17);
        blocks.rest(1 << 20).unwrap();
        assert_eq!(reads(), 18);
        assert!(blocks.rest(100 << 20).unwrap().is_empty());
    }

    #[test]
    fn threads_that_want_the_same_block_read_it_once() {
        let reads = Arc::<AtomicUsize>::default();
        let blocks = Blocks::new(Box::new(Counting(reads.clone())), 10 << 20, 16 << 20);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| blocks.rest(7 << 20).unwrap());
            }
        });
        assert_eq!(reads.load(Ordering::Relaxed), 1);
    }
}
