//! The faults of one pipeline, and what waits to be told of them: pure, so that every rule can be tested.

use std::collections::BTreeMap;
use std::time::Duration;

use gitbarge_core::config::{AlertRoute, Occasion};
use gitbarge_core::{Event, Failure, Notice};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fault;
use super::outbox::Waiting;

/// The most notices that wait for one alerter and pipeline; the oldest go first.
const MOST_WAITING: usize = 20;
/// The most faults that one outage tells apart; a message that changes each time in a way that is not foreseen ends here.
const MOST_FAULTS: usize = 50;

/// What is remembered of one pipeline.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    outage: Option<Outage>,
    outbox: Vec<Waiting>,
    /// The number of the next notice.
    next: u64,
    /// A target may have been changed by a run that has not been taken into account.
    #[serde(default)]
    change: Option<Change>,
}

/// What a run was about to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    /// The commit that the target stood at.
    from: Option<String>,
    /// The process that was about to.
    by: u64,
}

/// The time from the first failed run to the next successful one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Outage {
    since: Timestamp,
    failed_runs: u64,
    faults: BTreeMap<String, Fault>,
    last: Failure,
}

/// One way to fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Fault {
    since: Timestamp,
    count: u64,
    /// When each alerter was last told of it.
    told: BTreeMap<String, Timestamp>,
}

/// An alerter, as far as decisions go.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) name: String,
    suppress: Duration,
    is_paused: bool,
    on: Vec<Occasion>,
}

impl Route {
    pub(crate) fn of(route: &AlertRoute, now: Timestamp) -> Self {
        Self {
            name: route.name.clone(),
            suppress: route.suppress,
            is_paused: route.paused.at(now),
            on: route.on.clone(),
        }
    }

    fn wants(&self, occasion: Occasion) -> bool {
        self.on.contains(&occasion)
    }
}

/// What a notice is about.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) pipeline: String,
    pub(crate) repository: String,
    pub(crate) reference: Option<String>,
    pub(crate) commit: Option<String>,
}

impl Ledger {
    /// A run failed. Each of its failures is given to [`Self::failed`] then.
    pub(crate) fn run_failed(&mut self, failure: &Failure, now: Timestamp) {
        let outage = self.outage.get_or_insert_with(|| Outage {
            since: now,
            failed_runs: 0,
            faults: BTreeMap::new(),
            last: failure.clone(),
        });
        outage.failed_runs += 1;
        outage.last = failure.clone();
    }

    /// A run failed so, in this sink or as a whole.
    pub(crate) fn failed(
        &mut self,
        subject: &Subject,
        sink: Option<&str>,
        failure: &Failure,
        routes: &[Route],
        now: Timestamp,
    ) {
        let Some(outage) = &mut self.outage else {
            return;
        };
        let key = fault::key(sink, failure);
        if !outage.faults.contains_key(&key) && outage.faults.len() >= MOST_FAULTS {
            return;
        }
        let new = || Fault {
            since: now,
            count: 0,
            told: BTreeMap::new(),
        };
        let fault = outage.faults.entry(key.clone()).or_insert_with(new);
        fault.count += 1;
        let (since, count) = (fault.since, fault.count);
        for waiting in self
            .outbox
            .iter_mut()
            .filter(|waiting| waiting.fault.as_ref() == Some(&key))
        {
            waiting.notice.count = count;
        }
        for route in routes
            .iter()
            .filter(|route| !route.is_paused && route.wants(Occasion::Failed))
        {
            let told = fault.told.get(&route.name).copied();
            let is_waiting = self
                .outbox
                .iter()
                .any(|w| w.route == route.name && w.fault.as_ref() == Some(&key));
            let event = match told {
                None => Event::Failed,
                Some(at) if has_passed(at, route.suppress, now) => Event::StillFailing,
                Some(_) => continue,
            };
            if !is_waiting {
                let notice = Notice {
                    failure: Some(failure.clone()),
                    sink: sink.map(str::to_owned),
                    ..notice(event, subject, count, since, now)
                };
                push(
                    &mut self.outbox,
                    &mut self.next,
                    route,
                    notice,
                    Some(key.clone()),
                );
            }
        }
    }

    /// A run succeeded wholly. Whoever was told of the outage, or is still to be told, hears once of its end; who is paused, afterwards.
    pub(crate) fn succeeded(&mut self, subject: &Subject, routes: &[Route], now: Timestamp) {
        let Some(outage) = self.outage.take() else {
            return;
        };
        for route in routes {
            let was_told = outage
                .faults
                .values()
                .any(|fault| fault.told.contains_key(&route.name));
            let will_be = self
                .outbox
                .iter()
                .any(|waiting| waiting.route == route.name && waiting.fault.is_some());
            // Who does not want to hear of faults is told of every end.
            let is_meant = match route.wants(Occasion::Failed) {
                true => was_told || will_be,
                false => !route.is_paused,
            };
            if is_meant && route.wants(Occasion::Recovered) {
                let notice = Notice {
                    failure: Some(outage.last.clone()),
                    ..notice(
                        Event::Recovered,
                        subject,
                        outage.failed_runs,
                        outage.since,
                        now,
                    )
                };
                push(&mut self.outbox, &mut self.next, route, notice, None);
            }
        }
        // What still waits tells nothing of the next outage, even if that is of the same fault.
        for waiting in &mut self.outbox {
            waiting.fault = None;
        }
    }

