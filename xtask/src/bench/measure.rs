//! How long a command takes, and how much memory it has.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

/// How long a command takes that must succeed, in seconds.
pub(super) fn time(command: &mut Command) -> Outcome<f64> {
    let begun = Instant::now();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot run {command:?}: {e}"))?;
    let took = begun.elapsed().as_secs_f64();
    succeeded(command, output).map(|()| took)
}

/// The most anonymous memory that a command has at any time that must succeed, in MiB.
pub(super) fn peak_anonymous(command: &mut Command) -> Outcome<f64> {
    // What it prints fits into the pipes.
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.map_err(|e| format!("cannot run {command:?}: {e}"))?;
    let mut peak = 0.0_f64;
    while child.try_wait().map_err(|e| e.to_string())?.is_none() {
        peak = peak.max(anonymous(child.id()).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    succeeded(command, output).map(|()| peak)
}

fn succeeded(command: &Command, output: Output) -> Outcome {
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    Err(format!("{command:?} failed: {said}"))
}

/// `RssAnon` of a process in MiB. Source: proc_pid_status(5).
fn anonymous(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes / 1024.0)
}
