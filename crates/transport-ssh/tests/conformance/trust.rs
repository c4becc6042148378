//! Who is let in, and which servers are trusted.

use gitbarge_core::{ErrorKind, Expect, Key, Secret, StateStore as _};
use gitbarge_testkit::memory::MemoryState;
use gitbarge_testkit::sshd::{KeyType, SshKey, hashed, known_hosts_line};
use gitbarge_transport_ssh::{HostKeys, SshConfig};

use crate::lab::{Lab, list, list_once, run, source};

/// The message of a failed listing; the kind is as expected.
async fn refused(config: SshConfig, kind: ErrorKind) -> String {
    let failure = list_once(config).await.unwrap_err().failure();
    assert_eq!(failure.kind, kind, "{failure:?}");
    failure.message
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_all_types_log_in() {
    let lab = Lab::new();
    for kind in [KeyType::Ed25519, KeyType::Ecdsa, KeyType::Rsa] {
        let key = SshKey::generate(kind);
        lab.sshd.authorize(&key);
        let mut config = lab.config();
        config.key = Secret::literal(key.written_as("RFC4716", "pass"));
        config.passphrase = Some(Secret::literal("pass"));
        assert!(list_once(config).await.is_ok(), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_named_by_its_fingerprint() {
    let lab = Lab::new();
    for kind in [KeyType::Ed25519, KeyType::Rsa] {
        let stranger = SshKey::generate(kind);
        let mut config = lab.config();
        config.key = Secret::literal(&stranger.private);
        let message = refused(config, ErrorKind::AuthFailed).await;
        assert!(message.contains(&stranger.fingerprint), "{message}");
        assert!(
            message.contains(&lab.sshd.address().port().to_string()),
            "{message}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_key_is_told_before_any_network() {
    let lab = Lab::new();
    let mut config = lab.config_at(([127, 0, 0, 1], 1).into());
    config.key = Secret::env("GITBARGE_TEST_UNSET");
    let message = refused(config.clone(), ErrorKind::Config).await;
    assert!(message.contains("`GITBARGE_TEST_UNSET`"), "{message}");
    config.key = Secret::literal(&lab.sshd.client_key().public);
    refused(config.clone(), ErrorKind::Config).await;
    config.key = Secret::literal(&lab.sshd.client_key().private);
    config.known_hosts = Some("/no/such/file".into());
    let message = refused(config, ErrorKind::Config).await;
    assert!(message.contains("`/no/such/file`"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_server_is_learned_and_then_known() {
    let lab = Lab::new();
    let state = MemoryState::new();
    list(&source(lab.config()), &run(&state)).await.unwrap();
    let key = Key::new("pipeline/site/source/host_keys");
    let learned = state.get(&key).await.unwrap().unwrap();
    let text = std::str::from_utf8(&learned.value).unwrap();
    assert!(text.contains(&lab.sshd.host_keys()[0].public), "{text}");
    list(&source(lab.config()), &run(&state)).await.unwrap();
    assert_eq!(state.get(&key).await.unwrap().unwrap(), learned);

    // The same server, as if it had another key now.
    let other = SshKey::generate(KeyType::Ed25519);
    let changed = text.replace(&lab.sshd.host_keys()[0].public, &other.public);
    state.put(&key, changed.into(), Expect::Any).await.unwrap();
    let error = list(&source(lab.config()), &run(&state)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HostKeyChanged);
    let message = error.to_string();
    assert!(message.contains(&other.fingerprint), "{message}");
    assert!(
        message.contains(&lab.sshd.host_keys()[0].fingerprint),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_learned_when_the_login_fails() {
    let lab = Lab::new();
    let state = MemoryState::new();
    let mut config = lab.config();
    config.key = Secret::literal(SshKey::generate(KeyType::Ed25519).private);
    list(&source(config), &run(&state)).await.unwrap_err();
    assert_eq!(state.list(&Key::new("pipeline")).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_trusts_known_hosts_alone() {
    let lab = Lab::new();
    let known = lab.sshd.known_hosts();
    let mut config = lab.config();
    config.host_keys = HostKeys::Strict;
    let message = refused(config.clone(), ErrorKind::HostKeyUnknown).await;
    assert!(
        message.contains(&lab.sshd.host_keys()[0].fingerprint),
        "{message}"
    );

    for good in [known.clone(), hashed(&known), known.replace('\n', "\r\n")] {
        config.known_hosts = Some(lab.file("known_hosts", &good));
        assert!(list_once(config.clone()).await.is_ok(), "{good}");
    }
    config.known_hosts = Some(lab.file("known_hosts", ""));
    refused(config.clone(), ErrorKind::HostKeyUnknown).await;
    let revoked = format!("{known}@revoked * {}\n", lab.sshd.host_keys()[0].public);
    config.known_hosts = Some(lab.file("known_hosts", &revoked));
    let message = refused(config, ErrorKind::HostKeyChanged).await;
    assert!(message.contains("revoked"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_host_key_is_refused_hashed_or_not() {
    let lab = Lab::new();
    let other = SshKey::generate(KeyType::Ed25519);
    let known = known_hosts_line(lab.sshd.address(), &other);
    for text in [hashed(&known), known] {
        let mut config = lab.config();
        config.known_hosts = Some(lab.file("known_hosts", &text));
        let message = refused(config.clone(), ErrorKind::HostKeyChanged).await;
        assert!(message.contains(&other.fingerprint), "{message}");
        config.host_keys = HostKeys::Strict;
        refused(config, ErrorKind::HostKeyChanged).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_known_by_its_rsa_key_is_asked_for_that() {
    let lab = Lab::new();
    let mut config = lab.config();
    let known = known_hosts_line(lab.sshd.address(), &lab.sshd.host_keys()[1]);
    config.known_hosts = Some(lab.file("known_hosts", &known));
    list_once(config).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_known_by_another_algorithm_alone_is_not_new() {
    let lab = Lab::with_host_keys(&[KeyType::Ed25519]);
    let mut config = lab.config();
    let known = known_hosts_line(lab.sshd.address(), &SshKey::generate(KeyType::Rsa));
    config.known_hosts = Some(lab.file("known_hosts", &known));
    refused(config, ErrorKind::HostKeyChanged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pinned_fingerprints_decide() {
    let lab = Lab::new();
    let mut config = lab.config();
    let pin = lab.sshd.host_keys()[0].fingerprint.clone();
    let other = format!("SHA256:{}", "A".repeat(43));
    config.host_keys = HostKeys::Pinned(vec![other.clone(), pin.clone()]);
    list_once(config.clone()).await.unwrap();
    config.host_keys = HostKeys::Pinned(vec![other.clone()]);
    let message = refused(config, ErrorKind::HostKeyChanged).await;
    assert!(
        message.contains(&pin) && message.contains(&other),
        "{message}"
    );
}
