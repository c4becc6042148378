//! What each forge sends is taken, and each of its parts matters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitbarge_core::Secret;
use gitbarge_trigger_webhook::{Provider, Secrets, WebhookTrigger};

use crate::lab::{Delivery, Lab, SECRET, body, github, mac, now, sign};

/// Every way to spoil a signature in hex.
async fn spoilt_signatures_are_refused(lab: &Lab, good: &Delivery, header: &str, prefix: &str) {
    let signature = mac(SECRET, &good.body);
    for (what, value) in [
        ("empty", String::new()),
        ("prefix only", prefix.to_owned()),
        (
            "another key",
            format!("{prefix}{}", mac("wrong", &good.body)),
        ),
        ("cut by one", format!("{prefix}{}", &signature[..63])),
        ("cut to half", format!("{prefix}{}", &signature[..32])),
        ("one more", format!("{prefix}{signature}0")),
        (
            "upper case",
            format!("{prefix}{}", signature.to_uppercase()),
        ),
        ("zeros", format!("{prefix}{}", "0".repeat(64))),
        ("not hex", format!("{prefix}{}", "z".repeat(64))),
        ("another prefix", format!("sha512={signature}")),
        (
            "two in one",
            format!("{prefix}{signature}, {prefix}{signature}"),
        ),
    ] {
        let answer = lab.refused(&good.with(header, &value), 401).await;
        assert!(!answer.reason.contains(&signature[..8]), "{what}");
    }
    lab.refused(&good.without(header), 401).await;
    lab.refused(&good.and(header, &format!("{prefix}{signature}")), 401)
        .await;
    let mut more = good.body.clone();
    more.push(b'\n');
    lab.refused(&good.saying(more), 401).await;
    lab.refused(&good.saying(""), 401).await;
}

#[tokio::test]
async fn github_signs_with_sha256() {
    let mut lab = Lab::new(Provider::Github);
    let good = github("a", body());
    lab.accepted(&good).await;
    spoilt_signatures_are_refused(&lab, &github("b", body()), "X-Hub-Signature-256", "sha256=")
        .await;
    let sha1 = good
        .without("X-Hub-Signature-256")
        .with("X-Hub-Signature", &"sha1=".repeat(9));
    lab.refused(&sha1, 401).await;
    assert_eq!(
        lab.refused(&good.with("X-GitHub-Event", "ping"), 200)
            .await
            .reason,
        "ping"
    );
}

#[tokio::test]
async fn gitlab_says_the_token() {
    let mut lab = Lab::new(Provider::Gitlab);
    let headers = [
        ("X-Gitlab-Event", "Push Hook"),
        ("Idempotency-Key", "a"),
        ("X-Gitlab-Token", SECRET),
    ];
    let good = Delivery::new(&headers, body());
    lab.accepted(&good).await;
    lab.accepted(
        &good
            .with("Idempotency-Key", "b")
            .with("X-Gitlab-Event", "Tag Push Hook"),
    )
    .await;
    let fresh = good.with("Idempotency-Key", "c");
    let longer = format!("{SECRET}x");
    for wrong in [
        "",
        "wrong",
        &SECRET[1..],
        &SECRET[..5],
        longer.as_str(),
        "Bearer Sup3r",
        &SECRET.to_uppercase(),
    ] {
        lab.refused(&fresh.with("X-Gitlab-Token", wrong), 401).await;
    }
    lab.refused(
        &fresh.without("X-Gitlab-Token").and("Authorization", SECRET),
        401,
    )
    .await;
    lab.refused(&fresh.and("X-Gitlab-Token", SECRET), 401).await;
    lab.refused(&fresh.with("X-Gitlab-Event", "Note Hook"), 200)
        .await;
}

#[tokio::test]
async fn gitea_and_forgejo_sign_under_either_name() {
    let mut lab = Lab::new(Provider::Gitea);
    let signature = mac(SECRET, &body());
    let forge = |name: &str, id: &str| {
        let header = |part: &str| format!("X-{name}-{part}");
        let (event, delivery, proof) = (header("Event"), header("Delivery"), header("Signature"));
        Delivery::new(
            &[(&event, "push"), (&delivery, id), (&proof, &signature)],
            body(),
        )
    };
    lab.accepted(&forge("Gitea", "a")).await;
    lab.accepted(&forge("Forgejo", "b")).await;
    let mut both = forge("Gitea", "c");
    both.headers.extend(forge("Forgejo", "c").headers);
    lab.accepted(&both).await;
    for name in ["Gitea", "Forgejo"] {
        let header = format!("X-{name}-Signature");
        spoilt_signatures_are_refused(&lab, &forge(name, "d"), &header, "").await;
        lab.refused(&both.with(&header, &"0".repeat(64)), 401).await;
    }
    // What it sends for the sake of others proves nothing.
    lab.refused(&forge("Gogs", "e"), 401).await;
}

