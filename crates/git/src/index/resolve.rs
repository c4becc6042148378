//! Makes objects out of deltas, on all cores, to learn their names and links.

use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use gitbarge_core::{Error, Progress, Result};
use gix::ObjectId;
use gix::objs::Kind;

use super::bytes::{PackBytes, corrupt};
use super::content::Contents;
use super::gathered::{Gathered, Span};
use super::input::TRAILER;
use super::links::{Found, Malformed, Reader};
use super::table::{Shape, Table};
use super::{CANCELLED, delta};

/// Fewer deltas are not worth a second thread.
const WORTH_A_THREAD: usize = 500;
/// How many names a thread gathers before it writes them down.
const BATCH: usize = 1024;
/// A larger buffer is given back rather than kept for the next object, in bytes.
const KEPT: usize = 1 << 20;

/// Resolves all deltas of a pack whose bytes are there.
pub(super) fn resolve(
    table: &mut Table,
    pack: &PackBytes,
    found: &Found,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<()> {
    let deltas = table.deltas;
    let (_, before) = progress.deltas.read();
    progress.deltas.set_total(before + deltas);
    if deltas == 0 {
        return Ok(());
    }
    let (shape, named, ids) = table.split();
    let weights = shape.weights();
    let work = Work {
        pack,
        shape,
        deltas,
        roots: roots(pack, shape, named, ids, &weights),
        weights,
        named,
        is_taken: named.iter().map(|_| AtomicBool::new(false)).collect(),
        next: AtomicUsize::new(0),
        until: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        ids: Mutex::new(ids),
        found,
        counter: progress.deltas.counter(),
        has_failed: AtomicBool::new(false),
        stop,
    };
    match pack.beyond() {
        None => run(&work, 0..work.roots.len(), None)?,
        Some((blocks, budget)) => {
            let (mut from, mut gathered) = (0, Gathered::default());
            while from < work.roots.len() {
                let (until, entries) = work.batch(from, budget);
                gathered.read(blocks, entries, stop)?;
                run(&work, from..until, Some(&gathered))?;
                from = until;
            }
        }
    }
    if work.done.into_inner() == deltas {
        return Ok(());
    }
    let ids = work
        .ids
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let left = ids.iter().position(|id| id.is_null()).unwrap_or_default();
    let offset = shape.entry(left as u32).offset;
    Err(corrupt("a delta's base is not in the pack", offset))
}

/// The whole objects that others lean on: those with most of them first, so that all threads end together; but in the order
/// of the pack if that is not in memory. Git often writes what leans on one object near to it.
fn roots(
    pack: &PackBytes,
    shape: Shape<'_>,
    named: &[(ObjectId, u32)],
    ids: &[ObjectId],
    weights: &[u32],
) -> Vec<u32> {
    let is_named = |id: &ObjectId| named.binary_search_by_key(id, |(base, _)| *base).is_ok();
    let is_root = |number: &u32| {
        let place = *number as usize;
        shape.entry(*number).kind.is_some() && (weights[place] > 1 || is_named(&ids[place]))
    };
    let mut roots: Vec<u32> = (0..shape.len()).filter(is_root).collect();
    if pack.is_in_memory() {
        roots.sort_by_key(|root| std::cmp::Reverse(weights[*root as usize]));
    }
    roots
}

/// Resolves all that leans on these roots.
fn run(work: &Work<'_>, roots: Range<usize>, gathered: Option<&Gathered>) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = cores.min(work.deltas / WORTH_A_THREAD).min(roots.len());
    work.next.store(roots.start, Ordering::Relaxed);
    work.until.store(roots.end, Ordering::Relaxed);
    if threads < 2 {
        return Worker::new(work, gathered).run();
    }
    std::thread::scope(|scope| {
        let start = |_| scope.spawn(|| Worker::new(work, gathered).run());
        let workers: Vec<_> = (0..threads).map(start).collect();
        let mut result = Ok(());
        for worker in workers {
            let ended = worker.join();
            let ended = ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            result = result.and(ended);
        }
        result
    })
}

/// What the threads share.
struct Work<'w> {
    pack: &'w PackBytes,
    shape: Shape<'w>,
    deltas: usize,
    weights: Vec<u32>,
    roots: Vec<u32>,
    /// The next root that nobody works on, and where this batch of them ends.
    next: AtomicUsize,
    until: AtomicUsize,
    named: &'w [(ObjectId, u32)],
    /// For each of `named`; a pack may hold its base more than once.
    is_taken: Vec<AtomicBool>,
    ids: Mutex<&'w mut [ObjectId]>,
    done: AtomicUsize,
    found: &'w Found,
    counter: &'w AtomicUsize,
    has_failed: AtomicBool,
    stop: &'w AtomicBool,
}

