//! What stands in a message, and what must not.

use std::fs;

use gitbarge_testkit::slack::{SlackServer, WEBHOOK_SECRET, limits};
use gitbarge_testkit::sshd::{KeyType, SshKey, Sshd};
use gitbarge_tests::World;

use crate::alerter;

/// A server that lets a key in, and says a text and nothing else, whatever is asked for.
fn server_that_says(world: &World, text: &str) -> (Sshd, SshKey) {
    let (server, key) = (Sshd::start(), SshKey::generate(KeyType::Ed25519));
    let said = world.path("said");
    fs::write(&said, text).expect("room on the disk");
    let forced = format!(
        "command=\"cat {} >&2; exit 128\" {}",
        said.display(),
        key.public
    );
    server.authorize(&SshKey {
        public: forced,
        ..key.clone()
    });
    (server, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_message_has_all_that_helps_and_nothing_that_harms() {
    let (mut world, slack) = (World::new(), SlackServer::start().await);
    let stolen = SshKey::generate(KeyType::Ed25519).private;
    let (server, key) = server_that_says(
        &world,
        &format!(
            "remote: <!channel> ```see``` https://me:hunter2@example.org/x?token=tok42 & <@U1>\n{stolen}\n\
             fatal: '/srv/<!here>/site.git' does not appear to be a git repository\n"
        ),
    );
    world.set("SITE_SSHKEY", key.private.clone());
    let sink = world.path("site");
    world.configure(&format!(
        r#"{alerter}
        [pipeline.site]
        ref = "<!channel>"
        [pipeline.site.source]
        type = "ssh"
        url = "{url}"
        key = {{ env = "SITE_SSHKEY" }}
        [pipeline.site.sink.runner]
        type = "checkout"
        path = "{sink}"
        "#,
        alerter = alerter(&slack, ""),
        url = server.url("/srv/<!here>/site.git".as_ref()),
        sink = sink.display(),
    ));
    let outcome = world.sync();
    assert_eq!(outcome.kind(), "remote_missing", "{}", outcome.stdout);
    let payloads = slack.payloads();
    assert_eq!(payloads.len(), 1);
    let texts = limits(&payloads[0]).unwrap().join("\n");

    let hint = outcome.result()["error"]["hint"]
        .as_str()
        .unwrap()
        .to_owned();
    let hint = hint.replace('<', "&lt;").replace('>', "&gt;");
    let repository = "/srv/&lt;!here&gt;/site.git";
    for part in [
        "site failed",
        "`remote_missing`",
        repository,
        "`&lt;!channel&gt;`",
        &hint,
    ] {
        assert!(texts.contains(part), "{part} is not in {texts}");
    }
    assert!(!texts.contains(['<', '>']), "{texts}");
    assert_eq!(texts.matches("```").count(), 2, "{texts}");
    let everything = format!("{texts}{}{}", outcome.stdout, outcome.stderr);
    let secrets = ["hunter2", "tok42", WEBHOOK_SECRET, "PRIVATE KEY"].into_iter();
    for secret in secrets
        .chain(key_lines(&stolen))
        .chain(key_lines(&key.private))
    {
        assert!(!everything.contains(secret), "{secret} is in {everything}");
    }
}

/// The lines of a private key that are secret, and no others: all keys begin alike.
fn key_lines(key: &str) -> impl Iterator<Item = &str> {
    key.lines().skip(2).filter(|line| !line.starts_with("---"))
}
