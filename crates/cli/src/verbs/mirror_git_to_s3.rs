//! `gitbarge mirror-git-to-s3`: the arguments of the tool of that name.

use std::path::Path;

use clap::Args;
use gitbarge_core::config::{Config, Loader};
use sha2::{Digest as _, Sha256};

use super::sync;
use crate::args::Common;
use crate::configuration;
use crate::exit::Exit;
use crate::process;
use crate::terminal::Terminal;

/// The options of `mirror-git-to-s3`.
#[derive(Debug, Args)]
pub(crate) struct MirrorArgs {
    /// The repository's URL; may be repeated, with one target for each
    #[arg(short, long, value_name = "URL", required = true)]
    source: Vec<String>,
    /// Where its mirror stands, such as `s3://bucket/prefix`
    #[arg(short, long, value_name = "URL", required = true)]
    target: Vec<String>,
    /// The URL of the S3 server, if it is not Amazon's
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// The storage class of packs and LFS objects
    #[arg(long, value_name = "CLASS")]
    storage_class: Option<String>,
}

pub(crate) fn run(args: MirrorArgs, _common: &Common, terminal: &Terminal) -> Exit {
    if args.source.len() != args.target.len() {
        terminal.complain(
            format!(
                "there are {} sources and {} targets",
                args.source.len(),
                args.target.len()
            ),
            "give one `--target` for each `--source`",
        );
        return Exit::Usage;
    }
    process::run(terminal, |interrupted| async move {
        match load(&args, terminal) {
            Ok(config) => {
                let all: Vec<_> = config.pipelines.iter().collect();
                sync::sync(&config, &all, false, terminal, interrupted).await
            }
            Err(exit) => exit,
        }
    })
}

/// The configuration that says the same.
fn load(args: &MirrorArgs, terminal: &Terminal) -> Result<Config, Exit> {
    let loader = Loader {
        overrides: overrides(args),
        default_state: configuration::default_state(),
        ..Loader::default()
    };
    loader.load().map_err(|problems| {
        configuration::report(&problems, terminal);
        Exit::Usage
    })
}

fn overrides(args: &MirrorArgs) -> Vec<String> {
    let mut overrides = Vec::new();
    for (source, target) in args.source.iter().zip(&args.target) {
        let pipeline = format!("pipeline.{}", name(source, target));
        let mut set = |key: &str, value: toml::Value| {
            overrides.push(format!("{pipeline}.{key}={value}"));
        };
        set("source.type", source_type(source).into());
        set("source.url", source.as_str().into());
        set("sink.mirror.type", "s3".into());
        set("sink.mirror.url", target.as_str().into());
        if let Some(endpoint) = &args.endpoint_url {
            set("sink.mirror.endpoint", endpoint.as_str().into());
            // There is no second argument to say that this is meant.
            set("sink.mirror.allow_http", true.into());
        }
        if let Some(class) = &args.storage_class {
            set("sink.mirror.storage_class", class.as_str().into());
        }
    }
    overrides
}

/// A name that is the same every time, and tells people which mirror is meant.
fn name(source: &str, target: &str) -> String {
    let last = target.trim_end_matches('/').rsplit('/').next();
    let word: String = last
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(40)
        .collect();
    let digest = Sha256::digest(format!("{source}\n{target}"));
    let digest: String = digest
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{word}-{digest}")
}

fn source_type(url: &str) -> &'static str {
    let begins = |starts: &[&str]| starts.iter().any(|start| url.starts_with(start));
    match url {
        _ if begins(&["http://", "https://"]) => "http",
        // A path that is missing now is a path all the same.
        _ if begins(&["file://", "/", "./", "../"]) || Path::new(url).is_dir() => "local",
        _ => "ssh",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_pairs_become_pipelines() {
        let urls = |list: &[&str]| list.iter().map(|url| (*url).to_owned()).collect();
        let args = MirrorArgs {
            source: urls(&["https://h/a.git", "/"]),
            target: urls(&["s3://b/a", "s3://b/\"b\"/"]),
            endpoint_url: Some("http://127.0.0.1:9000".to_owned()),
            storage_class: None,
        };
        let overrides = overrides(&args);
        assert_eq!(overrides.len(), 12);
        assert!(
            overrides[0].starts_with("pipeline.a-")
                && overrides[0].ends_with(".source.type=\"http\"")
        );
        assert!(overrides[6].ends_with(".source.type=\"local\""));
        assert_ne!(name("x", "s3://b/a"), name("y", "s3://b/a"));
    }
}
