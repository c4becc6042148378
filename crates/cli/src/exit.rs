//! What the exit codes mean.

use std::process::ExitCode;

/// How the program ends. The codes are an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything is as it should be.
    Good = 0,
    /// At least one run, probe or message failed.
    Failed = 1,
    /// The command line or the configuration is wrong; nothing was touched.
    Usage = 2,
    /// A signal ended it.
    Interrupted = 130,
}

impl Exit {
    /// [`Exit::Failed`] if anything has failed.
    pub(crate) fn failed_if(failed: bool) -> Self {
        if failed { Self::Failed } else { Self::Good }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
