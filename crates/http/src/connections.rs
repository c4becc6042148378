//! How many connections are open, altogether and of one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places for connections.
pub(crate) struct Connections {
    most: usize,
    most_of_one: usize,
    free: Arc<Semaphore>,
    of_each: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place, until it is dropped.
pub(crate) struct Place {
    all: Arc<Connections>,
    network: IpAddr,
    _room: Room,
}

/// Room for one connection more.
pub(crate) struct Room(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Connections {
    pub(crate) fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_of_one,
            free: Arc::new(Semaphore::new(most)),
            of_each: Mutex::default(),
        })
    }

    /// Waits until there is room for one more.
    pub(crate) async fn room(&self) -> Room {
        let permit = self.free.clone().acquire_owned().await;
        Room(permit.expect("nobody closes it"))
    }

    /// Gives room to a connection from an address, if it does not have too many.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr, room: Room) -> Option<Place> {
        let network = network(address);
        let mut of_each = self.of_each.lock().unwrap_or_else(PoisonError::into_inner);
        let count = of_each.entry(network).or_default();
        if *count >= self.most_of_one {
            return None;
        }
        *count += 1;
        Some(Place {
            all: self.clone(),
            network,
            _room: room,
        })
    }

    /// Whether there is no room.
    pub(crate) fn is_full(&self) -> bool {
        self.free.available_permits() == 0
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        let of_each = self.of_each.lock().unwrap_or_else(PoisonError::into_inner);
        of_each.values().sum::<usize>().min(self.most)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut of_each = self
            .all
            .of_each
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = of_each.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                of_each.remove(&self.network);
            }
        }
    }
}

/// What counts as one sender: whoever has one IPv6 address has the other addresses of its network too.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn one_address_cannot_have_all_places() {
        let all = Connections::new(3, 2);
        let one = all.admit(ip("192.0.2.1"), all.room().await).unwrap();
        let _two = all.admit(ip("192.0.2.1"), all.room().await).unwrap();
        assert!(
            all.admit(ip("192.0.2.1"), all.room().await).is_none(),
            "a third"
        );
        assert!(!all.is_full());
        let _other = all.admit(ip("192.0.2.2"), all.room().await).unwrap();
        assert!(all.is_full());
        assert_eq!(all.open(), 3);
        drop(one);
        assert_eq!(all.open(), 2);
        assert!(all.admit(ip("192.0.2.1"), all.room().await).is_some());
    }

    #[test]
    fn an_ipv6_network_is_one_sender() {
        assert_eq!(network(ip("2001:db8::1")), network(ip("2001:db8::ffff:1")));
        assert_ne!(network(ip("2001:db8::1")), network(ip("2001:db8:0:1::1")));
        assert_ne!(network(ip("192.0.2.1")), network(ip("192.0.2.2")));
    }
}
