//! Host keys that were new once, remembered in the source's state.

use gitbarge_core::{Error, ErrorKind, Expect, Result, ScopedState};
use russh::keys::PublicKey;
use serde::{Deserialize, Serialize};

use crate::config::HostKeys;
use crate::host_keys::{HostCheck, Trust};
use crate::known_hosts::Known;
use crate::url::SshUrl;

/// The name of the value: a JSON list of [`Learned`].
const KEY: &str = "host_keys";
/// How often a write is tried that others overtake. Each of them learns one server once.
const TRIES: usize = 20;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Learned {
    host: String,
    port: u16,
    /// As in known_hosts: `ssh-ed25519 AAAA…`.
    key: String,
}

/// The keys that were learned for the server of a URL.
///
/// # Errors
/// Those of the state store; `corrupt` if what is remembered cannot be read: forgetting it would be trusting anybody.
pub(crate) async fn recall(state: &ScopedState, url: &SshUrl) -> Result<Vec<PublicKey>> {
    let Some(entry) = state.get(KEY).await? else {
        return Ok(Vec::new());
    };
    keys_of(&parse(&entry.value)?, url)
}

/// Remembers a key for the server of a URL.
///
/// # Errors
/// Those of the state store; `host_key_changed` if somebody else has learned another key for the server meanwhile.
pub(crate) async fn remember(state: &ScopedState, url: &SshUrl, key: &PublicKey) -> Result<()> {
    let mut conflict = None;
    for _ in 0..TRIES {
        let (mut learned, expect) = match state.get(KEY).await? {
            Some(entry) => (parse(&entry.value)?, Expect::Version(entry.version)),
            None => (Vec::new(), Expect::Absent),
        };
        let known = Known {
            keys: keys_of(&learned, url)?,
            ..Known::default()
        };
        let check = HostCheck::new(HostKeys::AcceptNew, url.server(), known);
        if check.judge(key)? == Trust::Known {
            return Ok(());
        }
        learned.push(Learned {
            host: url.host.to_lowercase(),
            port: url.port,
            key: text_of(key)?,
        });
        let value = serde_json::to_vec(&learned).map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot write `host_keys`").with_source(error)
        })?;
        match state.put(KEY, value, expect).await {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Conflict => conflict = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(conflict.expect("the loop ends only after a conflict"))
}

fn keys_of(learned: &[Learned], url: &SshUrl) -> Result<Vec<PublicKey>> {
    learned
        .iter()
        .filter(|l| l.host.eq_ignore_ascii_case(&url.host) && l.port == url.port)
        .map(|l| PublicKey::from_openssh(&l.key).map_err(unreadable))
        .collect()
}

fn parse(value: &[u8]) -> Result<Vec<Learned>> {
    serde_json::from_slice(value).map_err(unreadable)
}

fn text_of(key: &PublicKey) -> Result<String> {
    // A comment would only be in the way.
    PublicKey::from(key.key_data().clone())
        .to_openssh()
        .map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot write a host key").with_source(error)
        })
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Corrupt, "the learned `host_keys` in the state cannot be read")
        .with_source(error)
        .with_hint("remove them from the state store; until servers are known again, compare their fingerprints")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gitbarge_core::{Key, Run};
    use gitbarge_testkit::memory::MemoryState;
    use gitbarge_testkit::sshd::{KeyType, SshKey};

    use super::*;

    fn state() -> ScopedState {
        ScopedState::new(
            Arc::new(MemoryState::new()),
            Key::new("pipeline/site/source"),
        )
    }

    fn key() -> PublicKey {
        PublicKey::from_openssh(&SshKey::generate(KeyType::Ed25519).public).unwrap()
    }

    fn url(text: &str) -> SshUrl {
        SshUrl::parse(text).unwrap()
    }

    fn same(keys: &[PublicKey], expected: &PublicKey) -> bool {
        matches!(keys, [key] if key.key_data() == expected.key_data())
    }

    #[tokio::test]
    async fn a_learned_key_is_recalled_for_its_server_alone() {
        let (state, key, other) = (state(), key(), key());
        remember(&state, &url("ssh://Host:2222/a"), &key)
            .await
            .unwrap();
        remember(&state, &url("host:a"), &other).await.unwrap();
        remember(&state, &url("host:a"), &other).await.unwrap();
        assert!(same(
            &recall(&state, &url("ssh://host:2222/b")).await.unwrap(),
            &key
        ));
        assert!(same(&recall(&state, &url("host:b")).await.unwrap(), &other));
        assert!(
            recall(&state, &url("elsewhere:a"))
                .await
                .unwrap()
                .is_empty()
        );
        let value = state.get(KEY).await.unwrap().unwrap().value;
        let list = parse(&value).unwrap();
        assert_eq!(list.len(), 2);
        assert_eq!((list[0].host.as_str(), list[0].port), ("host", 2222));
        assert!(list[0].key.starts_with("ssh-ed25519 AAAA") && !list[0].key.ends_with(' '));
    }

    #[tokio::test]
    async fn writers_side_by_side_all_remember() {
        let state = state();
        let mut tasks = tokio::task::JoinSet::new();
        for n in 1..=8 {
            let state = state.clone();
            let key = key();
            tasks.spawn(
                async move { remember(&state, &url(&format!("ssh://host:{n}/a")), &key).await },
            );
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap().unwrap();
        }
        let value = state.get(KEY).await.unwrap().unwrap().value;
        assert_eq!(parse(&value).unwrap().len(), 8);
    }

    #[tokio::test]
    async fn a_key_that_contradicts_a_learned_one_is_refused() {
        let state = state();
        remember(&state, &url("host:a"), &key()).await.unwrap();
        let error = remember(&state, &url("host:a"), &key()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HostKeyChanged);
    }

    #[tokio::test]
    async fn a_memory_that_cannot_be_read_trusts_nobody() {
        let state = state();
        for value in ["no json", r#"[{"host":"host","port":22,"key":"no key"}]"#] {
            state.put(KEY, value, Expect::Any).await.unwrap();
            let error = recall(&state, &url("host:a")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
    }

    #[tokio::test]
    async fn a_source_used_alone_forgets() {
        let run = Run::standalone("x");
        remember(run.state(), &url("host:a"), &key()).await.unwrap();
        assert!(
            recall(run.state(), &url("host:a"))
                .await
                .unwrap()
                .is_empty()
        );
    }
}
