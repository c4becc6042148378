//! gitbarge with all its plugins, and one more.

mod stamp;

fn main() -> std::process::ExitCode {
    gitbarge::main()
}
