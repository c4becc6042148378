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
        on: vec![Occasion::Failed, Occasion::Recovered],
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

/// The commits that the alerter `deploy` waits to hear of, with those before them.
fn waiting_commits(ledger: &Ledger) -> Vec<(Option<String>, Option<String>)> {
    let waiting = ledger.waiting("deploy");
    let commits = waiting.map(|w| (w.notice.from.clone(), w.notice.commit.clone()));
    commits.collect()
}

fn deploy() -> Vec<Route> {
    vec![Route {
        name: "deploy".to_owned(),
        on: vec![Occasion::Synced],
        ..routes()[0].clone()
    }]
}

/// A run that ended at a commit; `from` if it has changed a target itself.
fn sync(ledger: &mut Ledger, from: Option<Option<&str>>, to: &str, minute: i64) {
    let subject = Subject {
        commit: Some(to.to_owned()),
        ..subject()
    };
    ledger.synced(&subject, from, &deploy(), at(minute));
}

fn pair(from: Option<&str>, to: &str) -> (Option<String>, Option<String>) {
    (from.map(str::to_owned), Some(to.to_owned()))
}

#[test]
fn of_several_commits_that_wait_only_the_newest_is_told_as_one_step() {
    let mut ledger = Ledger::default();
    sync(&mut ledger, Some(None), "a", 0);
    assert_eq!(waiting_commits(&ledger), [pair(None, "a")]);
    let first = ledger.waiting("deploy").next().unwrap().number;
    ledger.told(&[first], at(0));
    sync(&mut ledger, Some(Some("a")), "b", 1);
    sync(&mut ledger, Some(Some("b")), "c", 2);
    assert_eq!(waiting_commits(&ledger), [pair(Some("a"), "c")]);
    // The news of `b` was on its way meanwhile: that it was taken says nothing of `c`.
    ledger.told(&[first + 1], at(2));
    assert_eq!(waiting_commits(&ledger), [pair(Some("a"), "c")]);
}

#[test]
fn a_run_that_changed_nothing_is_not_told() {
    let mut ledger = Ledger::default();
    sync(&mut ledger, None, "a", 0);
    assert_eq!(waiting_commits(&ledger), []);
    assert_eq!(ledger, Ledger::default());
}

#[test]
fn a_change_whose_run_never_ended_is_told_by_the_next_good_one() {
    let mut ledger = Ledger::default();
    ledger.changing(Some("a"), 1);
    // The process is killed; the next one finds the target changed already.
    sync(&mut ledger, None, "b", 1);
    assert_eq!(waiting_commits(&ledger), [pair(Some("a"), "b")]);
    sync(&mut ledger, None, "b", 2);
    assert_eq!(waiting_commits(&ledger), [pair(Some("a"), "b")]);
    assert_eq!(ledger.waiting("deploy").next().unwrap().notice.at, at(1));
}

#[test]
fn where_the_first_of_several_attempts_began_is_told() {
    let mut ledger = Ledger::default();
    ledger.changing(Some("a"), 1);
    ledger.changing(Some("b"), 2);
    sync(&mut ledger, Some(Some("b")), "c", 1);
    assert_eq!(waiting_commits(&ledger), [pair(Some("a"), "c")]);
}

#[test]
fn a_receiver_that_asks_for_time_gets_it_for_newer_commits_too() {
    let mut ledger = Ledger::default();
    sync(&mut ledger, Some(None), "a", 0);
    ledger.put_off(&[0], at(9), Some(at(5)));
    sync(&mut ledger, Some(Some("a")), "b", 1);
    let waiting = ledger.waiting("deploy").next().unwrap();
    assert_eq!((waiting.attempts, waiting.not_before), (0, at(5)));
    assert!(!waiting.is_due(Pace::Once, at(4)) && waiting.is_due(Pace::Once, at(5)));
}

#[test]
fn who_is_paused_hears_of_the_newest_commit_afterwards() {
    let mut ledger = Ledger::default();
    let paused = [Route {
        is_paused: true,
        ..deploy()[0].clone()
    }];
    for (from, to) in [(None, "a"), (Some("a"), "b")] {
        let subject = Subject {
            commit: Some(to.to_owned()),
            ..subject()
        };
        ledger.synced(&subject, Some(from), &paused, at(0));
    }
    assert_eq!(waiting_commits(&ledger), [pair(None, "b")]);
}

#[test]
fn what_another_process_may_have_made_untrue_is_not_told_until_a_run_knows() {
    let mut ledger = Ledger::default();
    sync(&mut ledger, Some(None), "a", 0);
    ledger.changing(Some("a"), 1);
    let count = |ledger: &Ledger, process| ledger.certain("deploy", process).count();
    // Its own process will know soon, and may tell meanwhile.
    assert_eq!((count(&ledger, 1), count(&ledger, 2)), (1, 0));
    sync(&mut ledger, None, "b", 1);
    assert_eq!((count(&ledger, 1), count(&ledger, 2)), (1, 1));
    assert_eq!(waiting_commits(&ledger), [pair(None, "b")]);
}
