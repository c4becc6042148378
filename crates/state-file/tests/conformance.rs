//! The file store keeps the promises of every state store.

use std::sync::Arc;

use gitbarge_state_file::FileState;
use gitbarge_testkit::state;

#[tokio::test(flavor = "multi_thread")]
async fn the_file_store_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    state::conformance(|| Arc::new(FileState::new(&path))).await;
}
