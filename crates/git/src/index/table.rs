//! What is known of each object of a pack.

use gix::ObjectId;
use gix::objs::Kind;

/// No object.
const NONE: u32 = u32::MAX;

/// All objects of a pack in its order; a number of 32 bits names one.
pub(super) struct Table {
    entries: Vec<Entry>,
    /// Null as long as it is not known.
    pub(super) ids: Vec<ObjectId>,
    links: Vec<Links>,
    /// Deltas whose base is given by its name, sorted by that once the pack is there.
    pub(super) named: Vec<(ObjectId, u32)>,
    pub(super) deltas: usize,
}

/// Where an object is.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) offset: u64,
    pub(super) crc: u32,
    /// `None` for a delta.
    pub(super) kind: Option<Kind>,
}

/// The deltas that lean on one object form a chain: each names the next.
#[derive(Clone, Copy)]
struct Links {
    first_child: u32,
    next_sibling: u32,
}

/// A line of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) id: ObjectId,
    pub(super) offset: u64,
    pub(super) crc: u32,
}

impl Table {
    pub(super) fn with_capacity(count: usize) -> Self {
        Self {
            entries: Vec::with_capacity(count),
            ids: Vec::with_capacity(count),
            links: Vec::with_capacity(count),
            named: Vec::new(),
            deltas: 0,
        }
    }

    pub(super) fn push_object(&mut self, offset: u64, crc: u32, kind: Kind, id: ObjectId) {
        self.push(offset, crc, Some(kind), id);
    }

    /// Adds a delta; `None` if no object begins at `base`.
    pub(super) fn push_delta(&mut self, offset: u64, crc: u32, base: u64) -> Option<()> {
        let base = self.entries.binary_search_by_key(&base, |e| e.offset);
        let base = base.ok()?;
        let child = self.push(offset, crc, None, null());
        let first_child = &mut self.links[base].first_child;
        let next = std::mem::replace(first_child, child);
        self.links[child as usize].next_sibling = next;
        Some(())
    }

    pub(super) fn push_named_delta(&mut self, offset: u64, crc: u32, base: ObjectId) {
        let child = self.push(offset, crc, None, null());
        self.named.push((base, child));
    }

    fn push(&mut self, offset: u64, crc: u32, kind: Option<Kind>, id: ObjectId) -> u32 {
        let number = u32::try_from(self.entries.len()).expect("a pack's header counts in 32 bits");
        self.deltas += usize::from(kind.is_none());
        self.entries.push(Entry { offset, crc, kind });
        self.ids.push(id);
        self.links.push(Links {
            first_child: NONE,
            next_sibling: NONE,
        });
        number
    }

    pub(super) fn shape(&self) -> Shape<'_> {
        Shape {
            entries: &self.entries,
            links: &self.links,
        }
    }

    /// Separates what is only read while deltas are resolved from the names that are written then.
    pub(super) fn split(&mut self) -> (Shape<'_>, &[(ObjectId, u32)], &mut [ObjectId]) {
        self.named.sort_unstable();
        let shape = Shape {
            entries: &self.entries,
            links: &self.links,
        };
        (shape, &self.named, &mut self.ids)
    }

    /// The index's lines, sorted.
    pub(super) fn into_rows(self) -> Vec<Row> {
        let entries = self.entries.iter().zip(&self.ids);
        let mut rows: Vec<_> = entries
            .map(|(entry, id)| Row {
                id: *id,
                offset: entry.offset,
                crc: entry.crc,
            })
            .collect();
        rows.sort_unstable();
        rows
    }
}

pub(super) fn null() -> ObjectId {
    ObjectId::null(gix::hash::Kind::Sha1)
}

/// Where objects are, and which lean on which.
#[derive(Clone, Copy)]
pub(super) struct Shape<'t> {
    entries: &'t [Entry],
    links: &'t [Links],
}

impl<'t> Shape<'t> {
    pub(super) fn len(self) -> u32 {
        u32::try_from(self.entries.len()).expect("a pack's header counts in 32 bits")
    }

    pub(super) fn entry(self, number: u32) -> Entry {
        self.entries[number as usize]
    }

    /// The place after an object, if another one follows.
    pub(super) fn end(self, number: u32) -> Option<u64> {
        self.entries.get(number as usize + 1).map(|e| e.offset)
    }

    /// The deltas that lean on an object by its place, last one first.
    pub(super) fn children(self, number: u32) -> impl Iterator<Item = u32> + 't {
        let some = |number: u32| (number != NONE).then_some(number);
        let first = some(self.links[number as usize].first_child);
        std::iter::successors(first, move |child| {
            some(self.links[*child as usize].next_sibling)
        })
    }

    /// How many objects lean on each one by places, directly or not, itself counted.
    pub(super) fn weights(self) -> Vec<u32> {
        let mut weights = vec![1u32; self.entries.len()];
        // A delta comes after its base, so that its own weight is whole when it is added.
        for number in (0..self.len()).rev() {
            let below: u32 = self.children(number).map(|c| weights[c as usize]).sum();
            weights[number as usize] += below;
        }
        weights
    }
}
