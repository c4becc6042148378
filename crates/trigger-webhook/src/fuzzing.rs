//! Everything that reads what comes from outside, for the fuzz targets and for tests that do the same without a nightly compiler.

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use gitbarge_core::config::RefName;
use http::{HeaderMap, HeaderName, HeaderValue, Request};

use crate::forwarded;
use crate::judge::{Judge, Verdict};
use crate::keys::Key;
use crate::networks::Networks;
use crate::payload::{self, Meaning};
use crate::proof::Scheme;
use crate::provider::Provider;
use crate::signature;
use crate::stored;
use crate::wanted::Wanted;

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

/// Reads a body as each event of each provider. The first byte says which content type and which ref there is.
///
/// # Panics
/// If an answer would say more than is good for its reader.
pub fn payloads(data: &[u8]) {
    let (choice, body) = data.split_first().unwrap_or((&0, data));
    let types = ["application/json", "application/x-www-form-urlencoded"];
    let refs = [
        "main",
        "refs/tags/v1",
        "HEAD",
        "0123456789012345678901234567890123456789",
    ];
    let wanted = RefName::new(refs[usize::from(choice >> 1) % refs.len()]).ok();
    let wanted = Wanted::new(wanted.as_ref());
    for (provider, event) in events() {
        let mut headers = HeaderMap::new();
        headers.insert(
            "content-type",
            HeaderValue::from_static(types[usize::from(choice & 1)]),
        );
        if let Some(header) = provider.event_headers().first() {
            headers.insert(*header, HeaderValue::from_static(event));
        }
        let reason = match payload::meaning(provider, &headers, body, &wanted) {
            Ok(Meaning::Push(reason) | Meaning::Nothing(reason)) => reason,
            Err(malformed) => malformed.0,
        };
        assert!(is_fit_to_be_shown(&reason), "{reason:?}");
    }
    drop(stored::read(data));
}

/// Reads header lines as each provider's, with a secret that nobody knows.
///
/// # Panics
/// If one of them is let in.
pub fn signatures(data: &[u8]) {
    std::hint::black_box(signature::hex(data, "sha256="));
    drop(signature::pierre(data));
    drop(signature::standard(b"1731705121", data));
    let delivery = request(data);
    for provider in PROVIDERS {
        let judge = Judge {
            provider,
            scheme: Scheme::of(provider, None, None),
            wanted: Wanted::Head,
        };
        let keys = [Key::from("nobody could guess this"), Key::from("nor this")];
        let verdict = judge.judge(&delivery, &keys, 1_731_705_121);
        let Verdict::Unproved(unproved) = verdict else {
            panic!("{provider:?}: {verdict:?}");
        };
        assert!(is_fit_to_be_shown(&unproved.to_string()));
    }
}

/// Reads lines of X-Forwarded-For.
///
/// # Panics
/// If a trusted address is taken for the sender although another stands before it, or a stranger is believed.
pub fn forwarded_headers(data: &[u8]) {
    let trusted =
        Networks::parse(&["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"]).unwrap_or_default();
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append("x-forwarded-for", value);
        }
    }
    let stranger = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    assert_eq!(
        forwarded::sender(stranger, &headers, &trusted),
        Ok(stranger)
    );
    let sender = forwarded::sender(Ipv4Addr::LOCALHOST.into(), &headers, &trusted);
    let last = headers.get_all("x-forwarded-for").iter().next_back();
    let last = last.and_then(|line| {
        line.to_str()
            .ok()?
            .rsplit(',')
            .next()?
            .trim()
            .parse::<IpAddr>()
            .ok()
    });
    if let Some(last) = last.filter(|last| !trusted.contain(*last)) {
        assert_eq!(sender, Ok(last.to_canonical()));
    }
}

/// Every event that is read further than its name.
fn events() -> [(Provider, &'static str); 9] {
    [
        (Provider::Github, "push"),
        (Provider::Gitlab, "Push Hook"),
        (Provider::Gitlab, "Tag Push Hook"),
        (Provider::Gitea, "push"),
        (Provider::Bitbucket, "repo:push"),
        (Provider::Bitbucket, "repo:refs_changed"),
        (Provider::Pierre, "push"),
        (Provider::Token, ""),
        (Provider::Bitbucket, "diagnostics:ping"),
    ]
}

/// Lines of `name: value`, and after an empty one the body.
fn request(data: &[u8]) -> Request<Bytes> {
    let mut request = Request::new(Bytes::new());
    let mut rest = data;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            break;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            request.headers_mut().append(name, value);
        }
    }
    *request.body_mut() = Bytes::copy_from_slice(rest);
    request
}

fn is_fit_to_be_shown(reason: &str) -> bool {
    !reason.is_empty() && reason.chars().count() < 400 && !reason.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, proptest};

    use super::*;

    /// Fragments that get further than noise.
    const FRAGMENTS: [&str; 24] = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"ref\":",
        "\"refs/heads/main\"",
        "\"push\":",
        "\"changes\":",
        "\"new\":",
        "null",
        "\"type\":\"tag\"",
        "\"name\":\"ma\\u0000in\"",
        "\"after\":",
        "true",
        "payload=%7B%22ref%22",
        "t=1731705121",
        "sha256=",
        "v1,",
        "127.0.0.1",
        "[::1]:80",
        "\n",
        "\u{202e}",
    ];

    fn joined(parts: &[(usize, Vec<u8>)]) -> Vec<u8> {
        let part =
            |(number, noise): &(usize, Vec<u8>)| [FRAGMENTS[*number].as_bytes(), noise].concat();
        parts.iter().flat_map(part).collect()
    }

    proptest! {
        #[test]
        fn noise_is_survived(data in vec(any::<u8>(), 0..300)) {
            payloads(&data);
            signatures(&data);
            forwarded_headers(&data);
        }

        #[test]
        fn what_looks_right_is_survived(parts in vec((0..FRAGMENTS.len(), vec(any::<u8>(), 0..2)), 0..40), choice in any::<u8>()) {
            let data = joined(&parts);
            payloads(&[&[choice], &data[..]].concat());
            forwarded_headers(&data);
            let name = ["x-hub-signature-256", "x-gitlab-token", "webhook-signature", "x-pierre-signature"][usize::from(choice % 4)];
            signatures(&[name.as_bytes(), b":", &data].concat());
        }
    }
}
