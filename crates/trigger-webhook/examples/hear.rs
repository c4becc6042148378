//! Answers one delivery: `cargo run -p gitbarge-trigger-webhook --example hear`.

use std::net::Ipv4Addr;

use bytes::Bytes;
use gitbarge_core::{Listening, Requests, Run, Secret, Trigger as _};
use gitbarge_trigger_webhook::{Provider, Secrets, WebhookTrigger};
use http::Request;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "an example shows its result")]
async fn main() {
    let secrets = Secrets::new([Secret::literal("open sesame")]);
    let trigger = WebhookTrigger::new(Provider::Token, &secrets);
    let (requests, mut asked) = Requests::channel();
    let listening = Listening {
        pipeline: "site".to_owned(),
        reference: None,
        requests,
        run: Run::standalone("example"),
    };
    let endpoint = trigger.endpoint(listening).expect("a webhook listens");
    // A server would have read this from a connection.
    let request = Request::post("/hooks/site").header("Authorization", "Bearer open sesame");
    let request = request.body(Bytes::new()).expect("the parts are valid");
    let (head, body) = request.into_parts();
    let sender = endpoint
        .screen(&head, Ipv4Addr::LOCALHOST.into())
        .expect("everybody may send");
    let response = endpoint
        .answer(Request::from_parts(head, body), sender)
        .await;
    println!(
        "{} {}",
        response.status(),
        String::from_utf8_lossy(response.body())
    );
    asked.next().await;
    println!("a run is due");
}
