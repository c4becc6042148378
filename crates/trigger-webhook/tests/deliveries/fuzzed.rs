//! Nonsense of all kinds: whatever comes is answered, and nothing that is not proved gets in.

use gitbarge_trigger_webhook::Provider;
use proptest::collection::vec;
use proptest::prelude::{any, proptest};
use tokio::runtime::Builder;

use crate::lab::{Delivery, Lab};

const PROVIDERS: [Provider; 8] = [
    Provider::Github,
    Provider::Gitlab,
    Provider::Gitea,
    Provider::Bitbucket,
    Provider::Pierre,
    Provider::Standard,
    Provider::Token,
    Provider::Signature,
];

const HEADERS: [&str; 12] = [
    "X-Hub-Signature-256",
    "X-Hub-Signature",
    "X-Gitlab-Token",
    "X-Gitea-Signature",
    "X-Pierre-Signature",
    "Authorization",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "X-GitHub-Event",
    "X-Event-Key",
    "X-Forwarded-For",
];

proptest! {
    #[test]
    fn nonsense_is_not_let_in(
        lines in vec((0..HEADERS.len(), "[ -~]{0,80}"), 0..6),
        body in vec(any::<u8>(), 0..200),
    ) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let headers: Vec<_> = lines.iter().map(|(name, value)| (HEADERS[*name], value.as_str())).collect();
        let delivery = Delivery::new(&headers, body);
        for provider in PROVIDERS {
            runtime.block_on(async {
                let lab = Lab::new(provider);
                let answer = lab.send(&delivery).await;
                assert_eq!(answer.status, 401, "{answer:?}");
            });
        }
    }
}
