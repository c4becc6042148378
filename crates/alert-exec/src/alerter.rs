//! Runs the command, once for each notice.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use gitbarge_core::{
    Alert, Alerter, Error, ErrorKind, Notice, Problem, Result, Run, secret_variables,
};
use tokio::process::Command;
use tokio::time::{sleep, timeout};
use tracing::debug;
use zeroize::Zeroizing;

use crate::ExecConfig;
use crate::environment;
use crate::group::Group;
use crate::output::Output;
use crate::program;

/// How long a command that has taken too long may take to end.
const GRACE: Duration = Duration::from_secs(2);
/// The same if it was cancelled: whoever cancels does not wait long.
const SHORT_GRACE: Duration = Duration::from_millis(80);
/// How long to wait for the rest of the output after the command's end: what it has left running may hold it open.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The variables that the configuration sets, with their values.
type Set = Vec<(String, Zeroizing<String>)>;

/// Runs a command for each notice.
#[derive(Debug)]
pub struct ExecAlerter {
    config: ExecConfig,
}

impl ExecAlerter {
    /// Checks the configuration; touches no file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn new(config: ExecConfig) -> Result<Self, Vec<Problem>> {
        match config.problems() {
            problems if problems.is_empty() => Ok(Self { config }),
            problems => Err(problems),
        }
    }

    async fn tell(&self, notice: &Notice, run: &Run) -> Result<()> {
        let config = self.config.clone();
        let set = run.blocking("reading the command's variables", move |_| read(&config));
        let set = set.await?;
        let (group, mut output) = self
            .start(notice, &set)
            .map_err(|error| self.unstarted(error))?;
        let ended = self.follow(group, &mut output, run).await?;
        let said = output.last_lines(&set);
        match ended {
            Some(status) if status.success() => {
                debug!(command = self.name(), said, "The command has ended well.");
                Ok(())
            }
            Some(status) => Err(self.failed(&how(status), ErrorKind::Rejected, &said)),
            None => {
                let what = format!(
                    "did not end within {:?}, and was ended",
                    self.config.timeout
                );
                Err(self.failed(&what, ErrorKind::Timeout, &said))
            }
        }
    }

    fn start(&self, notice: &Notice, set: &Set) -> io::Result<(Group, Output)> {
        let (output, stdout, stderr) = Output::new()?;
        let mut command = Command::new(self.name());
        for name in secret_variables() {
            command.env_remove(name);
        }
        command
            .args(&self.config.command[1..])
            .envs(set.iter().map(|(name, value)| (name, value.as_str())))
            .envs(environment::variables(notice))
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr);
        if let Some(folder) = &self.config.directory {
            command.current_dir(folder);
        }
        // The command's ends of the pipe go with it: else it would never be at its end.
        Ok((Group::start(command)?, output))
    }

    /// Waits for the end of the command; `None` if it took too long.
    async fn follow(
        &self,
        mut group: Group,
        output: &mut Output,
        run: &Run,
    ) -> Result<Option<ExitStatus>> {
        let ended = tokio::select! {
            biased;
            () = run.cancelled() => Err(Error::cancelled(format!("running `{}`", self.name()))),
            () = sleep(self.config.timeout) => Ok(None),
            status = ended(&mut group, output) => Ok(Some(status)),
        };
        match ended {
            Ok(Some(status)) => {
                let status = status.map_err(|error| {
                    let message = format!("`{}` could not be waited for", self.name());
                    Error::io(message, error).with_kind(ErrorKind::Internal)
                })?;
                rest(output).await;
                Ok(Some(status))
            }
            Ok(None) => {
                let reading = async { while output.next().await {} };
                tokio::join!(group.end(GRACE), timeout(GRACE, reading))
                    .1
                    .ok();
                Ok(None)
            }
            Err(cancelled) => {
                group.end(SHORT_GRACE).await;
                Err(cancelled)
            }
        }
    }

    fn name(&self) -> &str {
        &self.config.command[0]
    }

    fn failed(&self, what: &str, kind: ErrorKind, said: &str) -> Error {
        let said = match said {
            "" => "it said nothing".to_owned(),
            said => format!("its last words: {said}"),
        };
        Error::new(kind, format!("`{}` {what}; {said}", self.name()))
    }

    /// What is missing is named, as far as it can be found out.
    fn unstarted(&self, error: io::Error) -> Error {
        if let Err((_, found)) = program::check(&self.config) {
            return found.with_source(error);
        }
        let message = format!("`{}` cannot be started", self.name());
        let is_script = error.kind() == io::ErrorKind::NotFound;
        let error = Error::new(ErrorKind::Config, message).with_source(error);
        match is_script {
            true => {
                error.with_hint("it is there: check that the interpreter in its first line is, too")
            }
            false => error,
        }
    }
}

#[async_trait]
impl Alerter for ExecAlerter {
    async fn alert(&self, alert: &Alert, run: &Run) -> Result<()> {
        for notice in &alert.notices {
            self.tell(notice, run).await?;
        }
        Ok(())
    }

    fn most_together(&self) -> usize {
        1
    }

    /// Its own timeout comes first, and leaves time for the end of everything.
    fn patience(&self) -> Duration {
        self.config.timeout + GRACE + LAST_WORDS + Duration::from_secs(1)
    }

    /// Looks whether the program is there and may be run; runs nothing.
    async fn probe(&self, run: &Run) -> Result<()> {
        let config = self.config.clone();
        let look = move |_: &_| {
            program::check(&config).map_err(|(_, error)| error)?;
            read(&config).map(drop)
        };
        run.blocking("looking for the command", look).await
    }
}

/// Reads all variables that the configuration sets.
fn read(config: &ExecConfig) -> Result<Set> {
    let set = config.env.iter();
    set.map(|(name, secret)| Ok((name.clone(), environment::value(name, secret)?)))
        .collect()
}

/// Reads the output until the command has ended.
async fn ended(group: &mut Group, output: &mut Output) -> io::Result<ExitStatus> {
    let mut is_open = true;
    loop {
        tokio::select! {
            biased;
            status = group.wait() => return status,
            more = output.next(), if is_open => is_open = more,
        }
    }
}

async fn rest(output: &mut Output) {
    let reading = async { while output.next().await {} };
    if timeout(LAST_WORDS, reading).await.is_err() {
        debug!("Something that the command has started still holds its output.");
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}
