//! Senders that want too much, and those that speak other versions.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::site::{Site, answers, get, try_ask};

/// How long a first head may take.
const FIRST: Duration = Duration::from_secs(10);

#[test]
fn slow_senders_are_hung_up_on_and_others_are_served() {
    let site = Site::new();
    let (_daemon, address) = site.start("", "");
    answers(address, "/readyz", 200);
    let begun = Instant::now();
    let slow: Vec<TcpStream> = (0..200)
        .map(|number| {
            let mut stream = TcpStream::connect(address).unwrap();
            let head = b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: y";
            stream.write_all(&head[..number % head.len()]).unwrap();
            stream.set_read_timeout(Some(6 * FIRST)).unwrap();
            stream
        })
        .collect();
    assert_eq!(get(address, "/healthz").status, 200);
    for mut stream in slow {
        // It ends by a reset, if it was in the midst of a head.
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).ok();
    }
    let took = begun.elapsed();
    assert!((FIRST * 9 / 10..FIRST * 3).contains(&took), "{took:?}");
    assert_eq!(get(address, "/healthz").status, 200);
}

#[test]
fn heads_that_are_too_large_are_refused() {
    let site = Site::new();
    let (_daemon, address) = site.start("", "");
    let large = "x".repeat(300_000);
    let request = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: {large}\r\n\r\n");
    let answer = try_ask(address, &request);
    assert!(answer.is_none_or(|answer| answer.status == 431));
    assert_eq!(get(address, "/healthz").status, 200);
}

#[test]
fn connections_are_bounded_by_what_the_process_may_open() {
    let site = Site::new();
    site.configure("listen = \"127.0.0.1:0\"", "");
    let plain = site.world.command(&["run"]);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -n 120; exec \"$0\" \"$@\""])
        .arg(plain.get_program())
        .args(plain.get_args())
        .env_clear()
        .envs(
            plain
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(site.world.path("work"));
    let _daemon = site.world.launch(limited);
    let address = site.address(0);
    answers(address, "/readyz", 200);
    // Half of the files for connections, half of these for one address.
    let mut held = Vec::new();
    let mut refused = 0;
    while refused == 0 && held.len() < 200 {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            .ok();
        let mut buffer = [0; 1024];
        match stream.read(&mut buffer) {
            Ok(1..) => held.push(stream),
            _ => refused += 1,
        }
    }
    assert!((25..=30).contains(&held.len()), "{} are open", held.len());
    drop(held);
    answers(address, "/readyz", 200);
}

#[tokio::test]
async fn every_version_of_http_is_spoken() {
    let site = Site::new();
    let (_daemon, address) = site.start("", "");
    let answer = try_ask(address, "GET /healthz HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.head.starts_with("http/1.0"), "{answer:?}");
    let chunked = "POST /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    assert_eq!(try_ask(address, chunked).unwrap().status, 405);
    let client = reqwest::Client::builder().http2_prior_knowledge();
    let client = client.build().unwrap();
    let answer = client.get(format!("http://{address}/healthz"));
    let answer = answer.send().await.unwrap();
    assert_eq!(format!("{:?}", answer.version()), "HTTP/2.0");
    assert_eq!(answer.status(), 200);
}
