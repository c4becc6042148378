//! Remembers who sends what nothing proves, and turns those away who do it again and again.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::bucket::{Bucket, Rate};

/// A forge whose secret is wrong sends a few; whoever guesses, or floods, sends many.
const UNPROVED: Rate = Rate {
    burst: 100,
    each: Duration::from_secs(1),
};

/// How many senders are remembered for each of the two halves of the memory.
const MOST: usize = 2048;

/// The senders of unproved deliveries. Its memory is bounded: who was not heard of for longest is forgotten first.
#[derive(Debug, Default)]
pub(crate) struct Floods(Mutex<Halves>);

/// When the newer half is full, it becomes the older one, whose content is forgotten.
#[derive(Debug, Default)]
struct Halves {
    newer: HashMap<IpAddr, Bucket>,
    older: HashMap<IpAddr, Bucket>,
}

impl Floods {
    /// How long a sender has to wait until it is heard again; `None` if it is heard.
    pub(crate) fn wait(&self, sender: IpAddr, now: Instant) -> Option<Duration> {
        let halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = household(sender);
        let bucket = halves.newer.get(&key).or_else(|| halves.older.get(&key));
        bucket?.wait(UNPROVED, now)
    }

    /// Counts an unproved delivery; whether it is one too many.
    pub(crate) fn is_too_much(&self, sender: IpAddr, now: Instant) -> bool {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = household(sender);
        let known = halves
            .newer
            .remove(&key)
            .or_else(|| halves.older.remove(&key));
        let mut bucket = known.unwrap_or_else(|| Bucket::full(UNPROVED, now));
        let is_too_much = !bucket.take(UNPROVED, now);
        if halves.newer.len() >= MOST {
            halves.older = std::mem::take(&mut halves.newer);
        }
        halves.newer.insert(key, bucket);
        is_too_much
    }
}

/// Who has one address of version 6 has at least 2^64 of them.
fn household(sender: IpAddr) -> IpAddr {
    match sender.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flood(floods: &Floods, sender: &str, count: usize, now: Instant) -> usize {
        let sender = sender.parse().unwrap();
        (0..count)
            .filter(|_| floods.wait(sender, now).is_some() || floods.is_too_much(sender, now))
            .count()
    }

    #[test]
    fn a_burst_is_turned_away_after_the_first_hundred_and_others_are_not() {
        let (floods, now) = (Floods::default(), Instant::now());
        assert_eq!(flood(&floods, "192.0.2.1", 300, now), 200);
        assert_eq!(flood(&floods, "192.0.2.2", 20, now), 0);
        let wait = floods.wait("192.0.2.1".parse().unwrap(), now);
        assert_eq!(wait, Some(UNPROVED.each));
        let later = now + UNPROVED.each;
        assert_eq!(floods.wait("192.0.2.1".parse().unwrap(), later), None);
        assert_eq!(flood(&floods, "192.0.2.1", 3, later), 2);
    }

    #[test]
    fn a_household_of_version_6_is_one_sender_and_a_mapped_address_is_the_plain_one() {
        let (floods, now) = (Floods::default(), Instant::now());
        assert_eq!(flood(&floods, "2001:db8::1", 100, now), 0);
        assert_eq!(flood(&floods, "2001:db8::ffff:2", 1, now), 1);
        assert_eq!(flood(&floods, "2001:db8:0:1::1", 1, now), 0);
        assert_eq!(flood(&floods, "::ffff:192.0.2.1", 100, now), 0);
        assert_eq!(flood(&floods, "192.0.2.1", 1, now), 1);
    }

    #[test]
    fn many_senders_need_bounded_memory_and_the_busy_one_is_remembered() {
        let (floods, now) = (Floods::default(), Instant::now());
        flood(&floods, "192.0.2.1", 100, now);
        for sender in 0..20_000_u32 {
            let sender = IpAddr::V4((sender + (10 << 24)).into());
            assert!(!floods.is_too_much(sender, now));
            if sender.to_string().ends_with(".0") {
                assert_eq!(flood(&floods, "192.0.2.1", 1, now), 1);
                floods.is_too_much("192.0.2.1".parse().unwrap(), now);
            }
        }
        let halves = floods.0.lock().unwrap();
        assert!(halves.newer.len() <= MOST && halves.older.len() <= MOST);
    }
}
