//! A command and everything that it has started: one process group, which ends as one.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};
use tracing::debug;

/// How often it is looked whether the command has heeded its signal.
const GLANCE: Duration = Duration::from_millis(5);

/// A running command that leads a process group of its own. The whole group is killed when this is dropped before the command has ended.
pub(crate) struct Group {
    child: Child,
    /// Until the command is reaped, nobody else can have the group's number.
    id: Option<Pid>,
}

impl Group {
    /// Starts the command.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn start(mut command: Command) -> io::Result<Self> {
        let child = command.process_group(0).spawn()?;
        let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self { child, id })
    }

    /// Waits until the command has ended by itself; what it has left running is let go. Cancel safe.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.id = None;
        status
    }

    /// Asks all of the group to end, and kills what is left when the command has ended or the time is over.
    pub(crate) async fn end(mut self, grace: Duration) {
        self.signal(Signal::TERM);
        let until = Instant::now() + grace;
        while !self.has_ended() && Instant::now() < until {
            sleep(GLANCE).await;
        }
        self.signal(Signal::KILL);
        if let Err(error) = self.wait().await {
            debug!(%error, "A killed command could not be waited for.");
        }
    }

    /// Whether the command has ended. It is not reaped: its number is still needed.
    fn has_ended(&self) -> bool {
        let Some(id) = self.id else { return true };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(id), options), Ok(None))
    }

    fn signal(&self, signal: Signal) {
        if let Some(Err(error)) = self.id.map(|id| kill_process_group(id, signal)) {
            debug!(%error, "The processes of a command could not be signalled.");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
