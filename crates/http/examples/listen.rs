//! Shows an engine at `http://127.0.0.1:8080`: `cargo run -p gitbarge-http --example listen -- /srv/git/site.git`.
//!
//! Its only sink takes a commit by printing it. `curl -X POST -H 'Authorization: Bearer example'
//! http://127.0.0.1:8080/api/v1/pipelines/site/sync` has it look for a new one.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gitbarge_core::config::{Config, HttpConfig, Named, Pipeline};
use gitbarge_core::{
    Component, Delivery, Error, ErrorKind, Held, Receipt, Result, Run, Secret, Sink,
};
use gitbarge_engine::Engine;
use gitbarge_http::{Limits, Listener, Watched};
use gitbarge_testkit::memory::MemoryState;
use gitbarge_testkit::upload_pack::UploadPack;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Holds a commit by having printed it.
#[derive(Default)]
struct Printer(Mutex<Held>);

#[async_trait]
impl Sink for Printer {
    async fn held(&self, _: &Run) -> Result<Held> {
        Ok(self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone())
    }

    async fn deliver(&self, delivery: &Delivery, _: &Run) -> Result<Receipt> {
        let target = delivery.target()?;
        println!("{}", target.commit);
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.branch = target.branch().map(str::to_owned);
        let from = held.commit.replace(target.commit);
        Ok(Receipt {
            changed: true,
            from,
            ..Receipt::default()
        })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let Some(repository) = std::env::args().nth(1) else {
        return Err(Error::new(ErrorKind::Config, "usage: listen REPOSITORY"));
    };
    let sink: Arc<dyn Sink> = Arc::new(Printer::default());
    let pipeline = Pipeline {
        name: "site".to_owned(),
        reference: None,
        run_timeout: Duration::from_secs(60),
        stale_after: None,
        source: Component::made("local", UploadPack::source(repository)),
        sinks: vec![Named {
            name: "printer".to_owned(),
            component: Component::made("printer", sink),
        }],
        triggers: Vec::new(),
        alerters: Vec::new(),
    };
    let config = Config {
        shutdown_grace: Duration::from_secs(1),
        http: Some(HttpConfig {
            listen: ([127, 0, 0, 1], 8080).into(),
            tls: None,
            api_token: Some(Secret::literal("example")),
        }),
        state: Component::made("memory", Arc::new(MemoryState::new())),
        alerters: Vec::new(),
        pipelines: vec![pipeline],
    };
    let engine = Engine::new(&config);
    let watched = Arc::new(Watched::new(engine.board()));
    let engine = engine.observed_by(watched.clone());
    let listener = Listener::new(watched, Limits::default());
    listener.configure(config.http.as_ref()).await?;
    let (_reload, reloads) = mpsc::channel(1);
    engine.serve(CancellationToken::new(), reloads).await;
    Ok(())
}
