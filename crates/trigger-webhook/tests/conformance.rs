//! The webhook trigger keeps the promises of every trigger, once a listener has mounted its endpoint.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use gitbarge_core::{Endpoint, Listening, Requests, Result, Run, Secret, Trigger};
use gitbarge_testkit::{plugin, trigger};
use gitbarge_trigger_webhook::{Provider, Secrets, WebhookConfig, WebhookTrigger};
use http::Request;
use tokio::sync::Notify;

/// A trigger with its listener.
struct Mounted {
    trigger: WebhookTrigger,
    endpoint: Mutex<Option<Arc<dyn Endpoint>>>,
    is_mounted: Notify,
}

#[async_trait]
impl Trigger for Mounted {
    async fn watch(&self, requests: Requests, run: &Run) -> Result<()> {
        let listening = Listening {
            pipeline: "site".to_owned(),
            reference: None,
            requests: requests.clone(),
            run: run.clone(),
        };
        *self.endpoint.lock().expect("nobody panicked") = self.trigger.endpoint(listening);
        self.is_mounted.notify_one();
        let watched = self.trigger.watch(requests, run).await;
        *self.endpoint.lock().expect("nobody panicked") = None;
        watched
    }
}

impl Mounted {
    async fn endpoint(&self) -> Arc<dyn Endpoint> {
        loop {
            let endpoint = self.endpoint.lock().expect("nobody panicked").clone();
            match endpoint {
                Some(endpoint) => return endpoint,
                None => self.is_mounted.notified().await,
            }
        }
    }
}

#[tokio::test]
async fn the_webhook_trigger_keeps_the_contract() {
    let secrets = Secrets::new([Secret::literal("x")]);
    let mounted = Arc::new(Mounted {
        trigger: WebhookTrigger::new(Provider::Token, &secrets),
        endpoint: Mutex::default(),
        is_mounted: Notify::new(),
    });
    trigger::conformance(mounted.clone(), async || {
        let request = Request::post("/hooks/site").header("authorization", "Bearer x");
        let request = request.body(Bytes::new()).unwrap();
        let endpoint = mounted.endpoint().await;
        let response = endpoint.answer(request, [127, 0, 0, 1].into()).await;
        assert_eq!(response.status(), 202);
    })
    .await;
}

#[test]
fn its_table_keeps_the_contract() {
    plugin::conformance::<dyn Trigger, WebhookConfig>();
}
