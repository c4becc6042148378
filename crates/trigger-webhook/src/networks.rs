//! Lists of addresses: who may send, and which proxies are believed.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// Addresses and networks, of IP versions 4 and 6.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// Something that is neither an address nor a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkError(String);

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.escape_debug();
        write!(
            f,
            "`{text}` is neither an IP address nor a network such as `192.0.2.0/24` or `2001:db8::/32`"
        )
    }
}

impl std::error::Error for NetworkError {}

impl Networks {
    /// Reads addresses such as `192.0.2.1`, and networks such as `192.0.2.0/24` and `2001:db8::/32`.
    ///
    /// # Errors
    /// All that are neither.
    pub fn parse(texts: &[impl AsRef<str>]) -> Result<Self, Vec<NetworkError>> {
        let (mut networks, mut errors) = (Vec::new(), Vec::new());
        for text in texts {
            let text = text.as_ref();
            let address = text.parse::<IpAddr>().map(IpNet::from);
            match address.or_else(|_| text.parse::<IpNet>()) {
                Ok(network) => networks.push(plain(network)),
                Err(_) => errors.push(NetworkError(text.to_owned())),
            }
        }
        if errors.is_empty() {
            Ok(Self(networks))
        } else {
            Err(errors)
        }
    }

    /// Whether an address is in one of them. One of version 4 that is written as one of version 6 is the same address.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Networks of mapped addresses hold what is looked for in its plain form.
fn plain(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else {
        return network;
    };
    let length = mapped.prefix_len().checked_sub(96);
    let v4 = mapped.addr().to_ipv4_mapped().zip(length);
    let v4 = v4.and_then(|(address, length)| Ipv4Net::new(address, length).ok());
    v4.map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contain(networks: &[&str], address: &str) -> bool {
        Networks::parse(networks)
            .unwrap()
            .contain(address.parse().unwrap())
    }

    #[test]
    fn addresses_and_networks_of_both_versions_are_known() {
        let networks = [
            "127.0.0.2",
            "127.0.1.0/24",
            "10.1.2.3/8",
            "2001:db8::/32",
            "::1",
        ];
        for inside in [
            "127.0.0.2",
            "127.0.1.255",
            "10.9.9.9",
            "2001:db8:1::7",
            "::1",
            "::ffff:127.0.1.1",
        ] {
            assert!(contain(&networks, inside), "{inside}");
        }
        for outside in [
            "127.0.0.1",
            "127.0.2.0",
            "11.0.0.0",
            "2001:db9::",
            "::2",
            "::ffff:127.0.0.3",
        ] {
            assert!(!contain(&networks, outside), "{outside}");
        }
    }

    #[test]
    fn mapped_networks_hold_plain_addresses() {
        assert!(contain(&["::ffff:10.0.0.0/104"], "10.200.0.1"));
        assert!(contain(&["::ffff:10.0.0.1"], "10.0.0.1"));
        assert!(!contain(&["::/0"], "10.0.0.1"));
        assert!(!contain(&["0.0.0.0/0"], "2001:db8::1"));
        assert!(contain(&["0.0.0.0/0"], "::ffff:10.0.0.1"));
    }

    #[test]
    fn whatever_else_is_an_error_that_names_it() {
        let errors = Networks::parse(&[
            "1.2.3.4",
            "1.2.3",
            "1.2.3.4/33",
            "::1/129",
            "host",
            "",
            "1.2.3.4 ",
        ])
        .unwrap_err();
        assert_eq!(errors.len(), 6);
        assert!(errors[0].to_string().starts_with("`1.2.3` is neither"));
    }
}
