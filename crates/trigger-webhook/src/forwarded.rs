//! Reads X-Forwarded-For: whom a trusted proxy had before it.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

use crate::networks::Networks;

const HEADER: &str = "x-forwarded-for";

/// A header that a trusted proxy has sent on cannot be read up to the first address that is not trusted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// The sender's own address: the rightmost one that is not itself trusted.
///
/// What stands to the left of it was written by the sender, or by somebody whom nobody vouches for, and is not looked at.
/// Several header lines are one list. Without a header, a trusted peer speaks for itself.
pub(crate) fn sender(
    peer: IpAddr,
    headers: &HeaderMap,
    trusted: &Networks,
) -> Result<IpAddr, Unreadable> {
    let mut sender = peer.to_canonical();
    let lines = headers.get_all(HEADER).iter().rev();
    let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops {
        if !trusted.contain(sender) {
            break;
        }
        sender = address(hop).ok_or(Unreadable)?;
    }
    Ok(sender)
}

/// An address, with a port where a proxy adds one.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim_matches([' ', '\t']);
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = match bare {
        Some(v6) => v6.parse().map(IpAddr::V6).ok(),
        None => text.parse().ok(),
    };
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    Some(address.or_else(with_port)?.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(peer: &str, lines: &[&str]) -> Result<String, Unreadable> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HEADER, line.parse().unwrap());
        }
        let trusted = Networks::parse(&["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"]).unwrap();
        sender(peer.parse().unwrap(), &headers, &trusted).map(|sender| sender.to_string())
    }

    #[test]
    fn the_sender_is_the_rightmost_address_that_is_not_trusted() {
        for (lines, expected) in [
            (vec!["203.0.113.9"], "203.0.113.9"),
            (vec!["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
            (vec!["203.0.113.9,10.1.2.3"], "203.0.113.9"),
            (vec!["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
            (vec!["203.0.113.9", "10.1.2.3"], "203.0.113.9"),
            (vec!["garbage, 203.0.113.9"], "203.0.113.9"),
            (vec![" 203.0.113.9:4711\t"], "203.0.113.9"),
            (vec!["[2001:db9::7]:443"], "2001:db9::7"),
            (vec!["2001:db9::7"], "2001:db9::7"),
            (vec!["[2001:db9::7], 2001:db8::1"], "2001:db9::7"),
            (vec!["::ffff:203.0.113.9"], "203.0.113.9"),
            (vec!["10.1.2.3"], "10.1.2.3"),
            (vec![], "127.0.0.1"),
        ] {
            assert_eq!(
                ask("127.0.0.1", &lines).as_deref(),
                Ok(expected),
                "{lines:?}"
            );
            assert_eq!(ask("::ffff:127.0.0.1", &lines).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_stranger_is_not_believed() {
        for lines in [
            vec!["127.0.0.1"],
            vec!["203.0.113.9"],
            vec!["garbage"],
            vec![],
        ] {
            assert_eq!(ask("127.0.0.2", &lines).as_deref(), Ok("127.0.0.2"));
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_guessed() {
        for lines in [
            vec!["garbage"],
            vec![""],
            vec!["203.0.113.9, garbage"],
            vec!["203.0.113.9,"],
            vec!["203.0.113.9", ""],
            vec!["garbage, 10.1.2.3"],
            vec!["unknown"],
            vec!["203.0.113.9.1"],
            vec!["203.0.113.009"],
            vec!["[203.0.113.9]"],
            vec!["fe80::1%eth0"],
            vec!["203.0.113.9:"],
            vec!["203.0.113.9:99999"],
            vec!["for=203.0.113.9"],
        ] {
            assert_eq!(ask("127.0.0.1", &lines), Err(Unreadable), "{lines:?}");
        }
    }
}
