//! Counts its own runs in a directory: `cargo run -p gitbarge-state-file --example count -- DIR`.

use gitbarge_core::{Expect, Key, Result, StateStore as _};
use gitbarge_state_file::FileState;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows its result")]
async fn main() -> Result<()> {
    let directory = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let store = FileState::new(directory);
    let key = Key::new("example/count");
    let (count, expect) = match store.get(&key).await? {
        Some(entry) => {
            let text = String::from_utf8_lossy(&entry.value).into_owned();
            (text.parse().unwrap_or(0), Expect::Version(entry.version))
        }
        None => (0_u64, Expect::Absent),
    };
    // Fails with `conflict` if another process has counted in the meantime.
    store
        .put(&key, (count + 1).to_string().into(), expect)
        .await?;
    println!("this was run {}", count + 1);
    Ok(())
}
