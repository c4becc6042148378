//! What is refused, and what is told about it.

use gitbarge_testkit::repository::Repository;
use gitbarge_tests::World;

use crate::forge::{github as sent, mac, main, push};
use crate::site::{SECRET, Site, configure, github, local};

#[test]
fn what_asks_for_nothing_says_why() {
    let site = Site::start(&github(), "");
    site.runs_are(1);
    let ping = sent("1", "ping", "{}");
    for (delivery, status, reason) in [
        (ping.clone(), 200, "ping"),
        (
            push("2", "refs/heads/größe"),
            200,
            "`refs/heads/größe` is another ref",
        ),
        (
            main(3).signed_by("guess"),
            401,
            "`x-hub-signature-256` fits no secret",
        ),
        (
            ping.signed_by("guess"),
            401,
            "`x-hub-signature-256` fits no secret",
        ),
        (
            sent("4", "push", "{"),
            400,
            "the body is not JSON: line 1, column 1",
        ),
    ] {
        let answer = site.send(&delivery);
        assert_eq!(
            (answer.status, answer.json["reason"].as_str()),
            (status, Some(reason))
        );
        assert!(
            answer.json["accepted"] == false && answer.json["run"].is_null(),
            "{answer:?}"
        );
    }
    assert_eq!(site.send_to("/hooks/other", &main(5)).status, 404);
    let wrong_method = site.ask(
        b"PUT /hooks/site HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    );
    assert!(
        wrong_method.status == 405 && wrong_method.head.contains("allow: post"),
        "{wrong_method:?}"
    );
    assert_eq!(site.runs(), 1);
}

#[test]
fn strangers_and_large_bodies_are_refused() {
    let hook = format!(
        "{}\nmax_body = \"4KiB\"\nallow = [\"127.0.0.0/8\"]\ntrusted_proxies = [\"127.0.0.1\"]",
        github()
    );
    let site = Site::start(&hook, "");
    let behind = |address: &str, body: &str| {
        let mut delivery = sent(address, "push", body);
        delivery
            .headers
            .push(("X-Forwarded-For", address.to_owned()));
        delivery
    };
    let whole = |length: usize| {
        let body = r#"{"ref":"refs/heads/main"}"#;
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    assert_eq!(site.send(&behind("127.1.2.3", &whole(4096))).status, 202);
    assert_eq!(site.send(&behind("127.1.2.3", &whole(4097))).status, 413);
    assert_eq!(site.send(&behind("192.0.2.1", &whole(4097))).status, 403);
    assert_eq!(
        site.send(&behind("127.0.0.2, 192.0.2.1", &whole(99)))
            .status,
        403
    );
    assert_eq!(site.send(&behind("x", &whole(99))).status, 403);
}

#[test]
fn a_flood_is_turned_away_and_logged_in_few_lines() {
    let site = Site::start(&github(), "");
    let answers: Vec<_> = (0..300)
        .map(|number| site.send(&main(number).signed_by("guess")))
        .collect();
    assert!(answers[..20].iter().all(|answer| answer.status == 401));
    let last = &answers[299];
    assert!(
        last.status == 429 && last.head.contains("retry-after: "),
        "{last:?}"
    );
    let lines = site.log().matches("Delivery refused.").count();
    assert!((20..60).contains(&lines), "{lines} lines");
}

#[test]
fn no_secret_is_seen_anywhere() {
    let hook =
        format!("provider = \"github\"\nsecret = [\"{SECRET}\", {{ env = \"UNSET\" }}, \"\"]");
    let site = Site::start(&hook, "");
    let mut seen = String::new();
    let wrong = [
        main(2).signed_by("guess"),
        main(3).signed_by(""),
        sent("4", "push", "{"),
    ];
    for delivery in [main(1)].iter().chain(&wrong) {
        seen.push_str(&site.send(delivery).json.to_string());
    }
    for path in [
        "/",
        "/metrics",
        "/healthz",
        "/readyz",
        "/hooks/site",
        "/nowhere",
    ] {
        seen.push_str(&site.get(path));
    }
    site.daemon.signal("HUP");
    let check = site.world.run(&["check"]);
    assert_eq!(check.code, 2, "two of the secrets let nobody in");
    seen.extend([check.stdout, check.stderr, site.log()]);
    assert!(seen.contains("`UNSET` is not set"), "{seen}");
    for secret in [SECRET, &mac(SECRET, &main(1).body)] {
        assert!(!seen.contains(secret), "{seen}");
    }
}

#[test]
fn a_secret_that_is_empty_lets_nobody_in_and_the_daemon_start() {
    for secret in ["\"\"", "{ env = \"UNSET\" }", "{ file = \"/nowhere/x\" }"] {
        let site = Site::start(&format!("provider = \"github\"\nsecret = {secret}"), "");
        assert_eq!(site.send(&main(1).signed_by("")).status, 401);
        assert!(site.log().contains("lets nobody in"), "{}", site.log());
    }
}

#[test]
fn check_finds_what_is_wrong_with_a_webhook() {
    let (world, repository) = (World::new(), Repository::with_one_commit());
    let table = "pipeline.site.trigger.push";
    for (hook, words) in [
        ("provider = \"github\"", vec!["`secret`", table]),
        (
            "provider = \"svn\"\nsecret = \"x\"",
            vec!["`svn`", "pipeline.site.trigger.push.provider"],
        ),
        (
            "provider = \"github\"\nsecret = \"x\"\nallow = [\"10.0.0.0/99\"]",
            vec!["10.0.0.0/99", "pipeline.site.trigger.push.allow"],
        ),
        (
            "provider = \"github\"\nsecret = \"x\"\nscret = \"hush\"",
            vec!["`scret`", table],
        ),
        (
            "provider = \"github\"\nsecret = []",
            vec!["pipeline.site.trigger.push.secret"],
        ),
        (
            "provider = \"github\"\nsecret = [\"x\", [\"hush\"]]",
            vec!["pipeline.site.trigger.push.secret"],
        ),
        (
            "provider = \"github\"\nsecret = \"x\"\nmax_body = \"1GiB\"",
            vec!["pipeline.site.trigger.push.max_body"],
        ),
        (
            "provider = \"github\"\nsecret = \"x\"\npath = \"/metrics\"",
            vec!["`/metrics`"],
        ),
    ] {
        configure(&world, &local(&repository), hook, "");
        let outcome = world.run(&["check"]);
        assert_eq!(outcome.code, 2, "{hook}");
        for word in words {
            assert!(outcome.stderr.contains(word), "{word}: {}", outcome.stderr);
        }
        assert!(!outcome.stderr.contains("hush"), "{}", outcome.stderr);
    }
    configure(&world, &local(&repository), &github(), "");
    let text = std::fs::read_to_string(world.path("gitbarge.toml")).unwrap();
    let deaf = text
        .replace("[http]", "")
        .replace("listen = \"127.0.0.1:0\"", "");
    std::fs::write(world.path("gitbarge.toml"), deaf).unwrap();
    let outcome = world.run(&["check"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.stderr.contains(table) && outcome.stderr.contains("[http]"),
        "{}",
        outcome.stderr
    );
}
