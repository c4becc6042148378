//! What a message says.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gitbarge_core::redact::redact;
use gitbarge_core::{ErrorKind, Event, Notice};
use jiff::Timestamp;
use serde::Serialize;

/// The body of a message. Every key is always there; what is not known is `null`.
#[derive(Debug, Serialize)]
struct Body<'a> {
    event: Event,
    pipeline: &'a str,
    repository: String,
    #[serde(rename = "ref")]
    reference: Option<&'a str>,
    from: Option<&'a str>,
    to: Option<&'a str>,
    sink: Option<&'a str>,
    kind: Option<ErrorKind>,
    message: Option<String>,
    hint: Option<String>,
    count: u64,
    since: Timestamp,
    at: Timestamp,
    duration_ms: u64,
}

/// The JSON of a notice.
pub(crate) fn body(notice: &Notice) -> Vec<u8> {
    let failure = notice.failure.as_ref();
    let lasted = notice.at.duration_since(notice.since);
    let body = Body {
        event: notice.event,
        pipeline: &notice.pipeline,
        repository: redact(&notice.repository),
        reference: notice.reference.as_deref(),
        from: notice.from.as_deref(),
        to: notice.commit.as_deref(),
        sink: notice.sink.as_deref(),
        kind: failure.map(|failure| failure.kind),
        message: failure.map(|failure| redact(&failure.message)),
        hint: failure.and_then(|failure| Some(redact(failure.hint.as_deref()?))),
        count: notice.count,
        since: notice.since,
        at: notice.at,
        duration_ms: u64::try_from(lasted.as_millis()).unwrap_or_default(),
    };
    serde_json::to_vec(&body).expect("its keys are strings")
}

/// The name of a message: the same whenever the same notice is told again, so that its receiver can tell that it has it already.
pub(crate) fn id(notice: &Notice) -> String {
    let event = serde_json::to_string(&notice.event).expect("an enum is JSON");
    // Not the count: it grows while the notice waits.
    let parts = [
        &event,
        &notice.pipeline,
        notice.sink.as_deref().unwrap_or_default(),
        notice.commit.as_deref().unwrap_or_default(),
        &notice.at.to_string(),
    ];
    let digest = digest::digest(&digest::SHA256, parts.join("\n").as_bytes());
    format!("msg_{}", URL_SAFE_NO_PAD.encode(&digest.as_ref()[..18]))
}

#[cfg(test)]
mod tests {
    use gitbarge_testkit::alerter::notice;

    use super::*;

    fn json(notice: &Notice) -> serde_json::Value {
        serde_json::from_slice(&body(notice)).unwrap()
    }

    #[test]
    fn a_failure_says_everything_that_is_known() {
        assert_eq!(
            json(&notice(Event::StillFailing, "site")),
            serde_json::json!({
                "event": "still_failing", "pipeline": "site", "repository": "git@git.example:org/site.git",
                "ref": "refs/heads/main", "from": null, "to": "0123456789abcdef0123456789abcdef01234567",
                "sink": "runner", "kind": "auth_failed", "message": "the remote refused the key SHA256:abc",
                "hint": "add the key to the repository's deploy keys", "count": 3,
                "since": "2026-01-01T00:00:00Z", "at": "2026-01-01T00:10:00Z", "duration_ms": 600_000,
            })
        );
    }

    #[test]
    fn a_synced_commit_has_where_it_came_from_and_no_failure() {
        let mut notice = notice(Event::Synced, "site");
        notice.from = Some("a".repeat(40));
        let json = json(&notice);
        assert_eq!(json["from"], "a".repeat(40));
        assert!(json["kind"].is_null() && json["message"].is_null());
    }

    #[test]
    fn the_name_is_the_same_for_the_same_notice_only() {
        let first = notice(Event::Failed, "site");
        let mut grown = first.clone();
        grown.count += 1;
        assert_eq!(id(&first), id(&grown));
        assert!(id(&first).starts_with("msg_") && id(&first).len() == 28);
        let mut later = first.clone();
        later.at += std::time::Duration::from_nanos(1);
        let mut other = first.clone();
        other.commit = None;
        for different in [
            later,
            other,
            notice(Event::Recovered, "site"),
            notice(Event::Failed, "s"),
        ] {
            assert_ne!(id(&first), id(&different), "{different:?}");
        }
    }
}
