//! mirror-git-to-s3 itself, from PyPI, in a virtual environment below `target/`.

use std::path::PathBuf;
use std::process::Command;

use gitbarge_testkit::s3::{ACCESS_KEY, BUCKET, SECRET_KEY};

use super::history::Size;
use super::lab::{Lab, direct, kept};
use crate::{Outcome, succeed, write};

/// The version that is measured.
const PACKAGE: &str = "mirror-git-to-s3==0.0.24";
const SCRIPT: &str = include_str!("ancestor.py");

pub(super) struct Ancestor {
    python: PathBuf,
}

impl Ancestor {
    /// Installs it, if that has not been done before.
    pub(super) fn install() -> Outcome<Self> {
        let venv = kept().join("venv");
        let python = venv.join("bin/python");
        if !venv.join("bin/mirror-git-to-s3").exists() {
            succeed(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
            let mut pip = Command::new(&python);
            succeed(pip.args(["-m", "pip", "install", "--quiet", PACKAGE]))?;
        }
        Ok(Self { python })
    }

    /// The command that mirrors a repository to a prefix of the bucket.
    pub(super) fn mirror(&self, lab: &Lab, size: Size, prefix: &str) -> Outcome<Command> {
        let script = lab.path("ancestor.py");
        write(&script, SCRIPT)?;
        let mut command = direct(Command::new(&self.python));
        command
            .arg(script)
            .args([&lab.servers.s3, &lab.source(size)]);
        command.arg(format!("s3://{BUCKET}/{prefix}"));
        command.envs([
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_REGION", "us-east-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]);
        Ok(command)
    }
}
