//! The promises of every sink, and what a checkout owes its users, judged by stock git.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cases;
mod lab;
mod repair;
mod repair_objects;
mod rights;
mod storm;
mod trees;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use gitbarge_core::Sink;
use gitbarge_sink_checkout::{CheckoutOptions, CheckoutSink};
use gitbarge_testkit::files::{self, Files};
use gitbarge_testkit::sink::{SinkUnderTest, conformance};

struct Checkout {
    path: PathBuf,
}

impl SinkUnderTest for Checkout {
    fn make(&self) -> Arc<dyn Sink> {
        Arc::new(CheckoutSink::new(CheckoutOptions::at(&self.path)))
    }

    fn files(&self) -> Files {
        files::of_folder(&self.path)
    }

    fn drift(&self) {
        fs::write(self.path.join("plain"), "drifted\n").unwrap();
        fs::write(self.path.join("stray"), "stray\n").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_keeps_the_promises_of_a_sink() {
    let folder = tempfile::tempdir().unwrap();
    conformance(&Checkout {
        path: folder.path().join("made/when/needed"),
    })
    .await;
}
