//! The faults of one pipeline, and what waits to be told of them: pure, so that every rule can be tested.

use std::collections::BTreeMap;
use std::time::Duration;

use gitbarge_core::config::AlertRoute;
use gitbarge_core::{Event, Failure, Notice};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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

/// A notice that an alerter has not taken yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) number: u64,
    pub(crate) route: String,
    pub(crate) notice: Notice,
    pub(crate) attempts: u32,
    pub(crate) not_before: Timestamp,
    /// The fault that it tells of.
    fault: Option<String>,
}

/// An alerter, as far as decisions go.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) name: String,
    suppress: Duration,
    is_paused: bool,
}

impl Route {
    pub(crate) fn of(route: &AlertRoute, now: Timestamp) -> Self {
        Self {
            name: route.name.clone(),
            suppress: route.suppress,
            is_paused: route.paused.at(now),
        }
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
        let key = fault_key(sink, failure);
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
        for route in routes.iter().filter(|route| !route.is_paused) {
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

    /// A run succeeded wholly. Whoever was told of the outage, or is still to be told, hears once of its end.
    pub(crate) fn succeeded(&mut self, subject: &Subject, routes: &[Route], now: Timestamp) {
        let Some(outage) = self.outage.take() else {
            return;
        };
        for route in routes.iter().filter(|route| !route.is_paused) {
            let was_told = outage
                .faults
                .values()
                .any(|fault| fault.told.contains_key(&route.name));
            let will_be = self
                .outbox
                .iter()
                .any(|waiting| waiting.route == route.name);
            if was_told || will_be {
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

    /// The alerter has taken these notices.
    pub(crate) fn told(&mut self, numbers: &[u64], now: Timestamp) {
        let (taken, waiting) = std::mem::take(&mut self.outbox)
            .into_iter()
            .partition(|w| numbers.contains(&w.number));
        self.outbox = waiting;
        let taken: Vec<Waiting> = taken;
        for (key, route) in taken.into_iter().filter_map(|w| Some((w.fault?, w.route))) {
            // The outage may be over by now; then nothing is left to be suppressed.
            if let Some(fault) = self
                .outage
                .as_mut()
                .and_then(|outage| outage.faults.get_mut(&key))
            {
                fault.told.insert(route, now);
            }
        }
    }

    /// The alerter has not taken these notices, and is to be asked again at that time.
    pub(crate) fn put_off(&mut self, numbers: &[u64], until: Timestamp) {
        for waiting in self
            .outbox
            .iter_mut()
            .filter(|w| numbers.contains(&w.number))
        {
            waiting.attempts += 1;
            waiting.not_before = until;
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
        failure: None,
        count,
        since,
        at: now,
    }
}

fn has_passed(since: Timestamp, span: Duration, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(since)).is_ok_and(|passed| passed >= span)
}

/// What makes two failures the same fault: the sink, the kind, and the message without what changes from run to run.
fn fault_key(sink: Option<&str>, failure: &Failure) -> String {
    format!(
        "{}|{}|{}",
        sink.unwrap_or_default(),
        failure.kind,
        normalised(&failure.message)
    )
}

/// Numbers, hashes and the like are folded to `#`.
fn normalised(message: &str) -> String {
    let mut out = String::new();
    let is_word = |c: char| c.is_alphanumeric();
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        let end = rest
            .find(|c| is_word(c) != is_word(first))
            .unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        let is_hash = part.len() >= 7 && part.chars().all(|c| c.is_ascii_hexdigit());
        let has_digit = part.chars().any(|c| c.is_ascii_digit());
        out.push_str(if is_hash || has_digit { "#" } else { part });
        rest = after;
    }
    out.truncate(out.char_indices().nth(300).map_or(out.len(), |(at, _)| at));
    out
}

#[cfg(test)]
mod tests {
    use gitbarge_core::ErrorKind;

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
    }

    fn routes() -> Vec<Route> {
        vec![Route {
            name: "ops".to_owned(),
            suppress: Duration::from_secs(3600),
            is_paused: false,
        }]
    }

    fn subject() -> Subject {
        Subject {
            pipeline: "site".to_owned(),
            repository: "h:x".to_owned(),
            reference: None,
            commit: None,
        }
    }

    fn failure(message: &str) -> Failure {
        Failure {
            kind: ErrorKind::Unreachable,
            message: message.to_owned(),
            hint: None,
        }
    }

    /// What the alerter is told at a time: it takes everything.
    fn told(ledger: &mut Ledger, minute: i64) -> Vec<(Event, u64)> {
        let waiting: Vec<Waiting> = ledger.waiting("ops").cloned().collect();
        let numbers: Vec<u64> = waiting.iter().map(|w| w.number).collect();
        ledger.told(&numbers, at(minute));
        waiting
            .into_iter()
            .map(|w| (w.notice.event, w.notice.count))
            .collect()
    }

    fn fail(ledger: &mut Ledger, message: &str, minute: i64) -> Vec<(Event, u64)> {
        run_failed(ledger, message, &routes(), minute);
        told(ledger, minute)
    }

    fn run_failed(ledger: &mut Ledger, message: &str, routes: &[Route], minute: i64) {
        ledger.run_failed(&failure(message), at(minute));
        ledger.failed(&subject(), None, &failure(message), routes, at(minute));
    }

    fn succeed(ledger: &mut Ledger, minute: i64) -> Vec<(Event, u64)> {
        ledger.succeeded(&subject(), &routes(), at(minute));
        told(ledger, minute)
    }

    #[test]
    fn the_same_fault_is_told_once_and_again_with_a_count_when_the_window_ends() {
        let mut ledger = Ledger::default();
        assert_eq!(fail(&mut ledger, "port 1", 0), [(Event::Failed, 1)]);
        for minute in 1..60 {
            assert_eq!(fail(&mut ledger, &format!("port {minute}"), minute), []);
        }
        assert_eq!(fail(&mut ledger, "port 1", 60), [(Event::StillFailing, 61)]);
        assert_eq!(fail(&mut ledger, "port 1", 61), []);
    }

    #[test]
    fn faults_that_take_turns_are_told_once_each() {
        let mut ledger = Ledger::default();
        let events: Vec<_> = ["a", "b", "a", "b"]
            .iter()
            .flat_map(|m| fail(&mut ledger, m, 0))
            .collect();
        assert_eq!(events, [(Event::Failed, 1), (Event::Failed, 1)]);
    }

    #[test]
    fn a_recovery_is_told_once_and_makes_the_fault_news_again() {
        let mut ledger = Ledger::default();
        fail(&mut ledger, "a", 0);
        fail(&mut ledger, "a", 1);
        assert_eq!(succeed(&mut ledger, 2), [(Event::Recovered, 2)]);
        assert_eq!(succeed(&mut ledger, 3), []);
        assert_eq!(fail(&mut ledger, "a", 4), [(Event::Failed, 1)]);
    }

    #[test]
    fn what_was_not_taken_waits_and_is_told_once() {
        let mut ledger = Ledger::default();
        for minute in 0..3 {
            run_failed(&mut ledger, "a", &routes(), minute);
        }
        ledger.put_off(&[0], at(9));
        assert_eq!(
            ledger
                .waiting("ops")
                .map(|w| (w.attempts, w.not_before))
                .collect::<Vec<_>>(),
            [(1, at(9))]
        );
        assert_eq!(told(&mut ledger, 9), [(Event::Failed, 3)]);
        assert_eq!(fail(&mut ledger, "a", 10), []);
    }

    #[test]
    fn a_fault_that_ended_before_it_was_told_is_told_with_its_end() {
        let mut ledger = Ledger::default();
        run_failed(&mut ledger, "a", &routes(), 0);
        assert_eq!(
            succeed(&mut ledger, 1),
            [(Event::Failed, 1), (Event::Recovered, 1)]
        );
    }

    #[test]
    fn nothing_is_told_while_paused_and_what_lasts_is_told_afterwards() {
        let mut ledger = Ledger::default();
        let paused = [Route {
            is_paused: true,
            ..routes()[0].clone()
        }];
        run_failed(&mut ledger, "a", &paused, 0);
        assert_eq!(ledger.waiting("ops").count(), 0);
        assert_eq!(fail(&mut ledger, "a", 1), [(Event::Failed, 2)]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut ledger = Ledger::default();
        for number in 0..1000 {
            let message = "x".repeat(1 + number % 100);
            run_failed(&mut ledger, &message, &routes(), 0);
            ledger.bound(&routes());
        }
        assert!(ledger.waiting("ops").count() <= MOST_WAITING);
        ledger.bound(&[]);
        assert_eq!(ledger.waiting("ops").count(), 0);
    }

    #[test]
    fn messages_are_the_same_but_for_numbers_and_hashes() {
        assert_eq!(
            normalised("port 22 at 127.0.0.1"),
            normalised("port 2222 at 10.0.0.7")
        );
        assert_eq!(
            normalised("object deadbeefcafe"),
            normalised("object 0123456789ab")
        );
        assert_ne!(normalised("host a"), normalised("host b"));
    }
}
