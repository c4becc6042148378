//! An object of any size passes through little memory. Alone in its program, whose memory is looked at.

use std::time::Duration;

use gitbarge_core::Run;
use gitbarge_lfs::{Client, Object};
use gitbarge_testkit::lfs::LfsHost;

const SIZE: u64 = 256 << 20;
const MOST_KIB: u64 = 32 << 10;

/// The most memory that this process has had, in KiB (proc_pid_status(5)).
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("Linux says it")
}

#[tokio::test]
async fn a_large_object_is_streamed_in_little_memory() {
    let host = LfsHost::start().await;
    let oid = host.add_large(SIZE);
    let object = Object { oid, size: SIZE };
    let minute = Duration::from_secs(60);
    let client = Client::new(host.server(), minute, minute).unwrap();
    let run = Run::standalone("lfs");
    let offers = client.batch(&[object], &run).await.unwrap();
    let mut stream = client
        .download(offers[0].as_ref().unwrap(), &run)
        .await
        .unwrap();

    let before = peak_kib();
    let mut received = 0;
    while let Some(bytes) = stream.next().await.unwrap() {
        received += bytes.len() as u64;
    }
    assert_eq!(received, SIZE);
    let grown = peak_kib() - before;
    assert!(grown < MOST_KIB, "{grown} KiB for {SIZE} bytes");
}
