//! The `gitbarge` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    gitbarge::main()
}
