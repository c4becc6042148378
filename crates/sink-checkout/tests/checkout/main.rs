//! A checkout, judged by stock git.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cases;
mod conformance;
mod lab;
mod storm;
