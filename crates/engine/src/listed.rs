//! What the remote has shown.

use std::sync::Arc;

use gitbarge_core::config::Pipeline;
use gitbarge_core::{Delivery, Failure, RemoteRef, Result, Run, Target, Wanted};
use gitbarge_git::remote::{Asked, Remote};

use crate::contained::contained;

/// A remote whose refs have been listed, and what the pipeline's `ref` means there.
#[derive(Clone)]
pub(crate) struct Listed {
    remote: Arc<Remote>,
    pub(crate) target: Result<Target, Failure>,
}

impl Listed {
    /// Lists what the pipeline and its sinks want.
    pub(crate) async fn new(pipeline: &Pipeline, run: &Run) -> Result<Self> {
        let source = pipeline.source.instance.clone();
        let (asked, run) = (asked(pipeline), run.for_component("source"));
        contained("listing refs", async move {
            let remote = Remote::open(&source, asked, &run).await?;
            let target = remote.resolve().map_err(|error| error.failure());
            let remote = Arc::new(remote);
            Ok(Self { remote, target })
        })
        .await
    }

    /// What a sink is given that wants this.
    pub(crate) fn delivery(&self, pipeline: &Pipeline, wanted: Wanted) -> Delivery {
        let refs = match wanted {
            Wanted::Target if is_head(pipeline) => self.head(),
            Wanted::Target => self.remote.refs(),
            Wanted::Refs(patterns) => patterns.select(&self.remote.refs()).into(),
        };
        let address = pipeline.source.instance.address();
        let target = self.target.as_ref().ok().cloned();
        Delivery::new(target, refs, address, self.remote.clone())
    }

    /// HEAD alone: what more there is was listed for others.
    fn head(&self) -> Arc<[RemoteRef]> {
        let refs = self.remote.refs();
        refs.iter()
            .filter(|found| found.name == b"HEAD")
            .cloned()
            .collect()
    }
}

fn is_head(pipeline: &Pipeline) -> bool {
    let reference = pipeline.reference.as_ref();
    reference.is_none_or(|reference| reference.as_str() == "HEAD")
}

/// Which refs a pipeline needs.
pub(crate) fn asked(pipeline: &Pipeline) -> Asked {
    let patterns =
        pipeline
            .sinks
            .iter()
            .filter_map(|sink| match sink.component.instance.wanted() {
                Wanted::Target => None,
                Wanted::Refs(patterns) => Some(patterns),
            });
    Asked {
        reference: pipeline.reference.clone(),
        patterns: patterns.collect(),
    }
}
