//! What `sync` does from a real OpenSSH server: contents, faults of the remote, and the network on a bad day.

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use gitbarge_testkit::proxy::Proxy;
use gitbarge_testkit::repository::Repository;
use gitbarge_tests::ssh::SshWorld;
use gitbarge_tests::{Outcome, until};

/// When each file of the work tree, and the index, was last written.
fn written(site: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let entries = fs::read_dir(site).expect("it is a folder");
    let files = entries.map(|entry| entry.expect("it can be listed").path());
    let files = files.filter(|path| path.is_file());
    let time = |path: PathBuf| {
        let time = fs::metadata(&path).and_then(|data| data.modified());
        (path, time.expect("it is there"))
    };
    files.chain([site.join(".git/index")]).map(time).collect()
}

/// A commit of a file that no compression makes smaller.
fn push_noise(repository: &Repository, bytes: usize) {
    let mut noise = vec![0; bytes];
    fastrand::Rng::with_seed(7).fill(&mut noise);
    repository.commit("main").write("noise", noise).push();
}

/// The size of the largest file below a folder in which somebody works.
fn largest_file(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |path: PathBuf| match fs::symlink_metadata(&path) {
        Ok(data) if data.is_dir() => largest_file(&path),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.map(|entry| size(entry.path())).max().unwrap_or(0)
}

#[test]
fn a_clone_equals_the_remote() {
    let ssh = SshWorld::new();
    let commit = ssh.repository.commit("main").write("a/b/c", "deep\n");
    commit
        .executable("run", "#!/bin/sh\n")
        .link("l", "a")
        .push();
    let result = ssh.synced();
    assert!(result["from"].is_null());
    assert_eq!(result["ref"], "refs/heads/main");
    assert_eq!(result["sinks"][0]["files_written"], 4);
    assert!(result["bytes_received"].as_u64() > Some(100));
}

#[test]
fn a_second_sync_writes_nothing() {
    let ssh = SshWorld::new();
    ssh.synced();
    let before = written(&ssh.site());
    let outcome = ssh.sync();
    assert_eq!(
        (outcome.code, &outcome.result()["status"]),
        (0, &"unchanged".into())
    );
    assert_eq!(written(&ssh.site()), before);
    ssh.world.assert_equal(&ssh.site(), &ssh.tip());
}

#[test]
fn one_changed_file_is_the_only_one_written() {
    let ssh = SshWorld::new();
    let commit = ssh.repository.commit("main").write("changing", "1");
    let from = commit.write("staying", "1").push().to_string();
    ssh.synced();
    let before = written(&ssh.site());
    ssh.repository.commit("main").write("changing", "2").push();
    let result = ssh.synced();
    assert_eq!(result["from"], from);
    assert_eq!(result["sinks"][0]["files_written"], 1);
    let after = written(&ssh.site());
    let is_same = |name: &str| before[&ssh.site().join(name)] == after[&ssh.site().join(name)];
    assert!(is_same("staying") && is_same("README") && !is_same("changing"));
}

#[test]
fn drift_is_put_right_and_listed() {
    let ssh = SshWorld::new();
    ssh.repository
        .commit("main")
        .write("gone", "x")
        .write("staged", "x")
        .push();
    ssh.synced();
    fs::write(ssh.site().join("README"), "drift").unwrap();
    fs::remove_file(ssh.site().join("gone")).unwrap();
    fs::write(ssh.site().join("staged"), "drift").unwrap();
    ssh.world.git(&ssh.site(), &["add", "staged"]);
    fs::create_dir(ssh.site().join("stray")).unwrap();
    fs::write(ssh.site().join("stray/file"), "x").unwrap();
    let result = ssh.synced();
    let listed = result["sinks"][0]["discarded"]["working_tree"]
        .as_array()
        .unwrap();
    let mut listed: Vec<_> = listed
        .iter()
        .map(|change| {
            (
                change["code"].as_str().unwrap(),
                change["path"].as_str().unwrap(),
            )
        })
        .collect();
    listed.sort_unstable();
    let expected = [
        (" D", "gone"),
        (" M", "README"),
        ("??", "stray/file"),
        ("M ", "staged"),
    ];
    assert_eq!(listed, expected);
}

#[test]
fn rewritten_history_is_followed_and_the_old_one_kept() {
    let ssh = SshWorld::new();
    let first = ssh.repository.id("main");
    let commit = ssh.repository.commit("main").message("Old work\n");
    let old = commit.write("old", "x").push().to_string();
    ssh.synced();
    let commit = ssh.repository.commit("main").on_top_of(first);
    commit.write("new", "x").push();
    let result = ssh.synced();
    let sink = &result["sinks"][0];
    assert_eq!(sink["forced"], true);
    let discarded = &sink["discarded"];
    assert_eq!(discarded["commits"].as_array().unwrap().len(), 1);
    assert_eq!(discarded["commits"][0]["id"], old);
    assert_eq!(discarded["commits"][0]["subject"], "Old work");
    let kept = discarded["kept_at"].as_str().unwrap();
    assert!(kept.starts_with("refs/gitbarge/discarded/"), "{kept}");
    assert_eq!(ssh.world.git(&ssh.site(), &["rev-parse", kept]), old);
    assert!(!ssh.site().join("old").exists());
}

#[test]
fn what_the_remote_lacks_has_its_kind_and_the_tree_stays() {
    let ssh = SshWorld::new();
    ssh.synced();
    ssh.configure("ref = \"nope\"", "");
    assert!(ssh.failed("ref_missing").contains("nope"));
    let empty = Repository::empty();
    ssh.configure_url(&ssh.sshd.url(empty.path()), "", "");
    ssh.failed("remote_empty");
    let nowhere = ssh.sshd.url(&empty.path().with_extension("nowhere"));
    ssh.configure_url(&nowhere, "", "");
    assert!(ssh.failed("remote_missing").contains("nowhere"));
    ssh.world.assert_equal(&ssh.site(), &ssh.tip());
}

#[test]
fn a_refused_port_is_unreachable() {
    let ssh = SshWorld::new();
    // The port of a connection's own end is taken, and nobody listens on it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let address = taken.local_addr().unwrap();
    let url = ssh.sshd.url_at(address, ssh.repository.path());
    ssh.configure_url(&url, "run_timeout = \"2s\"", "");
    // The end of the run's time may fall into an attempt, and is then its error: that says nothing here.
    let is_cut_short = |outcome: &Outcome| outcome.stdout.contains("`run_timeout`");
    let mut outcomes = (0..3).map(|_| ssh.sync());
    let outcome = outcomes.find(|outcome| !is_cut_short(outcome)).unwrap();
    assert_eq!((outcome.code, outcome.kind().as_str()), (1, "unreachable"));
    assert_eq!(outcome.result()["status"], "failed");
    assert!(!ssh.site().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_is_a_timeout_within_the_connect_timeout() {
    let ssh = SshWorld::new();
    let proxy = Proxy::start(ssh.sshd.address()).await;
    proxy.fall_silent();
    let url = ssh.sshd.url_at(proxy.address(), ssh.repository.path());
    ssh.configure_url(&url, "run_timeout = \"3s\"", "connect_timeout = \"500ms\"");
    let begun = Instant::now();
    ssh.failed("timeout");
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(6), "it took {took:?}");
    // The first attempt has ended long before the run's own timeout: there was time for another.
    assert!(proxy.connections() > 1, "{}", proxy.connections());
    proxy.resume();
    ssh.synced();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_in_mid_pack_is_a_timeout_and_the_next_sync_repairs() {
    let ssh = SshWorld::new();
    push_noise(&ssh.repository, 4 << 20);
    let proxy = Proxy::start(ssh.sshd.address()).await;
    proxy.stall_after(1 << 20);
    let url = ssh.sshd.url_at(proxy.address(), ssh.repository.path());
    let source = "connect_timeout = \"500ms\"\nidle_timeout = \"500ms\"";
    ssh.configure_url(&url, "run_timeout = \"5s\"", source);
    let said = ssh.failed("timeout");
    assert!(said.contains("said nothing for 500ms, after 1"), "{said}");
    proxy.resume();
    ssh.configure_url(&url, "", "");
    ssh.synced();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_in_mid_pack_is_unreachable_and_the_next_sync_repairs() {
    let ssh = SshWorld::new();
    push_noise(&ssh.repository, 4 << 20);
    let proxy = Proxy::start(ssh.sshd.address()).await;
    proxy.stall_after(1 << 20);
    let url = ssh.sshd.url_at(proxy.address(), ssh.repository.path());
    ssh.configure_url(&url, "run_timeout = \"5s\"", "");
    let outcome = std::thread::scope(|scope| {
        let sync = scope.spawn(|| ssh.sync());
        until("a part of the pack is here", || {
            largest_file(&ssh.world.path("")) > 1 << 19
        });
        drop(proxy);
        sync.join().unwrap()
    });
    assert_eq!(outcome.code, 1);
    let result = outcome.result();
    assert_eq!(result["status"], "failed");
    // The sink's error is that of the cut; later attempts find nobody listening.
    let error = &result["sinks"][0]["error"];
    assert_eq!(error["kind"], "unreachable", "{result}");
    assert!(error["message"].as_str().unwrap().ends_with("was lost"));
    ssh.configure("", "");
    ssh.synced();
}
