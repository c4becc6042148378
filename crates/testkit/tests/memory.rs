//! The store in memory keeps the promises of every state store.

use std::sync::Arc;

use gitbarge_testkit::{memory::MemoryState, state};

#[tokio::test]
async fn the_store_in_memory_keeps_the_contract() {
    let store = MemoryState::new();
    state::conformance(|| Arc::new(store.clone())).await;
}
