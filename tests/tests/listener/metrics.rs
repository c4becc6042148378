//! Metrics of a real daemon.

use gitbarge_testkit::metrics::read;
use gitbarge_tests::until;

use crate::site::{Site, answers, get};

#[test]
fn they_are_clean_and_count() {
    let site = Site::new();
    let (daemon, address) = site.start("", "");
    answers(address, "/readyz", 200);
    let scrape = || read(&get(address, "/metrics").body).unwrap();
    let runs = |status| {
        let labels = [("pipeline", "site"), ("status", status)];
        scrape()["gitbarge_runs_total"].value(&labels)
    };
    assert_eq!(runs("synced"), Some(1.0));
    site.repository.commit("main").write("file", "new").push();
    until("the push is counted", || runs("synced") == Some(2.0));
    until("polls are counted", || runs("unchanged") > Some(1.0));
    let tip = site.repository.id("main").unwrap().to_string();
    let commit = [
        ("pipeline", "site"),
        ("ref", "refs/heads/main"),
        ("commit", &tip),
    ];
    let metrics = scrape();
    assert_eq!(metrics["gitbarge_commit_info"].value(&commit), Some(1.0));
    assert!(metrics["process_resident_memory_bytes"].value(&[]) > Some(1e6));

    // Under another name it is another pipeline.
    let file = site.world.path("gitbarge.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("pipeline.site", "pipeline.other")).unwrap();
    daemon.signal("HUP");
    until("the old name is gone", || {
        let metrics = get(address, "/metrics").body;
        read(&metrics).unwrap();
        metrics.contains("\"other\"") && !metrics.contains("\"site\"")
    });
}
