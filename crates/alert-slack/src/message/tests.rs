//! Tests of what people read in Slack.

use std::time::Duration;

use gitbarge_core::{ErrorKind, Failure};
use gitbarge_testkit::alerter::{alert, notice};
use gitbarge_testkit::slack::limits;
use proptest::prelude::{Strategy, any, prop_assert, prop_oneof, proptest};

use super::*;

fn shown(alert: &Alert) -> String {
    limits(&payload(alert)).unwrap().join("\n---\n")
}

#[test]
fn a_failure_is_shown_in_full() {
    insta::assert_snapshot!(shown(&alert(Event::Failed, "site")), @r"
    site failed: auth_failed: the remote refused the key SHA256:abc
    ---
    site failed
    ---
    *Pipeline*
    `site`
    ---
    *Repository*
    `git@git.example:org/site.git`
    ---
    *Ref*
    `refs/heads/main`
    ---
    *Sink*
    `runner`
    ---
    *Error*
    `auth_failed`
    ---
    *Commit*
    `0123456789abcdef0123456789abcdef01234567`
    ---
    ```
    the remote refused the key SHA256:abc
    ```
    ---
    *What to do:* add the key to the repository's deploy keys
    ---
    gitbarge · 2026-01-01T00:10:00Z
    ");
}

#[test]
fn a_lasting_failure_says_since_when_and_how_often() {
    let text = shown(&alert(Event::StillFailing, "site"));
    assert!(text.contains("site is still failing"), "{text}");
    assert!(text.contains("*Since*\n2026-01-01T00:00:00Z"), "{text}");
    assert!(text.contains("*Failed runs*\n3"), "{text}");
}

#[test]
fn a_recovery_is_shown_with_duration_and_count() {
    insta::assert_snapshot!(shown(&alert(Event::Recovered, "site")), @r"
    site recovered after 10m (failed runs: 3)
    ---
    site recovered
    ---
    *Pipeline*
    `site`
    ---
    *Repository*
    `git@git.example:org/site.git`
    ---
    *Ref*
    `refs/heads/main`
    ---
    *Sink*
    `runner`
    ---
    *Last error*
    `auth_failed`
    ---
    *Commit*
    `0123456789abcdef0123456789abcdef01234567`
    ---
    *Down for*
    10m
    ---
    *Failed runs*
    3
    ---
    ```
    the remote refused the key SHA256:abc
    ```
    ---
    gitbarge · 2026-01-01T00:10:00Z
    ");
}

#[test]
fn a_test_message_names_its_pipeline() {
    insta::assert_snapshot!(shown(&alert(Event::Test, "site")), @r"
    Test message of site
    ---
    Test message of site
    ---
    *Pipeline*
    `site`
    ---
    *Repository*
    `git@git.example:org/site.git`
    ---
    gitbarge · 2026-01-01T00:10:00Z
    ");
}

#[test]
fn a_digest_counts_and_lists() {
    let notices = vec![
        notice(Event::Failed, "site"),
        notice(Event::Failed, "blog"),
        notice(Event::Recovered, "docs"),
    ];
    insta::assert_snapshot!(shown(&Alert { notices }), @r"
    2 failed, 1 recovered: site failed: auth_failed: the remote refused the key SHA256:abc
    ---
    2 failed, 1 recovered
    ---
    *site failed* · `git@git.example:org/site.git` · `refs/heads/main` · `runner` · `auth_failed` · `0123456789abcdef0123456789abcdef01234567`
    `the remote refused the key SHA256:abc`
    ---
    *blog failed* · `git@git.example:org/blog.git` · `refs/heads/main` · `runner` · `auth_failed` · `0123456789abcdef0123456789abcdef01234567`
    `the remote refused the key SHA256:abc`
    ---
    *docs recovered* · `git@git.example:org/docs.git` · `refs/heads/main` · `runner` · `auth_failed` · `0123456789abcdef0123456789abcdef01234567` · 10m · 3
    `the remote refused the key SHA256:abc`
    ---
    gitbarge · 2026-01-01T00:10:00Z
    ");
}

#[test]
fn a_long_digest_says_how_many_more() {
    let notices = (0..200).map(|n| notice(Event::Failed, &format!("p{n}")));
    let notices = Alert {
        notices: notices.collect(),
    };
    let text = shown(&notices);
    assert!(text.starts_with("200 failed: p0 failed"), "{text}");
    assert!(text.contains("… and 153 more: `p47`"), "{text}");
    assert!(text.contains("`p199`"), "{text}");
}

#[test]
fn hostile_text_pings_nobody() {
    let mut notice = notice(Event::Failed, "site");
    notice.failure = Some(Failure {
        kind: ErrorKind::Internal,
        message: "```<!channel>``` & <@U123>".to_owned(),
        hint: Some("<!here> ``` ok".to_owned()),
    });
    let alert = Alert {
        notices: vec![notice],
    };
    for text in limits(&payload(&alert)).unwrap() {
        assert!(!text.contains("<!") && !text.contains("<@"), "{text}");
        assert!(matches!(text.matches("```").count(), 0 | 2), "{text}");
    }
}

#[test]
fn a_clock_that_was_set_back_is_survived() {
    let mut notice = notice(Event::Recovered, "site");
    notice.since = notice.at + Duration::from_secs(9);
    assert_eq!(lasted(&notice), "0s");
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "([&<>`\n]|\\PC){0,60}",
        any::<String>(),
        "[&<>`a]{2000,6000}",
        "(😀|&){3000}"
    ]
}

fn any_notice() -> impl Strategy<Value = Notice> {
    let event = prop_oneof![
        any::<()>().prop_map(|()| Event::Failed),
        any::<()>().prop_map(|()| Event::StillFailing),
        any::<()>().prop_map(|()| Event::Recovered),
        any::<()>().prop_map(|()| Event::Test),
    ];
    let options = (
        proptest::option::of(text()),
        proptest::option::of(text()),
        proptest::option::of((text(), proptest::option::of(text()))),
    );
    (event, text(), text(), options).prop_map(|(event, pipeline, repository, options)| {
        let (sink, reference, failure) = options;
        Notice {
            sink,
            repository,
            reference,
            failure: failure.map(|(message, hint)| Failure {
                kind: ErrorKind::Corrupt,
                message,
                hint,
            }),
            ..notice(event, &pipeline)
        }
    })
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn every_alert_fits_slacks_limits(notices in proptest::collection::vec(any_notice(), 1..60)) {
        let payload = payload(&Alert { notices });
        let texts = limits(&payload);
        prop_assert!(texts.is_ok(), "{texts:?}");
        for text in texts.unwrap() {
            let rest = text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
            prop_assert!(!rest.contains(['&', '<', '>']), "{text}");
            prop_assert!(matches!(text.matches("```").count(), 0 | 2), "{text}");
        }
    }
}
