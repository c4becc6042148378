//! Prints the commit that a repository's HEAD leads to: `cargo run -p gitbarge-transport-http --example head -- https://host/repo.git`.
//!
//! A token is read from the variable `GIT_TOKEN`, if it is set, and sent as a password.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::sync::Arc;

use gitbarge_core::{Error, ErrorKind, Result, Run, Secret, Source};
use gitbarge_git::remote::Remote;
use gitbarge_transport_http::{HttpConfig, HttpSource};

#[tokio::main]
async fn main() -> Result<()> {
    let Some(url) = std::env::args().nth(1) else {
        return Err(Error::new(ErrorKind::Config, "usage: head URL"));
    };
    let mut config = HttpConfig::new(url);
    if std::env::var_os("GIT_TOKEN").is_some() {
        config.username = Some("x-access-token".to_owned());
        config.password = Some(Secret::env("GIT_TOKEN"));
    }
    let source = HttpSource::new(config)
        .map_err(|problems| Error::new(ErrorKind::Config, problems[0].to_string()))?;
    let source: Arc<dyn Source> = Arc::new(source);
    let remote = Remote::open(&source, None, &Run::standalone("head")).await?;
    println!("{}", remote.resolve()?.commit);
    Ok(())
}
