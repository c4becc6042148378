//! The servers that `cargo xtask bench s3` measures over: `servers FOLDER` shows the repositories below a folder.
//!
//! It prints where they listen; answers each line of its standard input with the number of S3 requests and of bytes that they
//! brought, so far; and ends with its standard input.
#![expect(
    clippy::print_stdout,
    reason = "it talks to the program that started it"
)]

use std::io;
use std::path::PathBuf;

use gitbarge_testkit::http_backend::GitHttp;
use gitbarge_testkit::s3::{BUCKET, S3Server};
use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};

#[tokio::main]
async fn main() -> io::Result<()> {
    let root = std::env::args_os().nth(1).map(PathBuf::from);
    let root = root.ok_or_else(|| io::Error::other("usage: servers FOLDER"))?;
    let git = GitHttp::start(&root).await;
    let s3 = S3Server::start().await;
    println!("http://{}", git.address());
    println!("{}", s3.endpoint());
    println!("{}", s3.web_url());
    println!("{}", s3.bucket(BUCKET).display());

    let mut lines = BufReader::new(stdin()).lines();
    while lines.next_line().await?.is_some() {
        let asked = s3.asked();
        let bytes: u64 = asked.iter().map(|one| one.bytes).sum();
        println!("{} {bytes}", asked.len());
    }
    Ok(())
}
