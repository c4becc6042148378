//! `gitbarge run`: the daemon.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use gitbarge_core::config::Config;
use gitbarge_core::{Error, Problem, Result};
use gitbarge_engine::Engine;
use gitbarge_http::{Limits, Listener, Watched};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::args::Common;
use crate::exit::Exit;
use crate::terminal::Terminal;
use crate::{configuration, process, report};

/// How long requests may take to be answered once all runs have ended.
const FAREWELL: Duration = Duration::from_millis(300);

/// `run` has no options of its own.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {}

pub(crate) fn run(_: RunArgs, common: &Common, terminal: &Terminal) -> Exit {
    process::run(terminal, |interrupted| async move {
        // Nobody is to be killed by a SIGHUP that comes while all this begins.
        let hangups = hangups();
        let config = match configuration::load(common, terminal) {
            Ok(config) => config,
            Err(exit) => return exit,
        };
        let engine = Engine::new(&config);
        let watched = Arc::new(Watched::new(engine.board()));
        let engine = engine.observed_by(watched.clone());
        let listener = Arc::new(Listener::new(watched, Limits::default()));
        // No pipeline runs in a daemon that cannot be reached as configured.
        if let Err(error) = listener.configure(config.http.as_ref()).await {
            report::fatal(&error, terminal);
            return Exit::Usage;
        }
        let (reloaded, reloads) = mpsc::channel(1);
        let reloading = tokio::spawn(reload(hangups, common.clone(), listener.clone(), reloaded));
        tokio::spawn(drain(interrupted.clone(), listener.clone()));
        tracing::info!(pipelines = config.pipelines.len(), "Started.");
        engine.serve(interrupted, reloads).await;
        reloading.abort();
        listener.close(FAREWELL).await;
        tracing::info!("Stopped.");
        Exit::Good
    })
}

/// Tells those who probe as soon as the end has begun; requests are answered until all runs have ended.
async fn drain(interrupted: CancellationToken, listener: Arc<Listener>) {
    interrupted.cancelled().await;
    listener.drain();
}

fn hangups() -> Option<Signal> {
    signal(SignalKind::hangup())
        .inspect_err(|error| {
            tracing::warn!(%error, "SIGHUP cannot be heard: the configuration will not be read again.");
        })
        .ok()
}

/// Reads the configuration again at each SIGHUP. A bad one changes nothing.
async fn reload(
    hangups: Option<Signal>,
    common: Common,
    listener: Arc<Listener>,
    reloaded: mpsc::Sender<Config>,
) {
    let Some(mut hangups) = hangups else {
        return;
    };
    while hangups.recv().await.is_some() {
        match configuration::try_load(&common) {
            Ok(config) => {
                if let Err(error) = take(config, &listener, &reloaded).await {
                    refuse(&[Problem::new("http", error.failure().message)]);
                }
            }
            Err(problems) => refuse(&problems),
        }
    }
}

/// The listener goes first: it alone can still refuse.
async fn take(config: Config, listener: &Listener, reloaded: &mpsc::Sender<Config>) -> Result<()> {
    listener.configure(config.http.as_ref()).await?;
    let pipelines = config.pipelines.len();
    tracing::info!(pipelines, "Configuration read again.");
    let sent = reloaded.send(config).await;
    sent.map_err(|_| Error::cancelled("reading the configuration again"))
}

fn refuse(problems: &[Problem]) {
    for problem in problems {
        tracing::error!(%problem, "The configuration has a problem.");
    }
    let problems = problems.len();
    tracing::error!(
        problems,
        "The configuration was not read again; the old one stays."
    );
}
