//! `git upload-pack` as a child process: started, watched, and never left behind.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use gitbarge_core::{Error, ErrorKind, RemoteEnd, Result, Run};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStderr, Command};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::pipes::{Input, Output, pipes};

/// Variables that would make git look at another repository, another configuration, or say more than it should.
const MISLEADING: &[&str] = &[
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_SYSTEM",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_TRACE",
    "GIT_TRACE2",
    "GIT_TRACE_PACKET",
    "GIT_WORK_TREE",
    "LANGUAGE",
];

/// Starts `git upload-pack`. It is killed, with its own children, when the run is cancelled or both pipes have been dropped.
///
/// # Errors
/// `config` if git is not installed.
pub(crate) fn start(path: &Path, idle: Duration, run: &Run) -> Result<(Output, Input, RemoteEnd)> {
    let mut child = command(path).spawn().map_err(not_started)?;
    let stderr = child.stderr.take().expect("it is piped");
    let stdout = child.stdout.take().expect("it is piped");
    let stdin = child.stdin.take().expect("it is piped");
    let unused = CancellationToken::new();
    let (output, input) = pipes(stdout, stdin, idle, run, &unused);
    let remote = RemoteEnd::default();
    tokio::spawn(watch(child, stderr, remote.clone(), run.clone(), unused));
    Ok((output, input, remote))
}

/// Its own process group, so that `git pack-objects` can be killed with it. Its words are judged, so they are English.
fn command(path: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .args(["upload-pack", "--"])
        .arg(path)
        .env("GIT_PROTOCOL", "version=2")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    for name in MISLEADING {
        command.env_remove(name);
    }
    command
}

fn not_started(error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::NotFound {
        return Error::new(ErrorKind::Config, "`git` is not installed")
            .with_hint(
                "a source of type `local` runs `git upload-pack`: install git, or correct PATH",
            )
            .with_source(error);
    }
    Error::io("failed to start `git upload-pack`", error)
}

async fn watch(
    mut child: Child,
    mut stderr: ChildStderr,
    remote: RemoteEnd,
    run: Run,
    unused: CancellationToken,
) {
    let said = remote.clone();
    let listening = tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
            said.push_stderr(&buffer[..count]);
        }
    });
    let ended = tokio::select! {
        ended = child.wait() => ended,
        () = run.cancelled() => kill(&mut child).await,
        () = unused.cancelled() => kill(&mut child).await,
    };
    // Whoever else has its standard error open does not matter any more.
    if tokio::time::timeout(LAST_WORDS, listening).await.is_err() {
        debug!("Something still holds the standard error of git.");
    }
    if let Some(code) = ended.ok().and_then(|status: ExitStatus| status.code()) {
        remote.set_exit(code.unsigned_abs());
    }
    remote.close();
}

/// How long to wait for the rest of the standard error after the end of the process.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Kills before it reaps: until then nobody else can have the group's number.
async fn kill(child: &mut Child) -> std::io::Result<ExitStatus> {
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    if let Some(Err(error)) = group.map(|group| kill_process_group(group, Signal::KILL)) {
        debug!(%error, "The processes of git could not be killed.");
    }
    child.wait().await
}
