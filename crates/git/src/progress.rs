//! Feeds gix's progress reports into a run's gauges.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gitbarge_core::{Gauge, Progress};
use gix::progress::{
    Count, Id, MessageLevel, NestedProgress, Progress as GixProgress, Step, StepShared, Unit,
};

/// gix's name for the objects of a pack that have been read.
const INDEX_OBJECTS: Id = *b"IWIO";
/// gix's name for the objects of a pack whose deltas have been resolved.
const RESOLVE_OBJECTS: Id = *b"IWRO";

/// A progress that gix reports to. The parts that a user wants to see reach the run's gauges, the rest is dropped.
pub(crate) struct Meter {
    run: Arc<Progress>,
    shows: fn(&Progress) -> Option<&Gauge>,
    counter: Arc<AtomicUsize>,
    id: Id,
}

impl Meter {
    /// The root of a fetch's reports.
    pub(crate) fn fetching(run: &Arc<Progress>) -> Self {
        Self::showing(run, |_| None, gix::progress::UNKNOWN)
    }

    /// Counts files that are written to a work tree.
    pub(crate) fn files(run: &Arc<Progress>) -> Self {
        Self::showing(run, |run| Some(&run.files), gix::progress::UNKNOWN)
    }

    fn showing(run: &Arc<Progress>, shows: fn(&Progress) -> Option<&Gauge>, id: Id) -> Self {
        let counter = shows(run).map_or_else(Arc::default, |gauge| gauge.counter().clone());
        Self {
            run: run.clone(),
            shows,
            counter,
            id,
        }
    }
}

impl Count for Meter {
    fn set(&self, step: Step) {
        self.counter.store(step, Ordering::Relaxed);
    }

    fn step(&self) -> Step {
        self.counter.load(Ordering::Relaxed)
    }

    fn inc_by(&self, step: Step) {
        self.counter.fetch_add(step, Ordering::Relaxed);
    }

    fn counter(&self) -> StepShared {
        self.counter.clone()
    }
}

impl GixProgress for Meter {
    fn init(&mut self, max: Option<Step>, _unit: Option<Unit>) {
        if let Some(gauge) = (self.shows)(&self.run) {
            gauge.set_total(max.unwrap_or_default());
        }
    }

    fn set_max(&mut self, max: Option<Step>) -> Option<Step> {
        self.init(max, None);
        None
    }

    fn set_name(&mut self, _name: String) {}

    fn name(&self) -> Option<String> {
        None
    }

    fn id(&self) -> Id {
        self.id
    }

    fn message(&self, _level: MessageLevel, _message: String) {}
}

impl NestedProgress for Meter {
    type SubProgress = Self;

    fn add_child(&mut self, name: impl Into<String>) -> Self {
        self.add_child_with_id(name, gix::progress::UNKNOWN)
    }

    fn add_child_with_id(&mut self, _name: impl Into<String>, id: Id) -> Self {
        match id {
            INDEX_OBJECTS => Self::showing(&self.run, |run| Some(&run.objects), id),
            RESOLVE_OBJECTS => Self::showing(&self.run, |run| Some(&run.deltas), id),
            _ => Self::showing(&self.run, |_| None, id),
        }
    }
}
