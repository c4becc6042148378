//! What is told, and how often.

use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::config::{Paused, Pipeline};
use gitbarge_core::{ErrorKind, Event};
use gitbarge_testkit::memory::MemoryState;
use gitbarge_testkit::repository::Repository;
use jiff::Timestamp;

use crate::lab::{FakeAlerter, FakeSink, FakeSource, pipeline, sync, sync_one, with_alerter};
use crate::script::{Act, fail};

/// One pipeline with one alerter.
pub(crate) struct Scene {
    pub(crate) state: MemoryState,
    pub(crate) source: Arc<FakeSource>,
    pub(crate) alerter: Arc<FakeAlerter>,
    pub(crate) site: Pipeline,
    _repository: Repository,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let repository = Repository::with_one_commit();
        let (source, alerter) = (FakeSource::of(&repository), FakeAlerter::new());
        let site = with_alerter(pipeline("site", &source, &[]), alerter.route("ops"));
        Self {
            state: MemoryState::new(),
            source,
            alerter,
            site,
            _repository: repository,
        }
    }

    /// A run that fails so.
    pub(crate) async fn fails(&self, message: &str) {
        let act = Act::Fail(ErrorKind::AuthFailed, message.to_owned());
        self.source.connecting.always(act);
        assert!(sync_one(&self.state, &self.site).await.is_failed());
    }

    pub(crate) async fn succeeds(&self) {
        self.source.connecting.always(Act::Pass);
        assert!(!sync_one(&self.state, &self.site).await.is_failed());
    }

    /// The messages of all failures that were told.
    fn told_messages(&self) -> Vec<String> {
        let notices = self.alerter.notices().into_iter();
        notices.filter_map(|n| Some(n.failure?.message)).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_fault_is_told_once_and_again_when_the_window_ends() {
    let mut scene = Scene::new();
    for _ in 0..100 {
        scene.fails("no").await;
    }
    assert_eq!(scene.alerter.told(), [(Event::Failed, 1)]);
    // Any window has ended by now.
    scene.site.alerters[0].suppress = Duration::ZERO;
    scene.fails("no").await;
    let reminded = [(Event::Failed, 1), (Event::StillFailing, 101)];
    assert_eq!(scene.alerter.told(), reminded);
    scene.site.alerters[0].suppress = Duration::from_secs(3600);
    for _ in 0..100 {
        scene.fails("no").await;
    }
    assert_eq!(scene.alerter.told(), reminded);
}

#[tokio::test(start_paused = true)]
async fn faults_that_take_turns_are_told_once_each() {
    let scene = Scene::new();
    for message in ["this", "that", "this", "that", "this", "that"] {
        scene.fails(message).await;
    }
    assert_eq!(scene.told_messages(), ["this", "that"]);
}

#[tokio::test(start_paused = true)]
async fn what_changes_from_run_to_run_makes_no_new_fault() {
    let scene = Scene::new();
    for message in [
        "request 3f2a9c1d-beef-4abc-9def-0123456789ab of pid 77 took 1.5s",
        "request 00c0ffee-1234-dead-face-feedfacecafe of pid 4242 took 12s",
        "request abcdefab-cdef-abcd-efab-cdefabcdefab of pid 1 took 350.25ms",
    ] {
        scene.fails(message).await;
    }
    assert_eq!(
        scene.told_messages().len(),
        1,
        "{:?}",
        scene.told_messages()
    );
    scene
        .fails("no object deadbeefdeadbeefdeadbeefdeadbeefdeadbeef")
        .await;
    scene
        .fails("no object 0123456789abcdef0123456789abcdef01234567")
        .await;
    assert_eq!(scene.told_messages().len(), 2);
    scene.fails("no object, no subject").await;
    assert_eq!(scene.told_messages().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_recovery_is_told_once_with_its_count_and_beginning() {
    let scene = Scene::new();
    for message in ["this", "that", "this"] {
        scene.fails(message).await;
    }
    scene.succeeds().await;
    scene.succeeds().await;
    let told = scene.alerter.told();
    assert_eq!(
        told,
        [
            (Event::Failed, 1),
            (Event::Failed, 1),
            (Event::Recovered, 3)
        ]
    );
    let notices = scene.alerter.notices();
    assert_eq!(notices[2].since, notices[0].since);
    assert!(notices[2].at > notices[2].since);
    assert!(notices[2].commit.is_some());
    // After a recovery, the same fault is news.
    scene.fails("this").await;
    assert_eq!(scene.alerter.told()[3..], [(Event::Failed, 1)]);
}

#[tokio::test(start_paused = true)]
async fn pipelines_with_the_same_fault_are_told_apart() {
    let scene = Scene::new();
    let other_source = FakeSource::broken();
    let mut other = pipeline("other", &other_source, &[]);
    other.alerters = scene.site.alerters.clone();
    let act = Act::Fail(ErrorKind::AuthFailed, "no".to_owned());
    other_source.connecting.always(act);
    scene.fails("no").await;
    sync_one(&scene.state, &other).await;
    let names = || -> Vec<String> {
        let notices = scene.alerter.notices().into_iter();
        notices.map(|notice| notice.pipeline).collect()
    };
    assert_eq!(names(), ["site", "other"]);
    // The health of one says nothing of the other.
    scene.succeeds().await;
    assert_eq!(names(), ["site", "other", "site"]);
    sync_one(&scene.state, &other).await;
    assert_eq!(scene.alerter.notices().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn sinks_with_the_same_fault_are_told_apart_and_recover_together() {
    let mut scene = Scene::new();
    let sinks = [FakeSink::new(), FakeSink::new()];
    let alerters = std::mem::take(&mut scene.site.alerters);
    scene.site = pipeline("site", &scene.source, &[&sinks[0], &sinks[1]]);
    scene.site.alerters = alerters;
    for sink in &sinks {
        sink.delivering.always(fail(ErrorKind::Refused));
    }
    for _ in 0..3 {
        sync_one(&scene.state, &scene.site).await;
    }
    let names: Vec<_> = scene
        .alerter
        .notices()
        .into_iter()
        .map(|n| n.sink)
        .collect();
    assert_eq!(names, [Some("a".to_owned()), Some("b".to_owned())]);
    sinks[0].delivering.always(Act::Pass);
    sync_one(&scene.state, &scene.site).await;
    assert_eq!(scene.alerter.notices().len(), 2, "one still fails");
    sinks[1].delivering.always(Act::Pass);
    sync_one(&scene.state, &scene.site).await;
    assert_eq!(scene.alerter.told()[2..], [(Event::Recovered, 4)]);
}

#[tokio::test(start_paused = true)]
async fn a_paused_alerter_is_silent_and_hears_of_what_lasts_afterwards() {
    let mut scene = Scene::new();
    let in_an_hour = Timestamp::now() + jiff::Span::new().hours(1);
    for paused in [Paused::Yes, Paused::Until(in_an_hour)] {
        scene.site.alerters[0].paused = paused;
        scene.fails("no").await;
        assert_eq!(scene.alerter.messages(), []);
    }
    scene.site.alerters[0].paused = Paused::Until(Timestamp::now());
    scene.fails("no").await;
    assert_eq!(scene.alerter.told(), [(Event::Failed, 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_paused_alerter_hears_of_the_end_of_what_it_knew_afterwards() {
    let mut scene = Scene::new();
    scene.fails("no").await;
    scene.site.alerters[0].paused = Paused::Yes;
    scene.succeeds().await;
    scene.fails("not now").await;
    scene.succeeds().await;
    assert_eq!(scene.alerter.told(), [(Event::Failed, 1)]);
    scene.site.alerters[0].paused = Paused::No;
    scene.succeeds().await;
    scene.succeeds().await;
    assert_eq!(
        scene.alerter.told(),
        [(Event::Failed, 1), (Event::Recovered, 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn two_hundred_pipelines_that_fail_at_once_are_told_in_one_message() {
    let (state, alerter, source) = (MemoryState::new(), FakeAlerter::new(), FakeSource::broken());
    let names = || (0..200).map(|number| format!("p{number}"));
    let make = |name: String| with_alerter(pipeline(&name, &source, &[]), alerter.route("ops"));
    sync(&state, names().map(make)).await;
    let messages = alerter.messages();
    assert_eq!(messages.len(), 1);
    let mut told: Vec<_> = messages[0]
        .notices
        .iter()
        .map(|n| n.pipeline.clone())
        .collect();
    let mut all: Vec<_> = names().collect();
    told.sort();
    all.sort();
    assert_eq!(told, all);
    sync(&state, names().map(make)).await;
    assert_eq!(alerter.messages().len(), 1);
}
