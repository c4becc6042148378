//! What is true at the moment of a scrape.

use std::iter;

use gitbarge_engine::Posted;
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, Opts, Registry};

use super::registered;
use crate::router::Shared;
use crate::watched::Recent;

/// Labels with their value.
type Row<'a> = (Vec<&'a str>, f64);

/// Reads the board.
pub(super) fn families(shared: &Shared) -> Vec<MetricFamily> {
    let pipelines = shared.watched.pipelines();
    for (posted, _) in &pipelines {
        shared.watched.metrics().begin(&posted.pipeline.name);
    }
    let registry = Registry::new();
    let gauge =
        |name: &str, help: &str, labels: &[&str], rows: &mut dyn Iterator<Item = Row<'_>>| {
            let gauge = GaugeVec::new(Opts::new(name, help), labels).expect("the names are valid");
            for (values, value) in rows {
                gauge.with_label_values(&values).set(value);
            }
            registered(&registry, gauge);
        };
    let switch =
        |is_on: fn(&Posted) -> bool| pipelines.iter().map(move |(posted, _)| row(posted, is_on));
    gauge(
        "gitbarge_build_info",
        "What this is; always 1.",
        &["version"],
        &mut iter::once((vec![env!("CARGO_PKG_VERSION")], 1.0)),
    );
    gauge(
        "gitbarge_last_success_timestamp_seconds",
        "When the last good run ended.",
        &["pipeline"],
        &mut pipelines.iter().filter_map(last_success),
    );
    gauge(
        "gitbarge_commit_info",
        "The commit that the pipeline's targets stand at; always 1.",
        &["pipeline", "ref", "commit"],
        &mut pipelines.iter().filter_map(commit),
    );
    gauge(
        "gitbarge_ready",
        "Whether the pipeline had a success, and not too long ago.",
        &["pipeline"],
        &mut switch(|posted| posted.is_ready(jiff::Timestamp::now())),
    );
    gauge(
        "gitbarge_queue_waiting",
        "Whether a run is asked for that has not begun.",
        &["pipeline"],
        &mut switch(Posted::is_waiting),
    );
    gauge(
        "gitbarge_queue_running",
        "Whether a run goes on.",
        &["pipeline"],
        &mut switch(|posted| posted.running.is_some()),
    );
    let plain = |value: f64| iter::once((Vec::new(), value));
    gauge(
        "gitbarge_http_connections",
        "Open connections.",
        &[],
        &mut plain(shared.connections.open() as f64),
    );
    gauge(
        "gitbarge_http_held_bytes",
        "What the bodies of requests that are being answered have together.",
        &[],
        &mut plain(shared.bodies.held() as f64),
    );
    registry.gather()
}

fn row(posted: &Posted, is_on: fn(&Posted) -> bool) -> Row<'_> {
    (
        vec![&posted.pipeline.name],
        f64::from(u8::from(is_on(posted))),
    )
}

fn last_success((posted, _): &(Posted, Recent)) -> Option<Row<'_>> {
    let seconds = posted.last_success?.as_millisecond() as f64 / 1000.0;
    Some((vec![&posted.pipeline.name], seconds))
}

fn commit((posted, recent): &(Posted, Recent)) -> Option<Row<'_>> {
    let good = recent.good.as_deref()?;
    let reference = good.reference.as_deref().unwrap_or_default();
    Some((
        vec![&posted.pipeline.name, reference, good.to.as_deref()?],
        1.0,
    ))
}
