//! Who may send, and how often in vain.

use gitbarge_core::Secret;
use gitbarge_trigger_webhook::{Networks, Provider, Secrets, WebhookTrigger};

use crate::lab::{Delivery, Lab, SECRET, body, github};

fn trigger() -> WebhookTrigger {
    WebhookTrigger::new(Provider::Github, &Secrets::new([Secret::literal(SECRET)]))
}

fn networks(texts: &[&str]) -> Networks {
    Networks::parse(texts).expect("they are networks")
}

fn unproved() -> Delivery {
    github("x", body()).with("X-Hub-Signature-256", &format!("sha256={}", "0".repeat(64)))
}

#[tokio::test]
async fn strangers_are_refused_before_their_proof_is_looked_at() {
    let lab = Lab::of(trigger().allowing(networks(&["127.0.0.2", "10.0.0.0/8", "2001:db8::/32"])));
    for (number, sender) in [
        "127.0.0.2",
        "10.255.255.255",
        "::ffff:10.0.0.1",
        "2001:db8::7",
    ]
    .iter()
    .enumerate()
    {
        let answer = lab
            .send_from(sender, &github(&number.to_string(), body()))
            .await;
        assert_eq!(answer.status, 202, "{sender}: {answer:?}");
    }
    for sender in [
        "127.0.0.1",
        "127.0.0.22",
        "11.0.0.1",
        "::ffff:127.0.0.3",
        "2001:db9::1",
    ] {
        assert_eq!(
            lab.send_from(sender, &unproved()).await.status,
            403,
            "{sender}"
        );
    }
    assert_eq!(lab.send_from("127.0.0.2", &unproved()).await.status, 401);
}

#[tokio::test]
async fn a_forged_x_forwarded_for_helps_nobody() {
    let lab = Lab::of(
        trigger()
            .allowing(networks(&["203.0.113.0/24"]))
            .trusting(networks(&["127.0.0.1", "10.0.0.0/8"])),
    );
    let sent = |lines: &[&str]| {
        let delivery = github(&lines.join("|"), body());
        lines.iter().fold(delivery, |delivery, line| {
            delivery.and("X-Forwarded-For", line)
        })
    };
    for lines in [
        &["203.0.113.9"][..],
        &["198.51.100.1, 203.0.113.9"],
        &["203.0.113.9, 10.1.2.3"],
        &["198.51.100.1", "203.0.113.9"],
    ] {
        assert_eq!(
            lab.send_from("127.0.0.1", &sent(lines)).await.status,
            202,
            "{lines:?}"
        );
    }
    for lines in [
        &["203.0.113.9, 198.51.100.1"][..],
        &["203.0.113.9", "198.51.100.1"],
        &["garbage"],
        &[""],
        &["203.0.113.9, x"],
        &["10.1.2.3"],
        &[],
    ] {
        assert_eq!(
            lab.send_from("127.0.0.1", &sent(lines)).await.status,
            403,
            "{lines:?}"
        );
    }
    assert_eq!(
        lab.send_from("127.0.0.2", &sent(&["203.0.113.9"]))
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn a_flood_is_turned_away_and_nobody_else_is() {
    let lab = Lab::of(trigger().trusting(networks(&["127.0.0.1"])));
    let mut statuses = Vec::new();
    for _ in 0..300 {
        statuses.push(lab.send_from("198.51.100.1", &unproved()).await);
    }
    assert!(statuses[..20].iter().all(|answer| answer.status == 401));
    let first = statuses
        .iter()
        .position(|answer| answer.status == 429)
        .unwrap();
    assert!((20..300).contains(&first));
    let turned_away = &statuses[299];
    assert!(
        turned_away.status == 429 && turned_away.retry_after >= Some(1),
        "{turned_away:?}"
    );
    // Neither somebody else nor somebody else behind a proxy pays for it.
    assert_eq!(lab.send_from("198.51.100.2", &unproved()).await.status, 401);
    assert_eq!(
        lab.send_from("198.51.100.2", &github("a", body()))
            .await
            .status,
        202
    );
    let behind = github("b", body()).with("X-Forwarded-For", "198.51.100.3");
    assert_eq!(lab.send_from("127.0.0.1", &behind).await.status, 202);
    let himself = github("c", body()).with("X-Forwarded-For", "198.51.100.1");
    assert_eq!(lab.send_from("127.0.0.1", &himself).await.status, 429);
}

#[tokio::test]
async fn a_flood_that_passed_the_screen_together_is_turned_away_too() {
    let lab = Lab::of(trigger());
    let mut too_many = 0;
    for _ in 0..300 {
        // All were screened before the first was answered.
        let answer = lab
            .endpoint
            .answer(unproved().request(), [198, 51, 100, 1].into())
            .await;
        too_many += usize::from(answer.status() == 429);
    }
    assert!((1..280).contains(&too_many), "{too_many}");
}

#[tokio::test]
async fn proved_deliveries_are_never_too_many() {
    let lab = Lab::of(trigger());
    for number in 0..1_000 {
        assert_eq!(
            lab.send(&github(&number.to_string(), body())).await.status,
            202
        );
    }
}
