//! Many pipelines, alerters and engines.

use std::time::Duration;

use gitbarge_core::{ErrorKind, Event};
use gitbarge_testkit::memory::MemoryState;
use gitbarge_testkit::repository::Repository;
use tokio::time::{Instant, sleep};

use crate::alerts::Scene;
use crate::lab::{
    Daemon, FakeAlerter, FakeSink, FakeSource, FakeTrigger, config, past, pipeline, sync_one,
    with_alerter, with_trigger,
};
use crate::script::{Act, fail, until};

#[tokio::test(start_paused = true)]
async fn two_engines_on_one_state_tell_a_fault_once() {
    let scene = Scene::new();
    scene.alerter.telling.first([Act::Block]);
    scene.source.connecting.always(fail(ErrorKind::AuthFailed));
    tokio::join!(
        sync_one(&scene.state, &scene.site),
        sync_one(&scene.state, &scene.site),
        async {
            scene.alerter.telling.called(1).await;
            until(async || past(&scene.state, "site").await.len() == 2).await;
            // The other engine wants to tell, too.
            sleep(Duration::from_secs(1)).await;
            scene.alerter.telling.release();
        }
    );
    assert_eq!(scene.alerter.telling.count(), 1);
    assert_eq!(scene.alerter.notices().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_daemons_on_one_state_tell_a_fault_and_its_end_once() {
    let scene = Scene::new();
    scene.source.connecting.always(fail(ErrorKind::AuthFailed));
    let start = || Daemon::start(config(&scene.state, [scene.site.clone()]));
    let daemons = [start(), start()];
    until(async || past(&scene.state, "site").await.len() == 2).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(scene.alerter.notices().len(), 1);
    for daemon in daemons {
        daemon.end().await;
    }
    scene.source.connecting.always(Act::Pass);
    let daemons = [start(), start()];
    until(async || past(&scene.state, "site").await.len() == 4).await;
    sleep(Duration::from_secs(60)).await;
    for daemon in daemons {
        daemon.end().await;
    }
    let events: Vec<_> = scene.alerter.told().into_iter().map(|(e, _)| e).collect();
    assert_eq!(events, [Event::Failed, Event::Recovered]);
}

#[tokio::test(start_paused = true)]
async fn one_alerter_fails_and_the_other_is_told_once() {
    let mut scene = Scene::new();
    let broken = FakeAlerter::new();
    broken.telling.always(fail(ErrorKind::Unreachable));
    scene.site = with_alerter(scene.site, broken.route("broken"));
    for _ in 0..3 {
        scene.fails("no").await;
    }
    assert_eq!(scene.alerter.told(), [(Event::Failed, 1)]);
    assert_eq!((broken.messages().len(), broken.telling.count()), (0, 3));
    scene.succeeds().await;
    assert_eq!(scene.alerter.told()[1..], [(Event::Recovered, 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_daemon_gathers_what_fails_together() {
    let (state, alerter, source) = (MemoryState::new(), FakeAlerter::new(), FakeSource::broken());
    source
        .connecting
        .always(Act::Slow(Duration::from_millis(200)));
    let pipelines = (0..200).map(|number| {
        let pipeline = pipeline(&format!("p{number}"), &source, &[]);
        with_alerter(pipeline, alerter.route("ops"))
    });
    let daemon = Daemon::start(config(&state, pipelines));
    source.connecting.called(200).await;
    until(async || !alerter.messages().is_empty()).await;
    sleep(Duration::from_secs(60)).await;
    let sizes: Vec<_> = alerter.messages().iter().map(|m| m.notices.len()).collect();
    assert_eq!(sizes, [200]);
    daemon.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_lonely_failure_is_told_soon_while_others_run_all_the_time() {
    let repository = Repository::with_one_commit();
    let (state, alerter, broken) = (MemoryState::new(), FakeAlerter::new(), FakeSource::broken());
    let trigger = FakeTrigger::new();
    let site = with_alerter(pipeline("site", &broken, &[]), alerter.route("ops"));
    let busy = pipeline("busy", &FakeSource::of(&repository), &[&FakeSink::new()]);
    let busy = with_trigger(busy, &trigger);
    let daemon = Daemon::start(config(&state, [site, busy]));
    broken.connecting.called(1).await;
    let failed_at = Instant::now();
    while alerter.messages().is_empty() {
        trigger.request();
        sleep(Duration::from_millis(100)).await;
        assert!(failed_at.elapsed() < Duration::from_secs(5));
    }
    daemon.end().await;
}
