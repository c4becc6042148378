//! `gitbarge run`: the daemon.

use clap::Args;
use gitbarge_core::config::Config;
use gitbarge_engine::Engine;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::args::Common;
use crate::configuration;
use crate::exit::Exit;
use crate::process;
use crate::terminal::Terminal;

/// `run` has no options of its own.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {}

pub(crate) fn run(_: RunArgs, common: &Common, terminal: &Terminal) -> Exit {
    process::run(terminal, |interrupted| async move {
        let config = match configuration::load(common, terminal) {
            Ok(config) => config,
            Err(exit) => return exit,
        };
        let (reloaded, reloads) = mpsc::channel(1);
        let reloading = tokio::spawn(reload(common.clone(), reloaded));
        tracing::info!(pipelines = config.pipelines.len(), "Started.");
        Engine::new(&config).serve(interrupted, reloads).await;
        reloading.abort();
        tracing::info!("Stopped.");
        Exit::Good
    })
}

/// Reads the configuration again at each SIGHUP. A bad one changes nothing.
async fn reload(common: Common, reloaded: mpsc::Sender<Config>) {
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => {
            tracing::warn!(error = %error, "SIGHUP cannot be heard: the configuration will not be read again.");
            return;
        }
    };
    while hangup.recv().await.is_some() {
        match configuration::try_load(&common) {
            Ok(config) => {
                tracing::info!(
                    pipelines = config.pipelines.len(),
                    "Configuration read again."
                );
                if reloaded.send(config).await.is_err() {
                    return;
                }
            }
            Err(problems) => {
                for problem in &problems {
                    tracing::error!(problem = %problem, "The configuration has a problem.");
                }
                tracing::error!(
                    problems = problems.len(),
                    "The configuration was not read again; the old one stays."
                );
            }
        }
    }
}
