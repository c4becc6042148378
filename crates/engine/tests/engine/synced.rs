//! News of commits: told until taken, of the newest only, and of every change once.

use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::config::{AlertRoute, Occasion, Pipeline};
use gitbarge_core::{ErrorKind, Event};
use gitbarge_engine::RunStatus;
use gitbarge_testkit::memory::MemoryState;
use gitbarge_testkit::repository::Repository;
use tokio::time::{Instant, sleep};

use crate::lab::{
    Daemon, FakeAlerter, FakeSink, FakeSource, FakeTrigger, config, pipeline, sync_one,
    with_alerter, with_trigger,
};
use crate::script::{Act, fail, until};

/// Longer than any pause between two tries.
const LONG: Duration = Duration::from_secs(600);

/// A pipeline whose alerter hears of commits only.
struct Scene {
    state: MemoryState,
    repository: Repository,
    sink: Arc<FakeSink>,
    alerter: Arc<FakeAlerter>,
    trigger: Arc<FakeTrigger>,
    site: Pipeline,
}

impl Scene {
    fn new() -> Self {
        Self::with(&FakeAlerter::new(), "site")
    }

    fn with(alerter: &Arc<FakeAlerter>, name: &str) -> Self {
        let repository = Repository::with_one_commit();
        let (sink, trigger) = (FakeSink::new(), FakeTrigger::new());
        let site = pipeline(name, &FakeSource::of(&repository), &[&sink]);
        let site = with_alerter(site, news(alerter));
        Self {
            state: MemoryState::new(),
            site: with_trigger(site, &trigger),
            repository,
            sink,
            alerter: alerter.clone(),
            trigger,
        }
    }

    fn push(&self, content: &str) -> String {
        let commit = self.repository.commit("main").write("file", content);
        commit.push().to_string()
    }

    fn tip(&self) -> String {
        self.repository
            .id("main")
            .expect("it has commits")
            .to_string()
    }

    /// Has a daemon run the pipeline, and waits until it has delivered so often.
    async fn runs(&self, deliveries: usize) {
        self.trigger.request();
        self.sink.delivering.called(deliveries).await;
    }
}

fn news(alerter: &Arc<FakeAlerter>) -> AlertRoute {
    AlertRoute {
        on: vec![Occasion::Synced],
        ..alerter.route("deploy")
    }
}

