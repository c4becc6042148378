//! The listener of `gitbarge run`, from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod metrics;
mod probes;
mod reload;
mod senders;
mod shutdown;
mod site;
mod tls;

use std::net::TcpListener;

use site::Site;

#[test]
fn an_address_in_use_ends_it_before_any_pipeline_runs() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let site = Site::new();
    site.configure(&format!("listen = \"{address}\""), "");
    let outcome = site.world.run(&["run"]);
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    assert!(outcome.stderr.contains(&address), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("in use"), "{}", outcome.stderr);
    assert!(!site.world.path("site").exists());
}

#[test]
fn check_finds_what_the_listener_cannot_read() {
    let site = Site::new();
    let http = r#"
        listen = "127.0.0.1:0"
        tls = { cert = "/nowhere/cert.pem", key = "/nowhere/key.pem" }
        api_token = { file = "/nowhere/token" }
    "#;
    site.configure(http, "");
    let outcome = site.world.run(&["check", "--json"]);
    assert_eq!(outcome.code, 2);
    let problems = outcome.results();
    let keys: Vec<_> = problems.iter().map(|problem| &problem["key"]).collect();
    assert_eq!(keys, ["http.tls.cert", "http.tls.key", "http.api_token"]);

    site.configure("listen = \"127.0.0.1:0\"\napi_tokn = \"hush-hush\"", "");
    let outcome = site.world.run(&["check"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.stderr.contains("http.api_tokn"),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.stderr.contains("hush-hush"), "{}", outcome.stderr);
}