    /// A run begins to change a target. Should its end never be known, the next good run is told as the one that did.
    pub(crate) fn changing(&mut self, from: Option<&str>, by: u64) {
        let from = from.map(str::to_owned);
        self.change.get_or_insert(Change { from, by }).by = by;
    }

    /// A run has ended well; `from` is the commit that it began at if it has changed a target itself.
    ///
    /// Of several commits that wait to be told, the newest is enough. Who is paused hears of it afterwards.
    pub(crate) fn synced(
        &mut self,
        subject: &Subject,
        from: Option<Option<&str>>,
        routes: &[Route],
        now: Timestamp,
    ) {
        let change = self.change.take();
        if change.is_none() && from.is_none() {
            return;
        }
        let from = from.flatten().map(str::to_owned);
        let from = change.and_then(|change| change.from).or(from);
        for route in routes.iter().filter(|route| route.wants(Occasion::Synced)) {
            let is_old = |w: &mut Waiting| w.route == route.name && w.notice.event == Event::Synced;
            let old: Vec<Waiting> = self.outbox.extract_if(.., is_old).collect();
            // For whoever has not heard of the commits between, it is one step.
            let from = old
                .first()
                .map_or(from.clone(), |old| old.notice.from.clone());
            let notice = Notice {
                from,
                ..notice(Event::Synced, subject, 1, now, now)
            };
            push(&mut self.outbox, &mut self.next, route, notice, None);
            let asked_until = old.iter().filter_map(|old| old.asked_until).max();
            if let (Some(until), Some(new)) = (asked_until, self.outbox.last_mut()) {
                new.asked_until = asked_until;
                new.not_before = new.not_before.max(until);
            }
        }
    }

    /// Lets go what waits for alerters that no longer exist, and the oldest of too much.
    pub(crate) fn bound(&mut self, routes: &[Route]) {
        self.outbox
            .retain(|waiting| routes.iter().any(|route| route.name == waiting.route));
        for route in routes {
            let waiting = self
                .outbox
                .iter()
                .filter(|waiting| waiting.route == route.name);
            let surplus = waiting.count().saturating_sub(MOST_WAITING);
            let mut to_drop = surplus;
            self.outbox.retain(|waiting| {
                let drop = to_drop > 0 && waiting.route == route.name;
                to_drop -= usize::from(drop);
                !drop
            });
        }
    }

    /// What waits for an alerter, oldest first.
    pub(crate) fn waiting(&self, route: &str) -> impl Iterator<Item = &Waiting> {
        self.outbox
            .iter()
            .filter(move |waiting| waiting.route == route)
    }

    /// The same without what may not be true any more: another process has begun to change the target, and its end is not known.
    pub(crate) fn certain(&self, route: &str, process: u64) -> impl Iterator<Item = &Waiting> {
        let change = self.change.as_ref();
        let is_certain = change.is_none_or(|change| change.by == process);
        self.waiting(route)
            .filter(move |waiting| is_certain || waiting.notice.event != Event::Synced)
    }

    /// The alerter has taken these notices.
    pub(crate) fn told(&mut self, numbers: &[u64], now: Timestamp) {
        let (taken, waiting) = std::mem::take(&mut self.outbox)
            .into_iter()
            .partition(|w| numbers.contains(&w.number));
        self.outbox = waiting;
        let taken: Vec<Waiting> = taken;
        for (key, route) in taken.into_iter().filter_map(|w| Some((w.fault?, w.route))) {
            if let Some(fault) = self
                .outage
                .as_mut()
                .and_then(|outage| outage.faults.get_mut(&key))
            {
                fault.told.insert(route, now);
            }
        }
    }

    /// The alerter has not taken these notices, and is to be asked again at that time; `asked_until` is its own wish.
    pub(crate) fn put_off(
        &mut self,
        numbers: &[u64],
        until: Timestamp,
        asked_until: Option<Timestamp>,
    ) {
        for waiting in self
            .outbox
            .iter_mut()
            .filter(|w| numbers.contains(&w.number))
        {
            waiting.attempts += 1;
            waiting.not_before = until;
            waiting.asked_until = asked_until;
        }
    }
}

fn push(
    outbox: &mut Vec<Waiting>,
    next: &mut u64,
    route: &Route,
    notice: Notice,
    fault: Option<String>,
) {
    let not_before = notice.at;
    outbox.push(Waiting {
        number: *next,
        route: route.name.clone(),
        notice,
        attempts: 0,
        not_before,
        asked_until: None,
        fault,
    });
    *next += 1;
}

fn notice(event: Event, subject: &Subject, count: u64, since: Timestamp, now: Timestamp) -> Notice {
    Notice {
        event,
        pipeline: subject.pipeline.clone(),
        sink: None,
        repository: subject.repository.clone(),
        reference: subject.reference.clone(),
        commit: subject.commit.clone(),
        from: None,
        failure: None,
        count,
        since,
        at: now,
    }
}

fn has_passed(since: Timestamp, span: Duration, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(since)).is_ok_and(|passed| passed >= span)
}

#[cfg(test)]
mod tests;
