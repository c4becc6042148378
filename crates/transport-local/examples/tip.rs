//! Prints the commit that a repository's HEAD stands for: `cargo run -p gitbarge-transport-local --example tip -- PATH`.

use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::{Result, Run, Source};
use gitbarge_git::remote::Remote;
use gitbarge_transport_local::LocalSource;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows its result")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let source: Arc<dyn Source> = Arc::new(LocalSource::new(&url, Duration::from_secs(60))?);
    let remote = Remote::open(&source, None, &Run::standalone("example")).await?;
    println!("{}", remote.resolve()?.commit);
    Ok(())
}