#[tokio::test]
async fn bitbucket_cloud_and_data_center_sign_alike() {
    let mut lab = Lab::new(Provider::Bitbucket);
    let sent = |event: &str, id: (&str, &str), body: &str| {
        let signature = format!("sha256={}", mac(SECRET, body.as_bytes()));
        Delivery::new(
            &[
                ("X-Event-Key", event),
                id,
                ("X-Hub-Signature", signature.as_str()),
            ],
            body,
        )
    };
    let cloud = r#"{"push":{"changes":[{"new":{"type":"branch","name":"größe"}},{"new":{"type":"branch","name":"main"}}]}}"#;
    let server = r#"{"changes":[{"refId":"refs/heads/main","type":"UPDATE"}]}"#;
    let good = sent("repo:push", ("X-Request-UUID", "a"), cloud);
    lab.accepted(&good).await;
    lab.accepted(&sent("repo:refs_changed", ("X-Request-Id", "b"), server))
        .await;
    // A proxy's id does not count beside the forge's.
    lab.refused(&good.and("X-Request-Id", "other"), 200).await;
    spoilt_signatures_are_refused(
        &lab,
        &good.with("X-Request-UUID", "c"),
        "X-Hub-Signature",
        "sha256=",
    )
    .await;
    let ping = sent(
        "diagnostics:ping",
        ("X-Request-Id", "d"),
        r#"{"test":true}"#,
    );
    assert_eq!(lab.refused(&ping, 200).await.reason, "ping");
}

#[tokio::test]
async fn pierre_signs_the_time_too() {
    let mut lab = Lab::new(Provider::Pierre);
    let sent = |stamp: &str| {
        let message = [stamp.as_bytes(), b".", &body()].concat();
        let signature = format!("t={stamp},sha256={}", mac(SECRET, &message));
        Delivery::new(
            &[
                ("X-Pierre-Event", "push"),
                ("X-Pierre-Signature", signature.as_str()),
            ],
            body(),
        )
    };
    let aged = |age: i64| sent(&(now() - age).to_string());
    for age in [0, 1, 290, -50] {
        lab.accepted(&aged(age)).await;
    }
    for age in [310, -70, 100_000, -100_000] {
        lab.refused(&aged(age), 401).await;
    }
    for stamp in ["", "-5", "1e9", "soon"] {
        lab.refused(&sent(stamp), 401).await;
    }
    let without_time = format!("sha256={}", mac(SECRET, &body()));
    lab.refused(&aged(0).with("X-Pierre-Signature", &without_time), 401)
        .await;
    // A time that was not signed.
    let moved = aged(10).headers[1]
        .1
        .replace(&(now() - 10).to_string(), &now().to_string());
    lab.refused(&aged(0).with("X-Pierre-Signature", &moved), 401)
        .await;
    lab.refused(&aged(0).saying("{}"), 401).await;
    // It has no id: the same again asks for one more run, which finds nothing new.
    let same = aged(0);
    lab.accepted(&same).await;
    lab.accepted(&same).await;
}

const RAW: &[u8] = b"0123456789abcdef01234567";

fn standard(id: &str, age: i64, body: &[u8]) -> Delivery {
    let stamp = (now() - age).to_string();
    let message = [id.as_bytes(), b".", stamp.as_bytes(), b".", body].concat();
    let signature = format!("v1,{}", STANDARD.encode(sign(RAW, &message)));
    Delivery::new(
        &[
            ("webhook-id", id),
            ("webhook-timestamp", &stamp),
            ("webhook-signature", &signature),
        ],
        body,
    )
}