/// Where each told commit came from, and the commit.
fn told(alerter: &FakeAlerter) -> Vec<(Option<String>, String)> {
    let notices = alerter.notices().into_iter();
    notices
        .map(|notice| {
            assert_eq!(notice.event, Event::Synced);
            (notice.from, notice.commit.expect("it is known"))
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn each_new_commit_is_told_once_with_the_one_before_and_unchanged_runs_tell_nothing() {
    let scene = Scene::new();
    let first = scene.tip();
    for _ in 0..3 {
        sync_one(&scene.state, &scene.site).await;
    }
    assert_eq!(told(&scene.alerter), [(None, first.clone())]);
    let second = scene.push("new");
    for _ in 0..3 {
        sync_one(&scene.state, &scene.site).await;
    }
    let all = [(None, first.clone()), (Some(first), second)];
    assert_eq!(told(&scene.alerter), all);
    assert_eq!(scene.alerter.telling.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_process_was_killed_before_it_could_note_it_is_told_by_the_next() {
    let scene = Scene::new();
    let first = scene.tip();
    sync_one(&scene.state, &scene.site).await;
    let second = scene.push("new");
    scene.sink.delivering.always(Act::Hang);
    let (state, site) = (scene.state.clone(), scene.site.clone());
    let killed = tokio::spawn(async move { sync_one(&state, &site).await });
    scene.sink.delivering.called(2).await;
    killed.abort();
    assert!(killed.await.is_err());
    // The change itself was made, as a run of another state shows that knows nothing of this.
    scene.sink.delivering.always(Act::Pass);
    let elsewhere = FakeAlerter::new();
    let mut same_sink = scene.site.clone();
    same_sink.alerters = vec![news(&elsewhere)];
    sync_one(&MemoryState::new(), &same_sink).await;

    let record = sync_one(&scene.state, &scene.site).await;
    assert_eq!(record.status, RunStatus::Unchanged);
    let all = [(None, first.clone()), (Some(first), second)];
    assert_eq!(told(&scene.alerter), all);
    sync_one(&scene.state, &scene.site).await;
    assert_eq!(scene.alerter.notices().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_became_old_while_another_message_was_on_its_way_is_not_told() {
    let alerter = FakeAlerter::new();
    let scenes = ["one", "two"].map(|name| Scene::with(&alerter, name));
    alerter.telling.first([Act::Block]);
    let state = scenes[0].state.clone();
    let sites = scenes.iter().map(|scene| scene.site.clone());
    let daemon = Daemon::start(config(&state, sites));
    for scene in &scenes {
        scene.sink.delivering.called(1).await;
    }
    alerter.telling.called(1).await;
    let tips = scenes.each_ref().map(|scene| scene.push("newer"));
    for scene in &scenes {
        scene.runs(2).await;
    }
    // Both runs have been taken into account.
    sleep(Duration::from_secs(5)).await;
    alerter.telling.release();
    sleep(LONG).await;
    let mut commits: Vec<_> = told(&alerter).into_iter().map(|(_, to)| to).collect();
    // The first was on its way already; of the other pipeline only the newer commit is told.
    assert_eq!(commits.len(), 3, "{commits:?}");
    let mut newer = commits.split_off(1);
    newer.sort();
    let mut tips = tips.to_vec();
    tips.sort();
    assert_eq!(newer, tips);
    daemon.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_sync_waits_for_work_that_is_known_to_take_long_and_not_for_the_usual() {
    for (patience, is_told) in [(30, true), (10, false)] {
        let alerter = FakeAlerter::with_patience(Duration::from_secs(patience));
        let scene = Scene::with(&alerter, "site");
        alerter.telling.always(Act::Slow(Duration::from_secs(9)));
        let began = Instant::now();
        sync_one(&scene.state, &scene.site).await;
        assert_eq!(alerter.notices().len(), usize::from(is_told), "{patience}");
        assert!(
            began.elapsed() < Duration::from_secs(patience),
            "{patience}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_ends_breaks_a_message_off_and_the_next_one_tells_it_at_once() {
    let scene = Scene::new();
    scene.alerter.telling.first([Act::Block]);
    let daemon = Daemon::start(config(&scene.state, [scene.site.clone()]));
    scene.alerter.telling.called(1).await;
    let stopped_at = Instant::now();
    daemon.end().await;
    assert!(stopped_at.elapsed() < Duration::from_secs(3));
    let started_at = Instant::now();
    let daemon = Daemon::start(config(&scene.state, [scene.site.clone()]));
    scene.alerter.telling.called(2).await;
    assert!(
        started_at.elapsed() < Duration::from_millis(500),
        "it was no refusal"
    );
    until(async || scene.alerter.notices().len() == 1).await;
    daemon.end().await;
}

// What is put off is due by the clock on the wall, so the following tests take their time.

#[tokio::test]
async fn what_is_not_taken_is_told_with_back_off_until_it_is_and_of_the_newest_only() {
    let scene = Scene::new();
    let first = scene.tip();
    scene.alerter.telling.always(fail(ErrorKind::Rejected));
    let daemon = Daemon::start(config(&scene.state, [scene.site.clone()]));
    scene.alerter.telling.called(3).await;
    scene.push("second");
    scene.runs(2).await;
    scene.push("third");
    scene.runs(3).await;
    let newest = scene.push("fourth");
    scene.runs(4).await;
    let before = scene.alerter.telling.count();
    scene.alerter.telling.called(before + 2).await;
    let times = scene.alerter.telling.calls().split_off(before - 1);
    let mut pauses = times.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(pauses.all(|pause| pause >= Duration::from_millis(450)));
    scene.alerter.telling.always(Act::Pass);
    until(async || !scene.alerter.notices().is_empty()).await;
    daemon.end().await;
    // Nothing was told before: it is one step from nothing.
    assert_eq!(told(&scene.alerter), [(None, newest.clone())]);
    assert_ne!(first, newest);
}

#[tokio::test]
async fn what_an_earlier_process_could_not_tell_the_next_one_tells() {
    let scene = Scene::new();
    let first = scene.tip();
    scene.alerter.telling.always(fail(ErrorKind::Unreachable));
    sync_one(&scene.state, &scene.site).await;
    sync_one(&scene.state, &scene.site).await;
    assert_eq!(scene.alerter.telling.count(), 2);
    scene.alerter.telling.always(Act::Pass);
    let daemon = Daemon::start(config(&scene.state, [scene.site.clone()]));
    until(async || !scene.alerter.notices().is_empty()).await;
    daemon.end().await;
    assert_eq!(told(&scene.alerter), [(None, first)]);
}
