//! What sinks say they hold, before anything is done to them.

use std::pin::Pin;
use std::time::Duration;

use gitbarge_core::config::Pipeline;
use gitbarge_core::{Held, Result, Run, Wanted};
use tokio::time::timeout;

use crate::contained::contained;

/// How long the listing waits for mirrors to be read.
const PATIENCE: Duration = Duration::from_millis(500);

/// A sink that has been asked what it holds.
pub(crate) struct Asked {
    pub(crate) sink: usize,
    pub(crate) wanted: Wanted,
    answer: Answer,
}

enum Answer {
    Known(Result<Held>),
    Coming(Pin<Box<dyn Future<Output = Result<Held>> + Send>>),
}

impl Asked {
    /// Asks at once.
    pub(crate) fn new(pipeline: &Pipeline, sink: usize, run: &Run) -> Self {
        let instance = pipeline.sinks[sink].component.instance.clone();
        let (wanted, run) = (instance.wanted(), sink_run(pipeline, sink, run));
        let held = contained(
            "reading the target",
            async move { instance.held(&run).await },
        );
        Self {
            sink,
            wanted,
            answer: Answer::Coming(Box::pin(held)),
        }
    }

    /// Whether it is a mirror that the remote was listed before.
    pub(crate) fn is_late(&self) -> bool {
        self.wanted != Wanted::Target && matches!(self.answer, Answer::Coming(_))
    }

    /// What the sink says.
    pub(crate) async fn answer(self) -> Result<Held> {
        match self.answer {
            Answer::Known(held) => held,
            Answer::Coming(held) => held.await,
        }
    }

    async fn settle(&mut self) {
        if let Answer::Coming(held) = &mut self.answer {
            self.answer = Answer::Known(held.await);
        }
    }
}

/// Waits a little for mirrors. One that is read before the remote is listed can tell a newer writer by what has changed
/// since; read later, it would take the newer writer's refs for old ones.
pub(crate) async fn mirrors_first(asked: &mut [Asked]) {
    let settle = async {
        for mirror in asked
            .iter_mut()
            .filter(|asked| asked.wanted != Wanted::Target)
        {
            mirror.settle().await;
        }
    };
    // Whoever is late has the remote listed once more for itself.
    timeout(PATIENCE, settle).await.ok();
}

/// The run as a sink sees it.
pub(crate) fn sink_run(pipeline: &Pipeline, sink: usize, run: &Run) -> Run {
    run.for_component(&format!("sink/{}", pipeline.sinks[sink].name))
}
