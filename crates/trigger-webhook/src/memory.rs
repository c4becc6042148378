//! Which deliveries have asked for a run lately.

use std::collections::{HashMap, VecDeque};

use aws_lc_rs::digest::{SHA256, digest};

/// How long a delivery is remembered, in seconds.
pub(crate) const REMEMBERED: i64 = 600;
/// How many are: as many as fit into one value of the state.
pub(crate) const MOST: usize = 8_192;

/// What stands for a delivery's id, which may be as long as a header.
pub(crate) type Id = [u8; 16];

/// A run that a delivery waits for; counted from 1 by whoever remembers.
pub(crate) type Awaited = u64;

/// Deliveries of the last ten minutes, the newest ones if there are too many.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    seen: HashMap<Id, Seen>,
    /// In the order in which they came; what was forgotten, or came again, may still stand here.
    order: VecDeque<(Id, i64)>,
    /// Forgotten since it was last stored.
    forgotten: Vec<Id>,
    is_changed: bool,
}

/// A delivery that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// When, in seconds since 1970.
    pub(crate) at: i64,
    /// Its run has not ended.
    pub(crate) awaits: Option<Awaited>,
}

pub(crate) fn id_of(delivery: &[u8]) -> Id {
    let digest = digest(&SHA256, delivery);
    let first = digest.as_ref().first_chunk();
    *first.expect("a SHA-256 has 32 bytes")
}

impl Memory {
    pub(crate) fn knows(&self, id: &Id, now: i64) -> bool {
        self.seen
            .get(id)
            .is_some_and(|seen| is_current(seen.at, now))
    }

    pub(crate) fn learn(&mut self, id: Id, seen: Seen) {
        self.seen.insert(id, seen);
        self.order.push_back((id, seen.at));
        self.is_changed = true;
        self.shrink(seen.at);
    }

    /// A run has ended. What asked for one that failed may ask again.
    pub(crate) fn ended(&mut self, run: Awaited, is_good: bool) {
        let Self {
            seen, forgotten, ..
        } = self;
        let before = forgotten.len();
        seen.retain(|id, seen| {
            let is_its = seen.awaits == Some(run);
            if is_its && !is_good {
                forgotten.push(*id);
            } else if is_its {
                seen.awaits = None;
            }
            is_good || !is_its
        });
        forgotten.drain(..forgotten.len().saturating_sub(MOST));
        self.is_changed |= is_good || forgotten.len() > before;
    }

    /// Adds what was stored by an earlier process, or by somebody else; those that wait for a run wait for `run` now.
    /// Whether there are such.
    pub(crate) fn add(&mut self, stored: Vec<(Id, Seen)>, run: Awaited, now: i64) -> bool {
        let mut is_awaited = false;
        for (id, seen) in stored {
            // A clock that was ahead must not make it stay for longer.
            let at = seen.at.min(now);
            if !is_current(at, now) || self.seen.contains_key(&id) || self.forgotten.contains(&id) {
                continue;
            }
            let awaits = seen.awaits.map(|_| run);
            is_awaited |= awaits.is_some();
            self.learn(id, Seen { at, awaits });
        }
        is_awaited
    }

    /// What is to be stored, if it has changed since it was asked for last.
    pub(crate) fn take_changed(&mut self, now: i64) -> Option<Vec<(Id, Seen)>> {
        if !std::mem::take(&mut self.is_changed) {
            return None;
        }
        self.shrink(now);
        Some(self.seen.iter().map(|(id, seen)| (*id, *seen)).collect())
    }

    /// It was not stored after all.
    pub(crate) fn set_changed(&mut self) {
        self.is_changed = true;
    }

    /// It was stored, and so was what of it is gone.
    pub(crate) fn is_stored(&mut self) {
        if !self.is_changed {
            self.forgotten.clear();
        }
    }

    /// Drops what is too old, and the oldest of what is too much.
    fn shrink(&mut self, now: i64) {
        while let Some((id, at)) = self.order.front() {
            let is_latest = self.seen.get(id).is_some_and(|seen| seen.at == *at);
            if is_latest && is_current(*at, now) && self.order.len() <= MOST {
                break;
            }
            if is_latest {
                self.seen.remove(id);
            }
            self.order.pop_front();
        }
    }
}

fn is_current(at: i64, now: i64) -> bool {
    now - at < REMEMBERED
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_731_705_121;

    fn awaiting(run: Awaited, at: i64) -> Seen {
        let awaits = Some(run);
        Seen { at, awaits }
    }

    fn known(memory: &Memory, names: &[&str], now: i64) -> usize {
        names
            .iter()
            .filter(|name| memory.knows(&id_of(name.as_bytes()), now))
            .count()
    }

    #[test]
    fn a_delivery_is_known_for_ten_minutes() {
        let mut memory = Memory::default();
        memory.learn(id_of(b"a"), awaiting(1, NOW));
        assert_eq!(known(&memory, &["a", "b"], NOW), 1);
        assert_eq!(known(&memory, &["a"], NOW + 599), 1);
        assert_eq!(known(&memory, &["a"], NOW + 600), 0);
        memory.learn(id_of(b"b"), awaiting(1, NOW + 600));
        assert_eq!((memory.seen.len(), memory.order.len()), (1, 1));
    }

    #[test]
    fn a_failed_run_makes_its_deliveries_new() {
        let mut memory = Memory::default();
        memory.learn(id_of(b"a"), awaiting(1, NOW));
        memory.learn(id_of(b"b"), awaiting(2, NOW));
        memory.ended(1, false);
        assert_eq!(known(&memory, &["a", "b"], NOW), 1);
        memory.ended(2, true);
        memory.ended(2, false);
        assert_eq!(known(&memory, &["b"], NOW), 1);
        memory.learn(id_of(b"a"), awaiting(3, NOW + 1));
        assert_eq!(known(&memory, &["a"], NOW + 600), 1);
    }

    #[test]
    fn the_newest_are_kept_of_too_many() {
        let mut memory = Memory::default();
        for number in 0..3 * MOST {
            memory.learn(id_of(&number.to_be_bytes()), awaiting(1, NOW));
        }
        assert_eq!((memory.seen.len(), memory.order.len()), (MOST, MOST));
        assert!(memory.knows(&id_of(&(3 * MOST - 1).to_be_bytes()), NOW));
        memory.ended(1, false);
        assert_eq!((memory.seen.len(), memory.forgotten.len()), (0, MOST));
    }

    #[test]
    fn what_was_stored_is_added_but_not_what_was_forgotten_since() {
        let mut memory = Memory::default();
        memory.learn(id_of(b"a"), awaiting(1, NOW));
        memory.ended(1, false);
        let stored = vec![
            (id_of(b"a"), awaiting(1, NOW)),
            (id_of(b"b"), awaiting(9, NOW + 5000)),
            (
                id_of(b"c"),
                Seen {
                    at: NOW - 600,
                    awaits: None,
                },
            ),
        ];
        assert!(memory.add(stored.clone(), 2, NOW));
        assert_eq!(known(&memory, &["a", "b", "c"], NOW), 1);
        assert_eq!(memory.seen[&id_of(b"b")], awaiting(2, NOW));
        assert_eq!(memory.take_changed(NOW).map(|seen| seen.len()), Some(1));
        assert_eq!(memory.take_changed(NOW), None);
        memory.is_stored();
        memory.add(stored, 2, NOW);
        assert_eq!(known(&memory, &["a"], NOW), 1);
    }
}
