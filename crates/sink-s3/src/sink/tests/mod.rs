//! Tests of whole runs, against an S3 server and a folder.

mod large;
mod liar;
mod scene;
