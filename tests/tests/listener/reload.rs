//! SIGHUP, and what becomes of the listener.

use std::net::{TcpListener, TcpStream};

use gitbarge_tests::until;

use crate::site::{Site, answers, get};

#[test]
fn a_new_address_takes_over_and_one_that_is_taken_does_not() {
    let site = Site::new();
    let (mut daemon, first) = site.start("", "");
    answers(first, "/readyz", 200);

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let seen = site.log().len();
    site.configure(&format!("listen = \"{address}\""), "");
    daemon.signal("HUP");
    until("it is refused", || {
        site.log()[seen..].contains("the old one stays")
    });
    let log = site.log()[seen..].to_owned();
    assert!(
        log.contains(&address.to_string()) && log.contains("in use"),
        "{log}"
    );
    assert_eq!(get(first, "/healthz").status, 200);

    drop(taken);
    daemon.signal("HUP");
    answers(address, "/readyz", 200);
    until("the old address is given up", || {
        TcpStream::connect(first).is_err()
    });

    site.configure("", "");
    daemon.signal("HUP");
    until("nothing listens", || TcpStream::connect(address).is_err());
    let seen = site.log().len();
    site.configure("listen = \"127.0.0.1:0\"", "");
    daemon.signal("HUP");
    answers(site.address(seen), "/readyz", 200);
    assert!(daemon.is_running());
}

#[test]
fn a_bad_certificate_in_a_reload_changes_nothing() {
    let site = Site::new();
    let (daemon, address) = site.start("", "");
    answers(address, "/readyz", 200);
    let tls = "tls = { cert = \"/nowhere/cert.pem\", key = \"/nowhere/key.pem\" }";
    site.configure(
        &format!("listen = \"127.0.0.1:0\"\n{tls}"),
        "ref = \"nope\"",
    );
    daemon.signal("HUP");
    until("it is refused", || site.log().contains("the old one stays"));
    assert!(site.log().contains("/nowhere/cert.pem"), "{}", site.log());
    // Not even its other parts were taken.
    let tip = site.repository.commit("main").write("file", "new").push();
    until("the push arrives", || {
        get(address, "/metrics").body.contains(&tip.to_string())
    });
}
