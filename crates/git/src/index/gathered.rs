//! Entries of a pack that is not in memory, brought together before they are needed.
//!
//! What leans on one object may be spread over the whole pack: read one by one, each entry would cost a block.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use gitbarge_core::{Error, Result};

use super::CANCELLED;
use super::blocks::Blocks;

/// How many reads go on at a time.
const READERS: usize = 4;
/// What is not wanted between two entries is read with them up to this length, in bytes.
const GAP: u64 = 256 << 10;

/// The place of an entry, or of a part of one: where it begins, and where it has ended.
pub(super) type Span = (u64, u64);

/// Entries of a pack, one after the other.
#[derive(Default)]
pub(super) struct Gathered {
    /// Where each entry begins, in the pack and here.
    places: Vec<(u64, usize)>,
    bytes: Vec<u8>,
}

/// One read, and where what is wanted of it goes.
struct Job<'g> {
    spans: Vec<Span>,
    out: &'g mut [u8],
}

impl Gathered {
    /// Reads these entries, in the order of the pack; they take the place of others.
    pub(super) fn read(
        &mut self,
        blocks: &Blocks,
        mut entries: Vec<Span>,
        stop: &AtomicBool,
    ) -> Result<()> {
        entries.sort_unstable();
        self.places.clear();
        let mut length = 0;
        for (start, end) in &entries {
            self.places.push((*start, length));
            length += usize::try_from(end - start).expect("it fits into the budget");
        }
        self.bytes.resize(length, 0);
        let jobs = jobs(&entries, blocks.size() as u64, &mut self.bytes);
        let threads = READERS.min(jobs.len());
        let jobs = Mutex::new(jobs.into_iter());
        let work = || {
            loop {
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::cancelled(CANCELLED));
                }
                let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
                match job {
                    Some(job) => job.run(blocks)?,
                    None => return Ok(()),
                }
            }
        };
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let ends = readers.into_iter().map(|reader| {
                let ended = reader.join();
                ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            ends.fold(Ok(()), Result::and)
        })
    }

    /// What is here from this place of the pack on, up to the end of its entry at least.
    pub(super) fn rest(&self, offset: u64) -> Option<&[u8]> {
        let after = self.places.partition_point(|(start, _)| *start <= offset);
        let (start, place) = self.places.get(after.checked_sub(1)?)?;
        let end = self.places.get(after).map(|(_, place)| *place);
        let within = usize::try_from(offset - start).ok()?;
        let entry = &self.bytes[*place..end.unwrap_or(self.bytes.len())];
        entry.get(within..).filter(|rest| !rest.is_empty())
    }
}

/// Reads of no more than `most` bytes; what is near together is read at once.
fn jobs<'g>(entries: &[Span], most: u64, mut out: &'g mut [u8]) -> Vec<Job<'g>> {
    let parts = entries.iter().flat_map(|(start, end)| {
        let starts = (*start..*end).step_by(usize::try_from(most).unwrap_or(usize::MAX));
        starts.map(move |part| (part, (part + most).min(*end)))
    });
    let mut groups: Vec<Vec<Span>> = Vec::new();
    for (start, end) in parts {
        match groups.last_mut() {
            Some(group) if end - group[0].0 <= most && start - group[group.len() - 1].1 <= GAP => {
                group.push((start, end));
            }
            _ => groups.push(vec![(start, end)]),
        }
    }
    let mut jobs = Vec::with_capacity(groups.len());
    for spans in groups {
        let (mine, others) = out.split_at_mut(spans.iter().map(|span| length(*span)).sum());
        out = others;
        jobs.push(Job { spans, out: mine });
    }
    jobs
}

fn length((start, end): Span) -> usize {
    usize::try_from(end - start).expect("a part is small")
}

impl Job<'_> {
    fn run(self, blocks: &Blocks) -> Result<()> {
        let (first, last) = (self.spans[0].0, self.spans[self.spans.len() - 1].1);
        let bytes = blocks.read(first, length((first, last)))?;
        let mut out = self.out;
        for (start, end) in self.spans {
            let (mine, others) = out.split_at_mut(length((start, end)));
            mine.copy_from_slice(&bytes[length((first, start))..length((first, end))]);
            out = others;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::beyond::Beyond;
    use super::*;

    const LENGTH: u64 = 20 << 20;

    fn byte(offset: u64) -> u8 {
        (offset.wrapping_mul(2_654_435_761) >> 24) as u8
    }

    struct Made;

    impl Beyond for Made {
        fn write(&mut self, _: Bytes) -> Result<()> {
            Ok(())
        }

        fn finish(&mut self) -> Result<()> {
            Ok(())
        }

        fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
            assert!(length <= 512 << 10);
            Ok((offset..).take(length).map(byte).collect())
        }
    }

    #[test]
    fn entries_are_found_and_nothing_else() {
        let blocks = Blocks::new(Box::new(Made), LENGTH, 0);
        let entries = [
            (5 << 20, (5 << 20) + 3_000_000),
            (12, 20),
            (20, 21),
            (1000, 300_000),
            (700_000, 700_001),
            (LENGTH - 10, LENGTH),
        ];
        let stop = AtomicBool::new(false);
        let mut found = Gathered::default();
        found.read(&blocks, vec![(0, 9_000_000)], &stop).unwrap();
        assert_eq!(found.rest(8_999_999), Some(&[byte(8_999_999)][..]));
        found.read(&blocks, entries.to_vec(), &stop).unwrap();
        for (start, end) in entries {
            for offset in [start, (start + end) / 2, end - 1] {
                let rest = found.rest(offset).unwrap();
                assert!(rest.len() as u64 == end - offset, "{offset}");
                assert!((offset..end).map(byte).eq(rest.iter().copied()));
            }
        }
        for offset in [0, 11, 21, 300_000, 700_001, 6_000_000 + (3 << 20), LENGTH] {
            assert_eq!(found.rest(offset), None, "{offset}");
        }
        let stopped = found.read(&blocks, vec![(0, 1)], &AtomicBool::new(true));
        assert!(stopped.is_err() && Gathered::default().rest(0).is_none());
    }
}
