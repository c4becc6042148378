//! Who trusts whom over SSH: keys in every form that variables bring them in, and the keys of servers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitbarge_testkit::proxy::Proxy;
use gitbarge_testkit::sshd::{KeyType, SshKey, Sshd, hashed, known_hosts_line};
use gitbarge_tests::ssh::{KEY, SshWorld};

/// Configures the source with this known_hosts file.
fn know(ssh: &SshWorld, known_hosts: &str, more: &str) {
    let file = ssh.world.path("known_hosts");
    std::fs::write(&file, known_hosts).expect("room on the disk");
    ssh.configure("", &format!("known_hosts = \"{}\"\n{more}", file.display()));
}

const STRICT: &str = "host_keys = \"strict\"";

#[test]
fn a_wrong_key_is_told_by_its_fingerprint() {
    let mut ssh = SshWorld::new();
    ssh.synced();
    let stranger = SshKey::generate(KeyType::Ed25519);
    ssh.set_secret(KEY, stranger.private);
    let said = ssh.failed("auth_failed");
    assert!(said.contains(&stranger.fingerprint), "{said}");
    ssh.world.assert_equal(&ssh.site(), &ssh.tip());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_key_that_changed_since_it_was_learned_stops_the_sync() {
    let ssh = SshWorld::new();
    let proxy = Proxy::start(ssh.sshd.address()).await;
    let url = ssh.sshd.url_at(proxy.address(), ssh.repository.path());
    ssh.configure_url(&url, "", "");
    ssh.synced();
    let (before, other) = (ssh.tip(), Sshd::start());
    other.authorize(ssh.sshd.client_key());
    ssh.repository.commit("main").write("new", "x").push();
    proxy.redirect(other.address());
    let said = ssh.failed("host_key_changed");
    let (shown, known) = (&other.host_keys()[0], &ssh.sshd.host_keys()[0]);
    assert!(
        said.contains(&shown.fingerprint) && said.contains(&known.fingerprint),
        "{said}"
    );
    ssh.world.assert_equal(&ssh.site(), &before);
    proxy.redirect(ssh.sshd.address());
    ssh.synced();
}

#[test]
fn a_host_key_that_known_hosts_contradicts_is_changed() {
    let ssh = SshWorld::new();
    let other = SshKey::generate(KeyType::Ed25519);
    let line = known_hosts_line(ssh.sshd.address(), &other);
    for policy in ["", STRICT] {
        know(&ssh, &line, policy);
        ssh.failed("host_key_changed");
        assert!(!ssh.site().exists());
    }
}

#[test]
fn strict_without_a_known_host_trusts_nobody() {
    let ssh = SshWorld::new();
    ssh.configure("", STRICT);
    let said = ssh.failed("host_key_unknown");
    let shown = ssh.sshd.host_keys().iter();
    assert!(
        shown.map(|key| &key.fingerprint).any(|f| said.contains(f)),
        "{said}"
    );
    assert!(!ssh.site().exists());
}

#[test]
fn strict_trusts_a_hashed_known_host() {
    let ssh = SshWorld::new();
    let file = hashed(&ssh.sshd.known_hosts());
    assert!(file.starts_with("|1|"), "{file}");
    know(&ssh, &file, STRICT);
    ssh.synced();
}

#[test]
fn a_pinned_fingerprint_decides() {
    let ssh = SshWorld::new();
    let right = &ssh.sshd.host_keys()[0].fingerprint;
    let wrong = SshKey::generate(KeyType::Ed25519).fingerprint;
    ssh.configure("", &format!("host_keys = [\"{wrong}\"]"));
    let said = ssh.failed("host_key_changed");
    assert!(said.contains(&wrong), "{said}");
    assert!(!ssh.site().exists());
    ssh.configure("", &format!("host_keys = [\"{wrong}\", \"{right}\"]"));
    ssh.synced();
}

#[test]
fn a_key_is_taken_however_its_variable_deforms_it() {
    let mut ssh = SshWorld::new();
    let key = ssh.sshd.client_key().private.clone();
    for (form, text) in [
        ("literal \\n", key.replace('\n', "\\n")),
        ("CRLF", key.replace('\n', "\r\n")),
        ("nested quotes", format!("'\"{}\"'", key.trim_end())),
        ("base64", STANDARD.encode(&key)),
        ("one line", key.replace('\n', " ")),
    ] {
        ssh.set_secret(KEY, text);
        ssh.repository.commit("main").write("form", form).push();
        assert_eq!(ssh.synced()["to"], ssh.tip(), "{form}");
    }
}

#[test]
fn a_key_is_taken_whatever_its_type() {
    let mut ssh = SshWorld::new();
    for (kind, format) in [
        (KeyType::Ecdsa, "PKCS8"),
        (KeyType::Rsa, "PEM"),
        (KeyType::Rsa, "RFC4716"),
    ] {
        let key = SshKey::generate(kind);
        ssh.sshd.authorize(&key);
        ssh.set_secret(KEY, key.written_as(format, ""));
        let file = format!("{kind:?}-{format}");
        ssh.repository.commit("main").write(&file, "x").push();
        ssh.synced();
    }
}

#[test]
fn an_encrypted_key_needs_its_passphrase() {
    let mut ssh = SshWorld::new();
    let passphrase = "correct horse battery staple";
    let key = ssh.sshd.client_key().written_as("RFC4716", passphrase);
    ssh.set_secret(KEY, key);
    let said = ssh.failed("config");
    assert!(said.contains(KEY) && said.contains("passphrase"), "{said}");
    ssh.configure("", "passphrase = { env = \"SITE_PASSPHRASE\" }");
    let said = ssh.failed("config");
    assert!(said.contains("SITE_PASSPHRASE"), "{said}");
    ssh.set_secret("SITE_PASSPHRASE", "the wrong one");
    let said = ssh.failed("config");
    assert!(said.contains("SITE_PASSPHRASE"), "{said}");
    assert!(!ssh.site().exists());
    ssh.set_secret("SITE_PASSPHRASE", passphrase);
    ssh.synced();
}

#[test]
fn what_is_no_private_key_names_its_variable() {
    let mut ssh = SshWorld::new();
    let public = ssh.sshd.client_key().public.clone();
    for (text, fault) in [(public.as_str(), "public key"), ("", "is empty")] {
        ssh.world.set(KEY, text);
        let said = ssh.failed("config");
        assert!(said.contains(KEY) && said.contains(fault), "{said}");
    }
    ssh.set_secret(KEY, "a password by mistake");
    assert!(ssh.failed("config").contains(KEY));
    assert!(!ssh.site().exists());
}
