//! The async runtime, and the signals that end it.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;
use crate::terminal::Terminal;

/// How long tasks have to let go of what they hold, such as commands that they have started.
const LAST_MOMENT: Duration = Duration::from_millis(100);

/// Runs async work until it ends. Its token is cancelled by the first SIGINT or SIGTERM; the second ends the process at once.
///
/// Blocking threads that are still at work then are left behind: they must not hold the exit up.
pub(crate) fn run<W: Future<Output = Exit>>(
    terminal: &Terminal,
    work: impl FnOnce(CancellationToken) -> W,
) -> Exit {
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return no_runtime(terminal, &error),
    };
    let exit = runtime.block_on(async {
        match Interrupts::listen() {
            Ok(interrupts) => {
                let token = CancellationToken::new();
                tokio::spawn(interrupts.cancel(token.clone()));
                work(token).await
            }
            Err(error) => no_runtime(terminal, &error),
        }
    });
    runtime.shutdown_timeout(LAST_MOMENT);
    exit
}

fn no_runtime(terminal: &Terminal, error: &std::io::Error) -> Exit {
    terminal.complain(
        format!("the process cannot be set up: {error}"),
        "check the limits on threads and open files (`ulimit -a`)",
    );
    Exit::Failed
}

/// Runs what may simply be dropped when a signal comes.
pub(crate) fn run_droppable<W: Future<Output = Exit>>(
    terminal: &Terminal,
    work: impl FnOnce() -> W,
) -> Exit {
    run(terminal, |interrupted| async move {
        tokio::select! {
            exit = work() => exit,
            () = interrupted.cancelled() => Exit::Interrupted,
        }
    })
}

struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn cancel(mut self, token: CancellationToken) {
        self.next().await;
        token.cancel();
        self.next().await;
        std::process::exit(Exit::Interrupted as i32);
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
