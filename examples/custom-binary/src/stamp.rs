//! The sink `stamp`: a file with the commit that is current, for programs that only want to know that.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use gitbarge_core::{
    Delivery, Error, Held, PluginConfig, Problem, Receipt, Result, Run, Sink, SinkPlugin,
};

/// The keys of a sink `stamp`.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct StampConfig {
    /// The file to write: the branch or tag, a blank, and the commit.
    path: PathBuf,
}

struct StampSink {
    path: PathBuf,
}

impl PluginConfig<dyn Sink> for StampConfig {
    const TYPE: &'static str = "stamp";
    const SUMMARY: &'static str = "writes the current commit into a file";
    const EXAMPLE: &'static str = "path = \"/run/site.commit\"";

    fn build(&self) -> Result<Arc<dyn Sink>, Vec<Problem>> {
        Ok(Arc::new(StampSink { path: self.path.clone() }))
    }
}

gitbarge_core::register! { SinkPlugin::new::<StampConfig>() }

#[async_trait]
impl Sink for StampSink {
    async fn held(&self, _run: &Run) -> Result<Held> {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let (name, hash) = text.trim().split_once(' ').unwrap_or_default();
        Ok(Held {
            commit: hash.parse().ok(),
            branch: name.starts_with("refs/heads/").then(|| name.to_owned()),
            ..Held::default()
        })
    }

    async fn deliver(&self, delivery: &Delivery, run: &Run) -> Result<Receipt> {
        let from = self.held(run).await?.commit;
        let target = delivery.target()?;
        let name = target.reference.as_deref().unwrap_or("HEAD");
        std::fs::write(&self.path, format!("{name} {}\n", target.commit))
            .map_err(|e| Error::io(format!("cannot write `{}`", self.path.display()), e))?;
        Ok(Receipt { changed: true, from, ..Receipt::default() })
    }
}
