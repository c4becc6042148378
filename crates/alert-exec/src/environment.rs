//! What the command sees in its environment.

use gitbarge_core::redact::redact;
use gitbarge_core::{Error, ErrorKind, Event, Notice, Result, Secret};
use zeroize::Zeroizing;

/// What gitbarge's own variables begin with.
const OWN: &str = "GITBARGE_";

/// What is wrong with the name of a variable.
pub(crate) fn fault(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Some("the name is no variable's name");
    }
    let is_own = name.starts_with(OWN);
    is_own.then_some("the variables that begin with `GITBARGE_` are gitbarge's own")
}

/// Reads a variable's value where it lies.
///
/// # Errors
/// `config`, naming the key.
pub(crate) fn value(name: &str, secret: &Secret) -> Result<Zeroizing<String>> {
    let text = secret.read()?;
    if text.expose().contains('\0') {
        let message = format!("`env.{name}` contains a NUL character");
        return Err(Error::new(ErrorKind::Config, message));
    }
    Ok(Zeroizing::new(text.expose_line().to_owned()))
}

/// What happened. Every variable is always there; what is not known is empty.
pub(crate) fn variables(notice: &Notice) -> [(&'static str, String); 14] {
    let failure = notice.failure.as_ref();
    let lasted = notice.at.duration_since(notice.since).as_millis();
    let text = |text: Option<&str>| text.map(redact).unwrap_or_default();
    [
        ("GITBARGE_EVENT", event(notice.event).to_owned()),
        ("GITBARGE_PIPELINE", notice.pipeline.clone()),
        ("GITBARGE_REPOSITORY", redact(&notice.repository)),
        ("GITBARGE_REF", text(notice.reference.as_deref())),
        ("GITBARGE_FROM", text(notice.from.as_deref())),
        ("GITBARGE_HASH", text(notice.commit.as_deref())),
        ("GITBARGE_SINK", text(notice.sink.as_deref())),
        (
            "GITBARGE_KIND",
            text(failure.map(|failure| failure.kind.as_str())),
        ),
        (
            "GITBARGE_MESSAGE",
            text(failure.map(|failure| failure.message.as_str())),
        ),
        (
            "GITBARGE_HINT",
            text(failure.and_then(|failure| failure.hint.as_deref())),
        ),
        ("GITBARGE_COUNT", notice.count.to_string()),
        ("GITBARGE_SINCE", notice.since.to_string()),
        ("GITBARGE_AT", notice.at.to_string()),
        ("GITBARGE_DURATION_MS", lasted.max(0).to_string()),
    ]
}

fn event(event: Event) -> &'static str {
    match event {
        Event::Synced => "synced",
        Event::Failed => "failed",
        Event::StillFailing => "still_failing",
        Event::Recovered => "recovered",
        Event::Test => "test",
    }
}

#[cfg(test)]
mod tests {
    use gitbarge_testkit::alerter::notice;

    use super::*;

    #[test]
    fn events_are_called_as_everywhere() {
        for one in [
            Event::Synced,
            Event::Failed,
            Event::StillFailing,
            Event::Recovered,
            Event::Test,
        ] {
            assert_eq!(serde_json::to_value(one).unwrap(), event(one));
        }
    }

    #[test]
    fn what_is_not_known_is_empty() {
        let mut notice = notice(Event::Synced, "site");
        notice.reference = None;
        let variables = variables(&notice);
        let of = |name| {
            &variables
                .iter()
                .find(|(known, _)| *known == name)
                .unwrap()
                .1
        };
        assert_eq!(of("GITBARGE_REF"), "");
        assert_eq!(of("GITBARGE_KIND"), "");
        assert_eq!(of("GITBARGE_DURATION_MS"), "600000");
    }
}
