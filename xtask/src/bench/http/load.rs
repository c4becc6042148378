//! Many connections that deliver as fast as they are answered.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::sender::Sender;
use crate::Outcome;

/// How long they deliver.
const WHILE: Duration = Duration::from_secs(3);

pub(super) struct Measured {
    pub(super) each_second: f64,
    /// Within which 99 of 100 deliveries were answered.
    pub(super) p99: Duration,
}

/// Each connection has a thread, which sends when it has got its answer.
pub(super) fn load(address: SocketAddr, connections: usize) -> Outcome<Measured> {
    let mut senders = Vec::new();
    for _ in 0..connections {
        senders.push(Sender::connect(address)?);
    }
    let begun = Instant::now();
    let mut waits = Vec::new();
    thread::scope(|scope| {
        let threads: Vec<_> = senders
            .into_iter()
            .map(|sender| scope.spawn(move || deliver(sender, begun)))
            .collect();
        for thread in threads {
            let of_one = thread
                .join()
                .map_err(|_| "a sender has panicked".to_owned())?;
            waits.extend(of_one?);
        }
        Ok::<(), String>(())
    })?;
    let took = begun.elapsed().as_secs_f64();
    waits.sort_unstable();
    let last = waits.len().checked_sub(1).ok_or("nothing was answered")?;
    Ok(Measured {
        each_second: waits.len() as f64 / took,
        p99: waits[last * 99 / 100],
    })
}

fn deliver(mut sender: Sender, begun: Instant) -> Outcome<Vec<Duration>> {
    let mut waits = Vec::new();
    while begun.elapsed() < WHILE {
        let sent = Instant::now();
        sender.deliver()?;
        waits.push(sent.elapsed());
    }
    Ok(waits)
}
