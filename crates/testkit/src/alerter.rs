//! What every alerter promises.

use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::{Alert, Alerter, ErrorKind, Event, Failure, Notice, Run};
use jiff::Timestamp;
use tokio::time::timeout;

/// Within so long a cancelled alert has ended, with some room for a busy machine.
const PROMPT: Duration = Duration::from_secs(2);

/// The other side of an alerter, as a test sees it.
pub trait Receiver: Sync {
    /// The messages that were taken, as text.
    fn taken(&self) -> Vec<String>;

    /// Sets what happens to the next messages.
    fn set_mood(&self, mood: Mood);

    /// Waits until a message has arrived that is neither taken nor refused.
    fn hanging(&self) -> impl Future<Output = ()> + Send;
}

/// What a receiver does with messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It takes them.
    Takes,
    /// It refuses them.
    Refuses,
    /// It does not answer.
    Hangs,
}

/// Tries an alerter whose receiver takes messages at first.
///
/// # Panics
/// If a promise is not kept.
pub async fn conformance(alerter: Arc<dyn Alerter>, receiver: &impl Receiver) {
    a_probe_tells_nobody_anything(&*alerter, receiver).await;
    each_event_is_told_once(&*alerter, receiver).await;
    many_notices_are_one_message(&*alerter, receiver).await;
    secrets_stay_at_home(&*alerter, receiver).await;
    a_refused_message_is_an_error_and_can_be_told_again(&*alerter, receiver).await;
    a_cancelled_alert_ends_at_once(&alerter, receiver).await;
}

/// An alert of one notice about a pipeline.
pub fn alert(event: Event, pipeline: &str) -> Alert {
    Alert {
        notices: vec![notice(event, pipeline)],
    }
}

/// A notice about a pipeline whose key was refused three times within ten minutes.
pub fn notice(event: Event, pipeline: &str) -> Notice {
    let since = Timestamp::from_second(1_767_225_600).expect("2026 is in range");
    let failure = Failure {
        kind: ErrorKind::AuthFailed,
        message: "the remote refused the key SHA256:abc".to_owned(),
        hint: Some("add the key to the repository's deploy keys".to_owned()),
    };
    Notice {
        event,
        pipeline: pipeline.to_owned(),
        sink: Some("runner".to_owned()),
        repository: format!("git@git.example:org/{pipeline}.git"),
        reference: Some("refs/heads/main".to_owned()),
        commit: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
        from: None,
        failure: (!matches!(event, Event::Test | Event::Synced)).then_some(failure),
        count: 3,
        since,
        at: since + Duration::from_secs(600),
    }
}

async fn a_probe_tells_nobody_anything(alerter: &dyn Alerter, receiver: &impl Receiver) {
    let run = Run::standalone("probe");
    alerter.probe(&run).await.expect("reaches its receiver");
    assert_eq!(receiver.taken(), [""; 0]);
}

async fn each_event_is_told_once(alerter: &dyn Alerter, receiver: &impl Receiver) {
    for (event, pipeline) in [
        (Event::Failed, "pipeline-one"),
        (Event::StillFailing, "pipeline-two"),
        (Event::Recovered, "pipeline-three"),
        (Event::Test, "pipeline-four"),
        (Event::Synced, "pipeline-five"),
    ] {
        let text = tell(alerter, receiver, &alert(event, pipeline)).await;
        assert!(text.contains(pipeline), "{text}");
        if !matches!(event, Event::Test | Event::Synced) {
            assert!(text.contains("auth_failed"), "{text}");
        }
    }
}

async fn many_notices_are_one_message(alerter: &dyn Alerter, receiver: &impl Receiver) {
    let many = alerter.most_together().min(200);
    let notices = (0..many).map(|n| notice(Event::Failed, &format!("pipeline-{n}")));
    let notices = Alert {
        notices: notices.collect(),
    };
    let text = tell(alerter, receiver, &notices).await;
    assert!(text.contains("pipeline-0"), "{text}");
}

async fn secrets_stay_at_home(alerter: &dyn Alerter, receiver: &impl Receiver) {
    let leak = "https://me:hunter2@git.example/x?token=hunter2 \
        -----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----";
    let mut notice = notice(Event::Failed, "leaky");
    notice.repository = leak.to_owned();
    notice.failure = Some(Failure {
        kind: ErrorKind::Unreachable,
        message: leak.to_owned(),
        hint: Some(leak.to_owned()),
    });
    let leaky = Alert {
        notices: vec![notice.clone()],
    };
    let text = tell(alerter, receiver, &leaky).await;
    assert!(!text.contains("hunter2"), "{text}");
    let digest = Alert {
        notices: vec![notice; alerter.most_together().min(3)],
    };
    let text = tell(alerter, receiver, &digest).await;
    assert!(!text.contains("hunter2"), "{text}");
}

async fn a_refused_message_is_an_error_and_can_be_told_again(
    alerter: &dyn Alerter,
    receiver: &impl Receiver,
) {
    let run = Run::standalone("refused");
    let alert = alert(Event::Failed, "refused");
    let before = receiver.taken().len();
    receiver.set_mood(Mood::Refuses);
    let refused = alerter.alert(&alert, &run).await;
    refused.expect_err("was refused");
    assert_eq!(receiver.taken().len(), before);
    receiver.set_mood(Mood::Takes);
    tell(alerter, receiver, &alert).await;
}

async fn a_cancelled_alert_ends_at_once(alerter: &Arc<dyn Alerter>, receiver: &impl Receiver) {
    let run = Run::standalone("cancelled");
    receiver.set_mood(Mood::Hangs);
    let (telling, told_run) = (alerter.clone(), run.clone());
    let telling = tokio::spawn(async move {
        let alert = alert(Event::Failed, "cancelled");
        telling.alert(&alert, &told_run).await
    });
    receiver.hanging().await;
    run.cancel_token().cancel();
    let ended = timeout(PROMPT, telling).await.expect("ends at once");
    let error = ended.expect("does not panic").expect_err("was not taken");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    receiver.set_mood(Mood::Takes);
}

/// Tells an alert, and returns the one message that arrived.
async fn tell(alerter: &dyn Alerter, receiver: &impl Receiver, alert: &Alert) -> String {
    let before = receiver.taken().len();
    let told = alerter.alert(alert, &Run::standalone("told")).await;
    told.expect("is taken");
    let mut taken = receiver.taken().split_off(before);
    assert_eq!(taken.len(), 1, "{taken:?}");
    taken.remove(0)
}
