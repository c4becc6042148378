//! Every rule of the ledger.

use gitbarge_core::ErrorKind;

use super::*;
use crate::alerts::outbox::Pace;

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
    ledger.put_off(&[0], at(9), Some(at(5)));
    let waiting = ledger.waiting("ops").next().unwrap();
    let is_due = |pace, minute| waiting.is_due(pace, at(minute));
    assert!(!is_due(Pace::Once, 4) && is_due(Pace::Once, 5));
    assert!(!is_due(Pace::Steady, 8) && is_due(Pace::Steady, 9));
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
