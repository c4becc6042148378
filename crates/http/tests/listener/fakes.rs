//! Plugins that do as they are told.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use gitbarge_core::{
    Address, Connection, Delivery, Endpoint, Entry, Expect, Held, Key, Lease, Listening, Receipt,
    Reply, Requests, Result, Run, Service, Sink, Source, StateStore, Trigger, Version,
};
use gitbarge_testkit::memory::MemoryState;
use gitbarge_testkit::upload_pack::UploadPack;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::json;

/// The largest body that [`FakeEndpoint`] takes, in bytes.
pub(crate) const LARGEST: usize = 4096;

/// Serves a repository, at an address with a user.
pub(crate) struct FakeSource(pub(crate) PathBuf);

#[async_trait]
impl Source for FakeSource {
    async fn connect(&self, service: Service, run: &Run) -> Result<Connection> {
        UploadPack(self.0.clone()).connect(service, run).await
    }

    fn address(&self) -> Address {
        Address::new("ssh://somebody@example.org/site.git")
    }
}

/// Takes whatever it is given, and says that it has discarded something.
#[derive(Default)]
pub(crate) struct FakeSink(Mutex<Held>);

#[async_trait]
impl Sink for FakeSink {
    async fn held(&self, _: &Run) -> Result<Held> {
        Ok(self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone())
    }

    async fn deliver(&self, delivery: &Delivery, _: &Run) -> Result<Receipt> {
        let target = delivery.target()?;
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.branch = target.branch().map(str::to_owned);
        let mut receipt = Receipt {
            changed: true,
            from: held.commit.replace(target.commit),
            subject: Some("<script>alert('x')</script> & co".to_owned()),
            ..Receipt::default()
        };
        let discarded =
            json!({ "working_tree": [{ "code": "??", "path": "<stray>" }], "commits": [] });
        receipt.details.insert("discarded".to_owned(), discarded);
        Ok(receipt)
    }
}

/// Listens at a path, with a [`FakeEndpoint`].
pub(crate) struct FakeTrigger(pub(crate) &'static str);

#[async_trait]
impl Trigger for FakeTrigger {
    async fn watch(&self, _: Requests, run: &Run) -> Result<()> {
        run.cancelled().await;
        Ok(())
    }

    fn path(&self, _: &str) -> Option<String> {
        Some(self.0.to_owned())
    }

    fn endpoint(&self, listening: Listening) -> Option<Arc<dyn Endpoint>> {
        Some(Arc::new(FakeEndpoint(listening)))
    }
}

/// Takes POST only, nothing with a header `x-deny`, and does what its other headers say.
struct FakeEndpoint(Listening);

#[async_trait]
impl Endpoint for FakeEndpoint {
    fn label(&self) -> &str {
        "fake"
    }

    fn largest_body(&self) -> u64 {
        LARGEST as u64
    }

    fn screen(&self, head: &Parts, peer: IpAddr) -> Result<IpAddr, Response<Bytes>> {
        if head.method != Method::POST {
            let reply = Reply::refused("only POST");
            let mut response = reply.with_status(StatusCode::METHOD_NOT_ALLOWED);
            let post = HeaderValue::from_static("POST");
            response.headers_mut().insert(header::ALLOW, post);
            return Err(response);
        }
        if head.headers.contains_key("x-deny") {
            return Err(Reply::refused("denied").with_status(StatusCode::FORBIDDEN));
        }
        assert!(!head.headers.contains_key("x-panic-early"), "as told");
        let sender = head.headers.get("x-sender");
        Ok(sender.map_or(peer, |ip| ip.to_str().unwrap().parse().unwrap()))
    }

    async fn answer(&self, request: Request<Bytes>, sender: IpAddr) -> Response<Bytes> {
        if request.headers().contains_key("x-wait") {
            std::future::pending::<()>().await;
        }
        assert!(!request.headers().contains_key("x-panic"), "as told");
        let ticket = self.0.requests.request();
        let reason = format!("{} bytes from {sender}", request.body().len());
        Reply::accepted(ticket.id(), &reason).with_status(StatusCode::ACCEPTED)
    }
}

/// A memory that hangs when told to.
#[derive(Clone, Default)]
pub(crate) struct SlowState {
    memory: MemoryState,
    is_stuck: Arc<AtomicBool>,
}

impl SlowState {
    pub(crate) fn get_stuck(&self) {
        self.is_stuck.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl StateStore for SlowState {
    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        if self.is_stuck.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.memory.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: Expect) -> Result<Version> {
        self.memory.put(key, value, expect).await
    }

    async fn delete(&self, key: &Key, expect: Expect) -> Result<()> {
        self.memory.delete(key, expect).await
    }

    async fn list(&self, prefix: &Key) -> Result<Vec<Key>> {
        self.memory.list(prefix).await
    }

    async fn lease(&self, key: &Key) -> Result<Lease> {
        self.memory.lease(key).await
    }
}
