//! Who may send.

use std::net::IpAddr;

use http::HeaderMap;

use crate::forwarded;
use crate::networks::Networks;

/// Which senders are heard, and which proxies are believed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Senders {
    /// Everybody, if there is no list.
    pub(crate) allowed: Option<Networks>,
    pub(crate) proxies: Networks,
}

/// Somebody who is not heard.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stranger {
    pub(crate) sender: IpAddr,
    pub(crate) why: &'static str,
}

impl Senders {
    /// The sender's own address.
    pub(crate) fn screen(&self, peer: IpAddr, headers: &HeaderMap) -> Result<IpAddr, Stranger> {
        let stranger = |sender, why| Stranger { sender, why };
        let sender = forwarded::sender(peer, headers, &self.proxies)
            .map_err(|_| stranger(peer.to_canonical(), "`x-forwarded-for` cannot be read"))?;
        let is_allowed = |allowed: &Networks| allowed.contain(sender);
        if self.allowed.as_ref().is_none_or(is_allowed) {
            return Ok(sender);
        }
        Err(stranger(sender, "the sender is not among the allowed ones"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_told_from_senders_behind_the_proxy() {
        let senders = Senders {
            allowed: Some(Networks::parse(&["203.0.113.0/24"]).unwrap()),
            proxies: Networks::parse(&["127.0.0.1"]).unwrap(),
        };
        let screen = |peer: &str, forwarded: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in forwarded {
                headers.append("X-Forwarded-For", line.parse().unwrap());
            }
            let screened = senders.screen(peer.parse().unwrap(), &headers);
            screened
                .map(|sender| sender.to_string())
                .map_err(|stranger| stranger.why)
        };
        let not_allowed = Err("the sender is not among the allowed ones");
        assert_eq!(
            screen("127.0.0.1", &["203.0.113.9"]).as_deref(),
            Ok("203.0.113.9")
        );
        assert_eq!(
            screen("::ffff:203.0.113.9", &[]).as_deref(),
            Ok("203.0.113.9")
        );
        assert_eq!(
            screen("127.0.0.2", &["203.0.113.9"]),
            not_allowed.map(|()| String::new())
        );
        assert_eq!(
            screen("127.0.0.1", &["203.0.113.9", "198.51.100.1"]),
            not_allowed.map(|()| String::new())
        );
        assert_eq!(
            screen("127.0.0.1", &[]),
            not_allowed.map(|()| String::new())
        );
        assert_eq!(
            screen("127.0.0.1", &["x"]).unwrap_err(),
            "`x-forwarded-for` cannot be read"
        );
    }
}