impl Work<'_> {
    /// The end of the next batch of roots, and where the entries are that it needs: no more bytes of them than `budget`.
    fn batch(&self, from: usize, budget: u64) -> (usize, Vec<Span>) {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for (place, root) in self.roots.iter().enumerate().skip(from) {
            let whole = entries.len();
            let mut open = vec![*root];
            while let Some(number) = open.pop() {
                let span = (self.shape.entry(number).offset, self.end(number));
                bytes += span.1 - span.0;
                if bytes > budget {
                    // What one root needs may be too much by itself; the rest is then read block by block.
                    if place > from {
                        entries.truncate(whole);
                        return (place, entries);
                    }
                    return (place + 1, entries);
                }
                entries.push(span);
                open.extend(self.shape.children(number));
            }
        }
        (self.roots.len(), entries)
    }

    /// What leans on an object, the heaviest first.
    fn children(&self, number: u32, id: &ObjectId) -> Vec<u32> {
        let mut children: Vec<u32> = self.shape.children(number).collect();
        let start = self.named.partition_point(|(base, _)| base < id);
        let same = self.named[start..]
            .iter()
            .take_while(|(base, _)| base == id);
        for ((_, child), is_taken) in same.zip(&self.is_taken[start..]) {
            if !is_taken.swap(true, Ordering::Relaxed) {
                children.push(*child);
            }
        }
        children.sort_by_key(|child| std::cmp::Reverse(self.weights[*child as usize]));
        children
    }

    fn end(&self, number: u32) -> u64 {
        let end = self.shape.end(number);
        end.unwrap_or_else(|| self.pack.length().saturating_sub(TRAILER as u64))
    }

    fn id(&self, number: u32) -> ObjectId {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)[number as usize]
    }
}

/// An object that is kept because deltas lean on it that are not resolved yet; the next one is the last of them.
struct Base {
    data: Vec<u8>,
    children: Vec<u32>,
}

struct Worker<'a, 'w> {
    work: &'a Work<'w>,
    contents: Contents<'a>,
    delta: Vec<u8>,
    spare: Vec<Vec<u8>>,
    done: Vec<(u32, ObjectId)>,
}

impl<'a, 'w> Worker<'a, 'w> {
    fn new(work: &'a Work<'w>, gathered: Option<&'a Gathered>) -> Self {
        Self {
            work,
            contents: Contents::new(work.pack, gathered),
            delta: Vec::new(),
            spare: Vec::new(),
            done: Vec::with_capacity(BATCH),
        }
    }

    fn run(mut self) -> Result<()> {
        loop {
            let next = self.work.next.fetch_add(1, Ordering::Relaxed);
            if next >= self.work.until.load(Ordering::Relaxed) {
                self.flush();
                return Ok(());
            }
            if let Err(error) = self.tree(self.work.roots[next]) {
                self.work.has_failed.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
    }

    /// Resolves all that leans on a root, directly or not.
    ///
    /// The lightest child comes first, and a base is dropped before its last child is gone into: so no more bases are kept
    /// than the binary logarithm of the number of objects, whatever the length of chains.
    fn tree(&mut self, root: u32) -> Result<()> {
        let kind = self.work.shape.entry(root).kind;
        let kind = kind.expect("a root is a whole object");
        let mut data = self.spare.pop().unwrap_or_default();
        self.contents.read(
            self.work.shape.entry(root).offset,
            self.work.end(root),
            &mut data,
        )?;
        let children = self.work.children(root, &self.work.id(root));
        let mut open = vec![Base { data, children }];
        while let Some(base) = open.last_mut() {
            let Some(child) = base.children.pop() else {
                open.pop();
                continue;
            };
            self.check_stop()?;
            let data = self.apply(child, &base.data)?;
            if base.children.is_empty()
                && let Some(base) = open.pop()
            {
                self.keep(base.data);
            }
            let id = self.learn(child, kind, &data)?;
            let children = self.work.children(child, &id);
            if children.is_empty() {
                self.keep(data);
            } else {
                open.push(Base { data, children });
            }
        }
        Ok(())
    }

    fn apply(&mut self, child: u32, base: &[u8]) -> Result<Vec<u8>> {
        let offset = self.work.shape.entry(child).offset;
        self.contents
            .read(offset, self.work.end(child), &mut self.delta)?;
        let mut data = self.spare.pop().unwrap_or_default();
        delta::apply(base, &self.delta, &mut data).map_err(|why| corrupt(why, offset))?;
        if self.delta.capacity() > KEPT {
            self.delta = Vec::new();
        }
        Ok(data)
    }

    fn learn(&mut self, number: u32, kind: Kind, data: &[u8]) -> Result<ObjectId> {
        let offset = self.work.shape.entry(number).offset;
        let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, kind, data);
        let id = id.map_err(|e| corrupt(e, offset))?;
        let mut reader = Reader::new(kind, data.len() as u64, self.work.found);
        let read = reader.push(data).and_then(|()| reader.finish());
        read.map_err(|Malformed| corrupt(format!("a {kind} is malformed"), offset))?;
        self.done.push((number, id));
        if self.done.len() == BATCH {
            self.flush();
        }
        self.work.counter.fetch_add(1, Ordering::Relaxed);
        Ok(id)
    }

    fn flush(&mut self) {
        let mut ids = self.work.ids.lock().unwrap_or_else(PoisonError::into_inner);
        self.work.done.fetch_add(self.done.len(), Ordering::Relaxed);
        for (number, id) in self.done.drain(..) {
            ids[number as usize] = id;
        }
    }

    fn keep(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() <= KEPT {
            self.spare.push(buffer);
        }
    }

    fn check_stop(&self) -> Result<()> {
        let is_over = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        if is_over(self.work.stop) || is_over(&self.work.has_failed) {
            return Err(Error::cancelled(CANCELLED));
        }
        Ok(())
    }
}
