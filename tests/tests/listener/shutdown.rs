//! SIGTERM while a run goes on.

use std::fs;
use std::time::Duration;

use gitbarge_testkit::proxy::Proxy;
use gitbarge_testkit::sshd::Sshd;
use gitbarge_tests::until;

use crate::site::{Site, answers, get};

#[test]
fn an_idle_daemon_ends_at_once() {
    let site = Site::new();
    let (mut daemon, address) = site.start("", "");
    answers(address, "/readyz", 200);
    daemon.signal("TERM");
    let (code, took) = daemon.ended();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_answered_until_the_last_run_has_ended() {
    let (mut site, server) = (Site::new(), Sshd::start());
    let proxy = Proxy::start(server.address()).await;
    site.world.set("KEY", server.client_key().private.clone());
    let url = server.url_at(proxy.address(), site.repository.path());
    site.configure("listen = \"127.0.0.1:0\"", "");
    let file = site.world.path("gitbarge.toml");
    let text = fs::read_to_string(&file).unwrap();
    let local = format!("url = \"{}\"", site.repository.path().display());
    let ssh = format!("url = \"{url}\"\nkey = {{ env = \"KEY\" }}");
    let text = text
        .replace("type = \"local\"", "type = \"ssh\"")
        .replace(&local, &ssh);
    fs::write(&file, format!("shutdown_grace = \"2s\"\n{text}")).unwrap();
    let mut daemon = site.world.start(&["run"]);
    let address = site.address(0);
    answers(address, "/readyz", 200);

    let mut random = fastrand::Rng::with_seed(3);
    let noise: Vec<u8> = (0..1 << 20).map(|_| random.u8(..)).collect();
    proxy.stall_after(300 << 10);
    site.repository.commit("main").write("noise", noise).push();
    let packs = site.world.path("site/.git/objects/pack");
    until("a pack is being received", || {
        let entries = fs::read_dir(&packs).unwrap();
        let mut names = entries.map(|entry| entry.unwrap().file_name());
        names.any(|name| !name.to_string_lossy().starts_with("pack-"))
    });
    let metrics = get(address, "/metrics").body;
    assert!(metrics.contains("gitbarge_queue_running{pipeline=\"site\"} 1\n"));
    daemon.signal("TERM");
    answers(address, "/readyz", 503);
    assert_eq!(
        get(address, "/readyz").json()["reason"],
        "the daemon is about to end"
    );
    assert_eq!(get(address, "/healthz").status, 200);
    let (code, took) = daemon.ended();
    assert_eq!(code, Some(0), "{}", site.log());
    assert!(took < Duration::from_secs(5), "{took:?}");
}
