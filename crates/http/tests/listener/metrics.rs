//! `/metrics`.

use std::collections::BTreeMap;

use gitbarge_engine::Observer as _;
use gitbarge_testkit::metrics::{Family, read};

use crate::lab::{Lab, TOKEN, until};

async fn scrape(lab: &Lab) -> BTreeMap<String, Family> {
    let answer = lab.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4");
    assert!(!answer.body.contains(TOKEN));
    read(&answer.body).unwrap()
}

#[tokio::test]
async fn runs_are_counted_by_pipeline_and_status() {
    let lab = Lab::new().await;
    let metrics = scrape(&lab).await;
    let runs = |metrics: &BTreeMap<String, Family>, pipeline, status| {
        metrics["gitbarge_runs_total"].value(&[("pipeline", pipeline), ("status", status)])
    };
    assert_eq!(runs(&metrics, "site", "synced"), Some(1.0));
    assert_eq!(runs(&metrics, "site", "failed"), Some(0.0));
    assert_eq!(runs(&metrics, "broken", "failed"), Some(1.0));
    let durations = &metrics["gitbarge_run_duration_seconds"].samples;
    let count = durations
        .iter()
        .find(|(name, labels, _)| name.ends_with("_count") && labels["pipeline"] == "site");
    assert_eq!(count.unwrap().2, 1.0);
    let last = &metrics["gitbarge_last_success_timestamp_seconds"];
    let now = jiff::Timestamp::now().as_second() as f64;
    assert!((last.value(&[("pipeline", "site")]).unwrap() - now).abs() < 30.0);
    assert_eq!(last.value(&[("pipeline", "broken")]), None);
    let tip = lab.repository.id("main").unwrap().to_string();
    let commit = [
        ("pipeline", "site"),
        ("ref", "refs/heads/main"),
        ("commit", &tip),
    ];
    assert_eq!(metrics["gitbarge_commit_info"].value(&commit), Some(1.0));
    assert!(
        metrics["gitbarge_received_bytes_total"]
            .value(&[("pipeline", "site")])
            .is_some()
    );
    for (name, pipeline, value) in [
        ("gitbarge_ready", "site", 1.0),
        ("gitbarge_ready", "broken", 0.0),
        ("gitbarge_queue_running", "site", 0.0),
        ("gitbarge_queue_waiting", "site", 0.0),
    ] {
        assert_eq!(
            metrics[name].value(&[("pipeline", pipeline)]),
            Some(value),
            "{name}"
        );
    }

    lab.post(&[], b"").await.assert_accepted();
    until("it has run again", || {
        let last = lab.board.pipeline("site").unwrap().last.unwrap();
        last.status == gitbarge_engine::RunStatus::Unchanged
    })
    .await;
    while runs(&scrape(&lab).await, "site", "unchanged") != Some(1.0) {}
}

#[tokio::test]
async fn requests_and_deliveries_are_counted_under_few_labels() {
    let lab = Lab::new().await;
    lab.post(&[], b"").await.assert_accepted();
    lab.post(&[("x-deny", "1")], b"").await.assert_refused(403);
    for path in [
        "/nope",
        "/nope/2",
        "/hooks/x",
        "/healthz",
        "/api/v1/pipelines/site",
        "/api/v1/pipelines/x",
    ] {
        lab.get(path).await;
    }
    let metrics = scrape(&lab).await;
    let requests = &metrics["gitbarge_http_requests_total"];
    for (route, code, count) in [
        ("hook", "202", 1.0),
        ("hook", "403", 1.0),
        ("other", "404", 3.0),
        ("/healthz", "200", 1.0),
        ("/api/v1/pipelines/{name}", "401", 2.0),
    ] {
        assert_eq!(
            requests.value(&[("route", route), ("code", code)]),
            Some(count),
            "{route} {code}"
        );
    }
    let deliveries = &metrics["gitbarge_webhook_deliveries_total"];
    for outcome in ["accepted", "forbidden"] {
        assert_eq!(
            deliveries.value(&[("provider", "fake"), ("outcome", outcome)]),
            Some(1.0)
        );
    }
    // Those of the requests before are closed, and soon seen to be.
    while scrape(&lab).await["gitbarge_http_connections"].value(&[]) != Some(1.0) {}
    assert_eq!(metrics["gitbarge_http_held_bytes"].value(&[]), Some(0.0));
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(metrics["gitbarge_build_info"].value(&version), Some(1.0));
    if cfg!(target_os = "linux") {
        assert!(metrics["process_resident_memory_bytes"].value(&[]).unwrap() > 1e6);
        assert!(metrics["process_open_fds"].value(&[]).unwrap() > 3.0);
    }
}

#[tokio::test]
async fn alerts_are_counted_by_their_outcome() {
    let lab = Lab::new().await;
    for is_taken in [true, false, false] {
        lab.watched.told("slack", is_taken);
    }
    let metrics = scrape(&lab).await;
    let alerts = |outcome| {
        metrics["gitbarge_alerts_total"].value(&[("type", "slack"), ("outcome", outcome)])
    };
    assert_eq!((alerts("told"), alerts("failed")), (Some(1.0), Some(2.0)));
}

#[tokio::test]
async fn the_series_of_a_pipeline_that_is_gone_disappear() {
    let lab = Lab::new().await;
    let names = |metrics: &BTreeMap<String, Family>| {
        let samples = metrics.values().flat_map(|family| &family.samples);
        let names = samples.filter_map(|(_, labels, _)| labels.get("pipeline").cloned());
        names
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(names(&scrape(&lab).await), "broken site");
    let last = lab.board.pipeline("broken").unwrap().last.unwrap();
    lab.keep(&["site"]).await;
    assert_eq!(names(&scrape(&lab).await), "site");
    // Its last run may end after it is gone.
    lab.watched.finished(&last);
    assert_eq!(names(&scrape(&lab).await), "site");
}
