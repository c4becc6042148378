//! `/metrics`, in Prometheus' text format 0.0.4.

mod now;
mod process;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use gitbarge_engine::{RunRecord, RunStatus};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder};

use crate::reply::{refused, with_header};
use crate::router::Shared;

/// Durations of runs that are told apart, in seconds.
const DURATIONS: [f64; 14] = [
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0,
];
const STATUSES: [RunStatus; 3] = [RunStatus::Synced, RunStatus::Unchanged, RunStatus::Failed];

/// What is counted.
pub(crate) struct Metrics {
    registry: Registry,
    runs: IntCounterVec,
    durations: HistogramVec,
    received: IntCounterVec,
    requests: IntCounterVec,
    pub(crate) deliveries: IntCounterVec,
    alerts: IntCounterVec,
    /// The pipelines that have series.
    pipelines: Mutex<BTreeSet<String>>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels);
            registered(&registry, counter.expect("the names are valid"))
        };
        let durations = HistogramOpts::new("gitbarge_run_duration_seconds", "How long runs took.")
            .buckets(DURATIONS.into());
        let durations = HistogramVec::new(durations, &["pipeline"]);
        Self {
            runs: counter(
                "gitbarge_runs_total",
                "Runs that have ended, by how.",
                &["pipeline", "status"],
            ),
            durations: registered(&registry, durations.expect("the names are valid")),
            received: counter(
                "gitbarge_received_bytes_total",
                "Bytes received from sources.",
                &["pipeline"],
            ),
            requests: counter(
                "gitbarge_http_requests_total",
                "Requests that were answered, by route and status code.",
                &["route", "code"],
            ),
            deliveries: counter(
                "gitbarge_webhook_deliveries_total",
                "Requests to webhooks, by provider and what became of them.",
                &["provider", "outcome"],
            ),
            alerts: counter(
                "gitbarge_alerts_total",
                "Messages that alerters of a type have taken or not.",
                &["type", "outcome"],
            ),
            pipelines: Mutex::default(),
            registry,
        }
    }

    /// A run has ended.
    pub(crate) fn ran(&self, record: &RunRecord) {
        let name = record.pipeline.as_str();
        self.begin(name);
        let labels = [name, status(record.status)];
        self.runs.with_label_values(&labels).inc();
        let seconds = record.duration_ms as f64 / 1000.0;
        self.durations.with_label_values(&[name]).observe(seconds);
        let received = self.received.with_label_values(&[name]);
        received.inc_by(record.bytes_received);
    }

    /// An alerter was asked to tell something.
    pub(crate) fn told(&self, alerter: &str, is_taken: bool) {
        let outcome = if is_taken { "told" } else { "failed" };
        self.alerts.with_label_values(&[alerter, outcome]).inc();
    }

    /// A request was answered.
    pub(crate) fn answered(&self, route: &str, status: StatusCode) {
        let labels = [route, status.as_str()];
        self.requests.with_label_values(&labels).inc();
    }

    /// Forgets all pipelines but these.
    pub(crate) fn keep_only(&self, names: &BTreeSet<&str>) {
        let mut pipelines = self.known();
        pipelines.retain(|name| {
            let stays = names.contains(name.as_str());
            if !stays {
                self.forget(name);
            }
            stays
        });
    }

    /// Gives a pipeline its series: what has not happened has happened zero times.
    fn begin(&self, name: &str) {
        if !self.known().insert(name.to_owned()) {
            return;
        }
        for known in STATUSES {
            self.runs.with_label_values(&[name, status(known)]);
        }
        self.durations.with_label_values(&[name]);
        self.received.with_label_values(&[name]);
    }

    fn forget(&self, name: &str) {
        // Series that are not there need not go.
        for known in STATUSES {
            self.runs.remove_label_values(&[name, status(known)]).ok();
        }
        self.durations.remove_label_values(&[name]).ok();
        self.received.remove_label_values(&[name]).ok();
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.pipelines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    let result = registry.register(Box::new(collector.clone()));
    result.expect("each name is registered once");
    collector
}

pub(crate) fn status(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Synced => "synced",
        RunStatus::Unchanged => "unchanged",
        RunStatus::Failed => "failed",
    }
}

/// `/metrics`.
pub(crate) async fn show(State(shared): State<Arc<Shared>>) -> Response {
    let mut families = now::families(&shared);
    families.extend(shared.watched.metrics().registry.gather());
    families.extend(process::families(shared.limits.store).await);
    match text(families) {
        Ok(text) => {
            let kind = HeaderValue::from_static(prometheus::TEXT_FORMAT);
            with_header(Response::new(Body::from(text)), CONTENT_TYPE, kind)
        }
        Err(error) => {
            tracing::error!(%error, "The metrics cannot be written.");
            refused(StatusCode::INTERNAL_SERVER_ERROR, "this is a defect")
        }
    }
}

fn text(mut families: Vec<MetricFamily>) -> prometheus::Result<String> {
    families.sort_by(|a, b| a.name().cmp(b.name()));
    TextEncoder::new().encode_to_string(&families)
}