#[tokio::test]
async fn standard_webhooks_sign_the_id_and_the_time_too() {
    let secret = format!("whsec_{}", STANDARD.encode(RAW));
    let secrets = Secrets::new([Secret::literal(secret)]);
    let mut lab = Lab::of(WebhookTrigger::new(Provider::Standard, &secrets));
    for (id, age) in [("a", 0), ("b", 290), ("c", -290)] {
        lab.accepted(&standard(id, age, b"anything \xff\0")).await;
    }
    for age in [310, -310] {
        lab.refused(&standard("d", age, b""), 401).await;
    }
    let good = standard("e", 0, b"{}");
    let signature = good.headers[2].1.clone();
    lab.refused(&good.with("webhook-id", "f"), 401).await;
    lab.refused(
        &good.with("webhook-timestamp", &(now() - 1).to_string()),
        401,
    )
    .await;
    lab.refused(&good.saying("{} "), 401).await;
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        lab.refused(&good.without(name), 401).await;
        lab.refused(&good.and(name, "1"), 401).await;
    }
    let bare = signature.trim_start_matches("v1,");
    for bad in [
        "v1,",
        bare,
        &format!("v2,{bare}"),
        &signature[..40],
        &format!("v1,{}", STANDARD.encode([0; 32])),
    ] {
        lab.refused(&good.with("webhook-signature", bad), 401).await;
    }
    let several = format!("v1a,x v1,{} {signature}", STANDARD.encode([0; 32]));
    lab.accepted(&good.with("webhook-signature", &several))
        .await;
    lab.refused(&standard("a", 5, b""), 200).await;
}

/// The example of the specification's libraries.
#[tokio::test]
async fn the_known_vector_of_standard_webhooks_is_only_too_old() {
    let secrets = Secrets::new([Secret::literal("whsec_plJ3nmyCDGBKInavdOK15jsl")]);
    let lab = Lab::of(WebhookTrigger::new(Provider::Standard, &secrets));
    let known = Delivery::new(
        &[
            ("webhook-id", "msg_loFOjxBNrRLzqYUf"),
            ("webhook-timestamp", "1731705121"),
            (
                "webhook-signature",
                "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
            ),
        ],
        r#"{"event_type":"ping","data":{"success":true}}"#,
    );
    assert!(
        lab.refused(&known, 401)
            .await
            .reason
            .contains("too long ago")
    );
}

#[tokio::test]
async fn a_token_stands_in_a_header() {
    let mut lab = Lab::new(Provider::Token);
    let bearer = format!("Bearer {SECRET}");
    lab.accepted(&Delivery::new(&[("Authorization", &bearer)], ""))
        .await;
    lab.accepted(&Delivery::new(
        &[("Authorization", &bearer), ("Content-Type", "text/plain")],
        "\u{0}no json",
    ))
    .await;
    for wrong in [
        SECRET,
        "Bearer ",
        "Bearer x",
        "",
        &format!("Basic {SECRET}"),
        &bearer[..12],
    ] {
        lab.refused(&Delivery::new(&[("Authorization", wrong)], ""), 401)
            .await;
    }
    lab.refused(&Delivery::new(&[], ""), 401).await;

    let secrets = Secrets::new([Secret::literal(SECRET)]);
    let own = WebhookTrigger::new(Provider::Token, &secrets).proved_by(Some("X-Own"), None);
    let mut lab = Lab::of(own);
    lab.accepted(&Delivery::new(&[("x-own", SECRET)], "")).await;
    lab.refused(&Delivery::new(&[("x-own", &bearer)], ""), 401)
        .await;
    lab.refused(&Delivery::new(&[("Authorization", &bearer)], ""), 401)
        .await;
}

#[tokio::test]
async fn a_signature_may_have_a_header_of_its_own() {
    let mut lab = Lab::new(Provider::Signature);
    let text = b"anything \xff\0 at all";
    let signature = mac(SECRET, text);
    let usual = Delivery::new(
        &[("X-Hub-Signature-256", &format!("sha256={signature}"))],
        text,
    );
    lab.accepted(&usual).await;
    spoilt_signatures_are_refused(&lab, &usual, "X-Hub-Signature-256", "sha256=").await;

    let secrets = Secrets::new([Secret::literal(SECRET)]);
    let own = WebhookTrigger::new(Provider::Signature, &secrets)
        .proved_by(Some("X-My-Sig"), Some("hmac "));
    let mut lab = Lab::of(own);
    let own = Delivery::new(&[("X-My-Sig", &format!("hmac {signature}"))], text);
    lab.accepted(&own).await;
    spoilt_signatures_are_refused(&lab, &own, "X-My-Sig", "hmac ").await;
    lab.refused(&usual, 401).await;
}

#[tokio::test]
async fn a_body_of_many_megabytes_is_read_as_well() {
    let mut lab = Lab::new(Provider::Github);
    let mut large = body();
    large.pop();
    large.extend_from_slice(b",\"filler\":\"");
    large.resize(2 << 20, b'x');
    large.extend_from_slice(b"\"}");
    lab.accepted(&github("a", large.clone())).await;
    let spoilt =
        github("b", large).with("X-Hub-Signature-256", &format!("sha256={}", "0".repeat(64)));
    lab.refused(&spoilt, 401).await;
}
