//! `cargo xtask test`: all tests, with what they need.

use std::path::Path;
use std::process::Command;

use clap::Args;

use crate::{Outcome, root, succeed};

/// Arguments for the test binaries.
#[derive(Args)]
pub(crate) struct Options {
    /// Passed on to `cargo test --workspace`
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// A program that tests need, and Debian's package that has it.
struct Need {
    program: &'static str,
    package: &'static str,
}

const NEEDS: [Need; 4] = [
    Need {
        program: "git",
        package: "git",
    },
    Need {
        program: "sshd",
        package: "openssh-server",
    },
    Need {
        program: "ssh-keygen",
        package: "openssh-client",
    },
    Need {
        program: "cc",
        package: "build-essential",
    },
];

pub(crate) fn run(options: &Options) -> Outcome {
    provide(&NEEDS)?;
    let cargo = || {
        let mut command = Command::new("cargo");
        command.current_dir(root());
        command
    };
    // The end-to-end tests run the binary, which cargo does not build for another package's tests.
    succeed(cargo().args(["build", "--package", "gitbarge"]))?;
    succeed(
        cargo()
            .args(["test", "--workspace"])
            .args(&options.arguments),
    )?;
    let example = root().join("examples/custom-binary");
    // Its own package, outside the workspace, as a user's would be; the target folder is shared to save time.
    succeed(
        Command::new("cargo")
            .current_dir(&example)
            .args(["test", "--target-dir"])
            .arg(root().join("target")),
    )
}

/// Installs what is missing where that can be done, and says what is missing elsewhere.
fn provide(needs: &[Need]) -> Outcome {
    let missing: Vec<&Need> = needs
        .iter()
        .filter(|need| !is_there(need.program))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    let list = packages.join(" ");
    if !is_root() || !is_there("apt-get") {
        return Err(format!(
            "the tests need {list}: on Debian, `apt-get install {list}` as root"
        ));
    }
    println!("installing what the tests need: {list}");
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    succeed(apt().args(["update", "-qq"]))?;
    succeed(
        apt()
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(packages),
    )
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // sshd lives where only root's path leads.
    let folders = std::env::split_paths(&path).chain([Path::new("/usr/sbin").to_owned()]);
    folders
        .into_iter()
        .any(|folder| folder.join(program).is_file())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
