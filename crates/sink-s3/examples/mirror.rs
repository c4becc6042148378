//! Mirrors a repository into an object store, with no other part of gitbarge:
//! `cargo run -p gitbarge-sink-s3 --example mirror -- https://host/site.git s3://my-bucket/site`.
//!
//! The source is an address of the web or a repository of this machine. Credentials come from the standard chain.
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::sync::Arc;
use std::time::Duration;

use gitbarge_core::{Error, ErrorKind, Problem, Result, Run, Source};
use gitbarge_sink_s3::{S3Config, S3Mirror};
use gitbarge_transport_http::{HttpConfig, HttpSource};
use gitbarge_transport_local::LocalSource;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(target)) = (arguments.next(), arguments.next()) else {
        return Err(Error::new(ErrorKind::Config, "usage: mirror URL TARGET"));
    };
    let source = source(&url)?;
    let mirror = S3Mirror::new(S3Config::new(target)).map_err(first)?;
    let receipt = mirror.mirror(&source, &Run::standalone("mirror")).await?;
    let did = match receipt.changed {
        true => "synced",
        false => "unchanged",
    };
    println!("{did} {}", serde_json::Value::Object(receipt.details));
    Ok(())
}

fn source(url: &str) -> Result<Arc<dyn Source>> {
    if url.starts_with("http://") || url.starts_with("https://") {
        let source = HttpSource::new(HttpConfig::new(url)).map_err(first)?;
        return Ok(Arc::new(source));
    }
    Ok(Arc::new(LocalSource::new(url, Duration::from_secs(60))?))
}

fn first(problems: Vec<Problem>) -> Error {
    Error::new(ErrorKind::Config, problems[0].to_string())
}
