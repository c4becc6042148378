//! What an alerter has not taken: it waits, is tried again, and is told once.

use std::time::Duration;

use gitbarge_core::{ErrorKind, Event};
use tokio::time::sleep;

use crate::alerts::Scene;
use crate::lab::{Daemon, FakeTrigger, config, past, sync_one, with_trigger};
use crate::runs::kind;
use crate::script::{Act, fail, until};

#[tokio::test(start_paused = true)]
async fn what_is_not_taken_is_told_by_the_next_process_once() {
    let scene = Scene::new();
    scene.alerter.telling.always(fail(ErrorKind::Unreachable));
    scene.fails("no").await;
    scene.fails("no").await;
    assert_eq!(scene.alerter.messages(), []);
    scene.alerter.telling.always(Act::Pass);
    scene.fails("no").await;
    scene.fails("no").await;
    assert_eq!(scene.alerter.told(), [(Event::Failed, 3)]);
}

#[tokio::test(start_paused = true)]
async fn an_alerter_that_does_not_answer_hides_and_delays_no_result() {
    let scene = Scene::new();
    scene.alerter.telling.always(Act::Hang);
    scene.source.connecting.always(fail(ErrorKind::AuthFailed));
    let record = sync_one(&scene.state, &scene.site).await;
    assert_eq!(kind(&record), Some(ErrorKind::AuthFailed));
    assert!(record.duration_ms < 1000);
    assert_eq!(past(&scene.state, "site").await, [record]);
    scene.alerter.telling.always(Act::Pass);
    scene.fails("it is auth_failed").await;
    assert_eq!(scene.alerter.told(), [(Event::Failed, 2)]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_ended_before_it_was_told_is_told_with_its_end() {
    let scene = Scene::new();
    scene.alerter.telling.always(fail(ErrorKind::Unreachable));
    scene.fails("no").await;
    scene.fails("no").await;
    scene.succeeds().await;
    assert_eq!(scene.alerter.messages(), []);
    // The second message does not overtake the first.
    assert_eq!(scene.alerter.telling.count(), 3);
    scene.alerter.telling.always(Act::Pass);
    scene.succeeds().await;
    scene.succeeds().await;
    assert_eq!(
        scene.alerter.told(),
        [(Event::Failed, 2), (Event::Recovered, 2)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_came_back_before_it_was_told_is_told_as_lasting() {
    let scene = Scene::new();
    scene.alerter.telling.always(fail(ErrorKind::Unreachable));
    scene.fails("no").await;
    scene.succeeds().await;
    scene.fails("no").await;
    scene.alerter.telling.always(Act::Pass);
    scene.fails("no").await;
    let failed_twice = (Event::Failed, 2);
    assert_eq!(
        scene.alerter.told(),
        [(Event::Failed, 1), (Event::Recovered, 1), failed_twice]
    );
}

#[tokio::test(start_paused = true)]
async fn an_alerter_that_asks_for_patience_is_left_alone() {
    let scene = Scene::new();
    scene
        .alerter
        .telling
        .first([Act::Busy(Duration::from_secs(600))]);
    scene.fails("no").await;
    scene.fails("no").await;
    scene.fails("something else").await;
    assert_eq!(scene.alerter.telling.count(), 1);
}

// What is put off is due by the clock on the wall, so the following tests take their time.

#[tokio::test]
async fn a_daemon_tries_again_with_back_off_until_it_is_taken() {
    let (mut scene, trigger) = (Scene::new(), FakeTrigger::new());
    // The pauses that this seed draws would be far too short.
    fastrand::seed(52);
    let away = fail(ErrorKind::Unreachable);
    scene.alerter.telling.first([away.clone(), away]);
    scene.source.connecting.always(fail(ErrorKind::AuthFailed));
    scene.site = with_trigger(scene.site, &trigger);
    let daemon = Daemon::start(config(&scene.state, [scene.site.clone()]));
    until(async || !scene.alerter.messages().is_empty()).await;
    let calls = scene.alerter.telling.calls();
    assert_eq!(calls.len(), 3);
    for pair in calls.windows(2) {
        assert!(pair[1] - pair[0] >= Duration::from_millis(450));
    }
    trigger.request();
    until(async || past(&scene.state, "site").await.len() == 2).await;
    daemon.end().await;
    assert_eq!(scene.alerter.told(), [(Event::Failed, 1)]);
}

#[tokio::test]
async fn a_new_daemon_tells_what_the_old_one_could_not() {
    let scene = Scene::new();
    scene.alerter.telling.always(fail(ErrorKind::Unreachable));
    scene.fails("no").await;
    scene.alerter.telling.always(Act::Pass);
    // No run ends: it is told for being left over.
    scene.source.connecting.always(Act::Block);
    let daemon = Daemon::start(config(&scene.state, [scene.site.clone()]));
    until(async || !scene.alerter.messages().is_empty()).await;
    scene.source.connecting.release();
    until(async || past(&scene.state, "site").await.len() == 2).await;
    until(async || scene.alerter.messages().len() == 2).await;
    daemon.end().await;
    assert_eq!(
        scene.alerter.told(),
        [(Event::Failed, 1), (Event::Recovered, 1)]
    );
}

#[tokio::test]
async fn a_recovery_does_not_overtake_what_was_put_off() {
    let (mut scene, trigger) = (Scene::new(), FakeTrigger::new());
    let patience = Duration::from_millis(1500);
    scene.alerter.telling.first([Act::Busy(patience)]);
    scene.source.connecting.first([fail(ErrorKind::AuthFailed)]);
    scene.site = with_trigger(scene.site, &trigger);
    let daemon = Daemon::start(config(&scene.state, [scene.site.clone()]));
    scene.alerter.telling.called(1).await;
    trigger.request();
    until(async || scene.alerter.messages().len() == 2).await;
    let events: Vec<_> = scene.alerter.told().into_iter().map(|(e, _)| e).collect();
    assert_eq!(events, [Event::Failed, Event::Recovered]);
    let calls = scene.alerter.telling.calls();
    assert!(calls[1] - calls[0] >= patience - Duration::from_millis(50));
    daemon.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_goes_on_running_while_an_alerter_is_slow() {
    let (mut scene, trigger) = (Scene::new(), FakeTrigger::new());
    scene.alerter.telling.first([Act::Block]);
    scene.source.connecting.always(fail(ErrorKind::AuthFailed));
    scene.site = with_trigger(scene.site, &trigger);
    let daemon = Daemon::start(config(&scene.state, [scene.site.clone()]));
    scene.alerter.telling.called(1).await;
    for runs in 2..=5 {
        trigger.request();
        until(async || past(&scene.state, "site").await.len() == runs).await;
    }
    assert_eq!(scene.alerter.messages(), []);
    scene.alerter.telling.release();
    until(async || !scene.alerter.messages().is_empty()).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(scene.alerter.telling.count(), 1);
    daemon.end().await;
}
