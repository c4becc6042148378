//! Answers deliveries.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use gitbarge_core::{Endpoint, Reply};
use http::header::{ALLOW, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use jiff::Timestamp;

use crate::flood::Floods;
use crate::journal::Journal;
use crate::judge::{Judge, Verdict};
use crate::keys::{Key, Keyring};
use crate::ledger::{Entered, Ledger};
use crate::sender::{Senders, Stranger};

/// What is larger is signed and read where it keeps nobody waiting.
const SMALL: usize = 64 << 10;

/// A webhook on the daemon's listener.
pub(crate) struct Hook {
    pub(crate) largest_body: u64,
    pub(crate) senders: Senders,
    pub(crate) judge: Arc<Judge>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) floods: Floods,
    pub(crate) journal: Journal,
}

#[async_trait]
impl Endpoint for Hook {
    fn label(&self) -> &str {
        self.judge.provider.as_str()
    }

    fn largest_body(&self) -> u64 {
        self.largest_body
    }

    fn screen(&self, head: &Parts, peer: IpAddr) -> Result<IpAddr, Response<Bytes>> {
        if head.method != Method::POST {
            return Err(self.not_allowed(peer.to_canonical()));
        }
        let sender = match self.senders.screen(peer, &head.headers) {
            Ok(sender) => sender,
            Err(Stranger { sender, why }) => {
                return Err(self.refuse(StatusCode::FORBIDDEN, sender, why));
            }
        };
        match self.floods.wait(sender, Instant::now()) {
            Some(wait) => Err(self.too_many(sender, wait)),
            None => Ok(sender),
        }
    }

    async fn answer(&self, request: Request<Bytes>, sender: IpAddr) -> Response<Bytes> {
        match self.verdict(Arc::new(request)).await {
            Verdict::Unproved(unproved) => {
                let now = Instant::now();
                // Those of a burst have all passed the screen before the first of them is judged.
                if self.floods.is_too_much(sender, now) {
                    let wait = self.floods.wait(sender, now);
                    return self.too_many(sender, wait.unwrap_or_default());
                }
                self.refuse(StatusCode::UNAUTHORIZED, sender, &unproved.to_string())
            }
            Verdict::Malformed(reason) => self.refuse(StatusCode::BAD_REQUEST, sender, &reason),
            Verdict::Nothing(reason) => self.ignore(sender, &reason),
            Verdict::Push(reason, id) => match self.ledger.enter(id).await {
                Entered::Run(run) => {
                    self.journal.taken(StatusCode::ACCEPTED, sender, &reason);
                    Reply::accepted(&run, &reason).with_status(StatusCode::ACCEPTED)
                }
                Entered::Seen => self.ignore(sender, "this delivery was seen before"),
                Entered::Closed => {
                    let reason = "the configuration is being read again, or the daemon ends";
                    let response = self.refuse(StatusCode::SERVICE_UNAVAILABLE, sender, reason);
                    retry_after(response, Duration::from_secs(1))
                }
            },
        }
    }
}

impl Hook {
    async fn verdict(&self, delivery: Arc<Request<Bytes>>) -> Verdict {
        let keys = self.keyring.keys().await;
        let verdict = self.judged(&delivery, &keys).await;
        match &verdict {
            Verdict::Unproved(why) if why.may_fit_another() => {}
            _ => return verdict,
        }
        let fresher = self.keyring.fresher().await;
        if Arc::ptr_eq(&keys, &fresher) {
            return verdict;
        }
        self.judged(&delivery, &fresher).await
    }

    async fn judged(&self, delivery: &Arc<Request<Bytes>>, keys: &Arc<[Key]>) -> Verdict {
        let now = Timestamp::now().as_second();
        if delivery.body().len() <= SMALL {
            return self.judge.judge(delivery, keys, now);
        }
        let (judge, delivery, keys) = (self.judge.clone(), delivery.clone(), keys.clone());
        let judged = tokio::task::spawn_blocking(move || judge.judge(&delivery, &keys, now)).await;
        let lost = |_| Verdict::Malformed("the body could not be read".to_owned());
        judged.unwrap_or_else(lost)
    }

    fn refuse(&self, status: StatusCode, sender: IpAddr, reason: &str) -> Response<Bytes> {
        self.journal.refused(status, sender, reason);
        Reply::refused(reason).with_status(status)
    }

    fn not_allowed(&self, sender: IpAddr) -> Response<Bytes> {
        let reason = "deliveries are sent by POST";
        let mut response = self.refuse(StatusCode::METHOD_NOT_ALLOWED, sender, reason);
        let post = HeaderValue::from_static("POST");
        response.headers_mut().insert(ALLOW, post);
        response
    }

    fn ignore(&self, sender: IpAddr, reason: &str) -> Response<Bytes> {
        self.journal.taken(StatusCode::OK, sender, reason);
        Reply::refused(reason).with_status(StatusCode::OK)
    }

    fn too_many(&self, sender: IpAddr, wait: Duration) -> Response<Bytes> {
        let reason = "too many deliveries of this sender were not proved";
        retry_after(
            self.refuse(StatusCode::TOO_MANY_REQUESTS, sender, reason),
            wait,
        )
    }
}

/// Says when to come again, in whole seconds.
fn retry_after(mut response: Response<Bytes>, wait: Duration) -> Response<Bytes> {
    let seconds = wait.as_millis().div_ceil(1_000).max(1);
    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}
