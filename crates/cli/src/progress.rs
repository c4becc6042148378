//! Shows runs while they go on, and their results when they end.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gitbarge_core::{Gauge, Progress};
use gitbarge_engine::{Observer, RunRecord};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use crate::report;
use crate::terminal::Terminal;

/// How often the bars are drawn.
const PERIOD: Duration = Duration::from_millis(100);

/// Prints a line for each run that ends and, if somebody looks, draws a bar for each that goes on.
pub(crate) struct Display {
    terminal: Terminal,
    speaks: bool,
    draws: bool,
    runs: Mutex<Runs>,
}

#[derive(Default)]
struct Runs {
    bars: HashMap<String, Bar>,
    ended: Vec<RunRecord>,
}

struct Bar {
    bar: ProgressBar,
    drawing: JoinHandle<()>,
}

impl Display {
    /// A display that keeps silent if it does not speak.
    pub(crate) fn new(terminal: &Terminal, speaks: bool) -> Self {
        Self {
            terminal: terminal.clone(),
            speaks,
            draws: speaks && Terminal::is_watched(),
            runs: Mutex::default(),
        }
    }

    /// The records of the runs that have ended.
    pub(crate) fn ended(&self) -> Vec<RunRecord> {
        self.runs().ended.clone()
    }

    /// Removes the bars of runs that have not ended.
    pub(crate) fn close(&self) {
        self.runs().bars.drain().for_each(|(_, bar)| bar.remove());
    }

    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Display {
    fn started(&self, pipeline: &str, progress: Arc<Progress>) {
        if !self.draws {
            return;
        }
        let bar = self.terminal.bars().add(ProgressBar::new_spinner());
        bar.set_prefix(pipeline.to_owned());
        let drawing = tokio::spawn(draw(bar.clone(), progress));
        self.runs()
            .bars
            .insert(pipeline.to_owned(), Bar { bar, drawing });
    }

    fn finished(&self, record: &RunRecord) {
        let bar = {
            let mut runs = self.runs();
            runs.ended.push(record.clone());
            runs.bars.remove(&record.pipeline)
        };
        if let Some(bar) = bar {
            bar.remove();
        }
        if self.speaks {
            self.terminal.print(report::result(record));
        }
    }
}

impl Bar {
    fn remove(self) {
        self.drawing.abort();
        self.bar.finish_and_clear();
    }
}

async fn draw(bar: ProgressBar, progress: Arc<Progress>) {
    let waiting = style("{prefix} {spinner} {wide_msg}");
    let counting = style("{prefix} {bar:30} {human_pos}/{human_len} {wide_msg}");
    loop {
        let stage = Stage::of(&progress);
        let received = HumanBytes(progress.bytes_received.load(Ordering::Relaxed));
        match stage.total {
            0 => bar.set_style(waiting.clone()),
            total => {
                bar.set_style(counting.clone());
                bar.set_length(total);
                bar.set_position(stage.done);
            }
        }
        bar.set_message(format!("{}, {received} received", stage.name));
        bar.tick();
        tokio::time::sleep(PERIOD).await;
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates are constants")
}

/// The last step of a run that has begun.
#[derive(Debug, PartialEq, Eq)]
struct Stage {
    name: &'static str,
    done: u64,
    total: u64,
}

impl Stage {
    fn of(progress: &Progress) -> Self {
        let stages = [
            ("files written", &progress.files),
            ("deltas resolved", &progress.deltas),
            ("objects", &progress.objects),
        ];
        let has_begun = |gauge: &Gauge| gauge.read() != (0, 0);
        match stages.into_iter().find(|(_, gauge)| has_begun(gauge)) {
            Some((name, gauge)) => {
                let (done, total) = gauge.read();
                Self {
                    name,
                    done: done as u64,
                    total: total as u64,
                }
            }
            None => Self {
                name: "asking the source",
                done: 0,
                total: 0,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_is_the_last_that_has_begun() {
        let progress = Progress::default();
        assert_eq!(Stage::of(&progress).name, "asking the source");
        progress.objects.set_total(10);
        progress.objects.counter().store(4, Ordering::Relaxed);
        assert_eq!(
            Stage::of(&progress),
            Stage {
                name: "objects",
                done: 4,
                total: 10
            }
        );
        progress.files.set_total(3);
        assert_eq!(
            Stage::of(&progress),
            Stage {
                name: "files written",
                done: 0,
                total: 3
            }
        );
    }
}
