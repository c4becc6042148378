//! How much memory the bodies of all requests may have together.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::connections::network;

/// What all bodies together may have, and those of one sender.
pub(crate) struct Budget {
    most: u64,
    most_of_one: u64,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    all: u64,
    of_each: HashMap<IpAddr, u64>,
}

/// What one body has of the budget; given back when it is dropped.
pub(crate) struct Share {
    budget: Arc<Budget>,
    sender: IpAddr,
    bytes: u64,
}

impl Budget {
    pub(crate) fn new(most: u64, most_of_one: u64) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_of_one,
            held: Mutex::default(),
        })
    }

    /// A share that has nothing yet.
    pub(crate) fn share(self: &Arc<Self>, sender: IpAddr) -> Share {
        Share {
            budget: self.clone(),
            sender: network(sender),
            bytes: 0,
        }
    }

    /// How much is held.
    pub(crate) fn held(&self) -> u64 {
        self.with(|held| held.all)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Held) -> T) -> T {
        work(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Share {
    /// Sees to it that the share has so many bytes; `false`, and unchanged, if the budget does not have them.
    pub(crate) fn reach(&mut self, bytes: u64) -> bool {
        let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0) else {
            return true;
        };
        let budget = &self.budget;
        let is_granted = budget.with(|held| {
            let own = held.of_each.get(&self.sender).copied().unwrap_or_default();
            let fits = |held: u64, most: u64| held.checked_add(more).is_some_and(|sum| sum <= most);
            if !fits(held.all, budget.most) || !fits(own, budget.most_of_one) {
                return false;
            }
            held.all += more;
            *held.of_each.entry(self.sender).or_default() += more;
            true
        });
        if is_granted {
            self.bytes = bytes;
        }
        is_granted
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        self.budget.with(|held| {
            held.all -= self.bytes;
            if let Some(own) = held.of_each.get_mut(&self.sender) {
                *own -= self.bytes;
                if *own == 0 {
                    held.of_each.remove(&self.sender);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_the_budget_is_not_granted_and_what_is_dropped_comes_back() {
        let budget = Budget::new(100, 80);
        let (here, there) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let mut one = budget.share(here);
        assert!(one.reach(60) && one.reach(50) && one.reach(80));
        assert!(!one.reach(81), "one sender has its bound");
        let mut other = budget.share(there);
        assert!(other.reach(20));
        assert!(!other.reach(21), "all together have theirs");
        assert!(!other.reach(u64::MAX));
        assert_eq!(budget.held(), 100);
        drop(one);
        assert!(other.reach(80));
        drop(other);
        assert_eq!(budget.held(), 0);
        assert!(budget.with(|held| held.of_each.is_empty()));
    }
}
