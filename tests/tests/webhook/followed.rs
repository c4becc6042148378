//! From a delivery to the commit on disk.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use gitbarge_testkit::proxy::Proxy;
use gitbarge_testkit::repository::Repository;
use gitbarge_testkit::sshd::Sshd;
use gitbarge_tests::{World, until};

use crate::forge::main;
use crate::site::{SECRET, Site, configure, github, local};

#[test]
fn a_delivery_brings_its_commit() {
    let site = Site::start(&github(), "");
    for round in 0..3 {
        site.push(&round.to_string());
        let answer = site.send(&main(round));
        assert_eq!(answer.status, 202, "{answer:?}");
        assert!(
            answer.json["accepted"] == true && answer.json["run"].is_string(),
            "{answer:?}"
        );
        assert_eq!(answer.json["reason"], "push to `refs/heads/main`");
        site.follows();
    }
    site.runs_are(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_during_a_run_leads_to_one_more_and_the_newest_commit() {
    let (mut world, server) = (World::new(), Sshd::start());
    let repository = Repository::with_one_commit();
    let proxy = Proxy::start(server.address()).await;
    world.set("KEY", server.client_key().private.clone());
    let url = server.url_at(proxy.address(), repository.path());
    let source = format!("type = \"ssh\"\nurl = \"{url}\"\nkey = {{ env = \"KEY\" }}");
    configure(&world, &source, &github(), "");
    let site = Site::configured(world, repository);
    site.runs_are(1);

    let noise: Vec<u8> = (0..1 << 20).map(|_| fastrand::u8(..)).collect();
    proxy.stall_after(300 << 10);
    site.repository.commit("main").write("noise", noise).push();
    assert_eq!(site.send(&main("first")).status, 202);
    let packs = site.world.path("site/.git/objects/pack");
    until("a pack is being received", || {
        let names = fs::read_dir(&packs).into_iter().flatten().flatten();
        let names = names.map(|entry| entry.file_name());
        names
            .into_iter()
            .any(|name| !name.to_string_lossy().starts_with("pack-"))
    });
    for number in 0..198 {
        if number % 40 == 0 {
            site.push(&number.to_string());
        }
        let begun = Instant::now();
        assert_eq!(site.send(&main(number)).status, 202);
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "it waited for a run"
        );
    }
    site.push("the newest");
    assert_eq!(site.send(&main("last")).status, 202);
    proxy.resume();
    site.follows();
    site.runs_are(3);
}

#[test]
fn a_missed_delivery_is_made_up_for_by_the_poll() {
    let poll = "[pipeline.site.trigger.clock]\ntype = \"poll\"\nevery = \"500ms\"";
    let site = Site::start(&github(), poll);
    for round in 0..2 {
        site.push(&round.to_string());
        site.follows();
    }
    site.push("delivered too");
    assert_eq!(site.send(&main(1)).status, 202);
    site.follows();
}

#[test]
fn a_body_in_chunks_is_a_body() {
    let site = Site::start(&github(), "");
    site.push("chunks");
    let delivery = main(1);
    let lines: String = delivery
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let mut request = format!("POST /hooks/site?from=x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n{lines}\r\n").into_bytes();
    for chunk in delivery.body.chunks(7) {
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(site.ask(&request).status, 202);
    site.follows();
}

#[test]
fn a_reload_changes_the_secret_and_the_path() {
    let site = Site::start(&github(), "");
    let secret = site.world.path("secret");
    fs::write(&secret, "changed\n").unwrap();
    site.reload(&format!(
        "provider = \"github\"\nsecret = {{ file = \"{}\" }}\npath = \"/in/hub\"",
        secret.display()
    ));
    let hub = |id: u32, secret| site.send_to("/in/hub", &main(id).signed_by(secret)).status;
    until("the new path is there", || hub(1, "changed") != 404);
    assert_eq!(hub(2, "changed"), 202);
    assert_eq!(site.send(&main(3)).status, 404);
    assert_eq!(hub(3, SECRET), 401);
    // A file is read again without a reload.
    fs::write(&secret, "rotated\n").unwrap();
    site.push("rotated");
    until("the new secret is good", || hub(4, "rotated") == 202);
    site.follows();
    until("the old one is not", || hub(5, "changed") == 401);
}

#[test]
fn what_is_delivered_at_a_reload_is_not_lost() {
    let site = Site::start(&github(), "");
    for round in 0..10 {
        site.push(&round.to_string());
        thread::scope(|scope| {
            scope.spawn(|| site.reload(&github()));
            let mut number = 0;
            until("a delivery is taken", || {
                number += 1;
                site.send(&main(format!("{round}-{number}"))).status == 202
            });
        });
        site.follows();
    }
}

#[test]
fn each_provider_is_heard_at_its_path() {
    let (world, repository) = (World::new(), Repository::with_one_commit());
    let providers = [
        "gitlab",
        "gitea",
        "bitbucket",
        "pierre",
        "standard",
        "token",
        "signature",
    ];
    let pipelines = providers.map(|provider| {
        let secret = if provider == "standard" { "whsec_aHVzaA==" } else { SECRET };
        format!(
            "[pipeline.{provider}.source]\n{}\n[pipeline.{provider}.trigger.push]\ntype = \"webhook\"\nprovider = \"{provider}\"\n\
             secret = \"{secret}\"\n[pipeline.{provider}.sink.runner]\ntype = \"checkout\"\npath = \"{}\"\n",
            local(&repository),
            world.path(provider).display(),
        )
    });
    configure(&world, &local(&repository), &github(), &pipelines.concat());
    let site = Site::configured(world, repository);
    for provider in providers {
        let answer = site.send_to(&format!("/hooks/{provider}"), &main("x"));
        // GitHub's signature is also what `signature` wants.
        let expected = if provider == "signature" { 202 } else { 401 };
        assert_eq!(answer.status, expected, "{provider}: {answer:?}");
    }
}

#[test]
fn a_connection_that_stays_open_carries_many_deliveries() {
    let site = Site::start(&github(), "");
    let mut stream = TcpStream::connect(site.address).unwrap();
    let mut buffer = [0; 4096];
    for number in 0..100 {
        let delivery = main(number);
        let lines: String = delivery
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let head = format!(
            "POST /hooks/site HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n{lines}\r\n",
            delivery.body.len()
        );
        stream
            .write_all(&[head.as_bytes(), &delivery.body].concat())
            .unwrap();
        let length = stream.read(&mut buffer).unwrap();
        assert!(
            buffer[..length].starts_with(b"HTTP/1.1 202 "),
            "{}",
            String::from_utf8_lossy(&buffer[..length])
        );
    }
}
