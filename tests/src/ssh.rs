//! A world whose pipeline reads from a real OpenSSH server; no credential may leak into it.

use std::fs;
use std::path::{Path, PathBuf};

use gitbarge_testkit::{repository::Repository, sshd::Sshd};
use serde_json::Value;

use crate::{Outcome, World};

/// The variable that holds the private key.
pub const KEY: &str = "SITE_SSHKEY";
/// So many characters of a credential in a row are a leak; less may be chance, or the public half.
const PIECE: usize = 32;

/// A server, a repository behind it, and a pipeline `site` that brings it to the folder `site`.
pub struct SshWorld {
    /// The server.
    pub sshd: Sshd,
    /// What it serves.
    pub repository: Repository,
    /// Where the binary works.
    pub world: World,
    secrets: Vec<String>,
}

impl SshWorld {
    /// A pipeline that should work: the key is the right one, everything else is as by default.
    pub fn new() -> Self {
        let mut ssh = Self {
            sshd: Sshd::start(),
            repository: Repository::with_one_commit(),
            world: World::new(),
            secrets: Vec::new(),
        };
        let key = ssh.sshd.client_key().private.clone();
        ssh.set_secret(KEY, key);
        ssh.configure("", "");
        ssh
    }

    /// Sets a variable that must turn up nowhere.
    pub fn set_secret(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        self.secrets.push(value.clone());
        self.world.set(name, value);
    }

    /// Configures the pipeline with more keys of its own, and of its source.
    pub fn configure(&self, pipeline: &str, source: &str) {
        let url = self.sshd.url(self.repository.path());
        self.configure_url(&url, pipeline, source);
    }

    /// The same with another URL.
    pub fn configure_url(&self, url: &str, pipeline: &str, source: &str) {
        self.world.configure(&format!(
            r#"
            [pipeline.site]
            {pipeline}
            [pipeline.site.source]
            type = "ssh"
            url = "{url}"
            key = {{ env = "{KEY}" }}
            {source}
            [pipeline.site.sink.runner]
            type = "checkout"
            path = "{target}"
            "#,
            target = self.site().display(),
        ));
    }

    /// The checkout.
    pub fn site(&self) -> PathBuf {
        self.world.path("site")
    }

    /// The tip of the remote's `main`.
    ///
    /// # Panics
    /// If it has none.
    pub fn tip(&self) -> String {
        let id = self.repository.id("main");
        id.expect("it has a commit").to_string()
    }

    /// One `sync --json`, after which no credential is found anywhere.
    ///
    /// # Panics
    /// If one is.
    pub fn sync(&self) -> Outcome {
        let outcome = self.world.sync();
        for said in [&outcome.stdout, &outcome.stderr] {
            assert!(!holds_any(said.as_bytes(), &self.secrets), "leaked: {said}");
        }
        let leaks = leaks(&self.world.path(""), &self.secrets);
        assert!(leaks.is_empty(), "leaked into {leaks:?}");
        outcome
    }

    /// A sync that must bring the checkout to the remote's tip and say so; returns its result.
    ///
    /// # Panics
    /// If it does not.
    pub fn synced(&self) -> Value {
        let outcome = self.sync();
        assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
        let result = outcome.result();
        assert_eq!(result["status"], "synced");
        assert_eq!(result["to"], self.tip());
        self.world.assert_equal(&self.site(), &self.tip());
        result
    }

    /// A sync that must fail so; returns the message and the hint.
    ///
    /// # Panics
    /// If it does not.
    pub fn failed(&self, kind: &str) -> String {
        let outcome = self.sync();
        let result = outcome.result();
        assert_eq!(
            (outcome.code, outcome.kind().as_str()),
            (1, kind),
            "{result}"
        );
        assert_eq!(result["status"], "failed");
        format!("{} {}", result["error"], result["sinks"][0]["error"])
    }
}

impl Default for SshWorld {
    fn default() -> Self {
        Self::new()
    }
}

/// The files in a folder that hold a credential.
fn leaks(folder: &Path, secrets: &[String]) -> Vec<PathBuf> {
    let mut leaks = Vec::new();
    for entry in fs::read_dir(folder).expect("it is a folder") {
        let entry = entry.expect("it can be listed");
        let (kind, path) = (entry.file_type().expect("it is there"), entry.path());
        if kind.is_dir() {
            leaks.extend(self::leaks(&path, secrets));
        } else if kind.is_file() && holds_any(&fs::read(&path).expect("it is there"), secrets) {
            leaks.push(path);
        }
    }
    leaks
}

fn holds_any(text: &[u8], secrets: &[String]) -> bool {
    let text = bare(&String::from_utf8_lossy(text));
    secrets.iter().any(|secret| {
        let secret = bare(secret);
        let pieces = secret.as_bytes().chunks(PIECE).map(String::from_utf8_lossy);
        // Everybody knows the first line of a key.
        let mut pieces = pieces.filter(|piece| !piece.contains("---"));
        pieces.any(|piece| (piece.len() == PIECE || secret.len() < PIECE) && text.contains(&*piece))
    })
}

/// Without what may be different in a copy: line ends, however they are written, and quotes.
fn bare(text: &str) -> String {
    let text = text.replace("\\n", "").replace("\\r", "");
    text.replace(|c: char| c.is_whitespace() || "\"'\\".contains(c), "")
}

#[cfg(test)]
mod tests {
    use gitbarge_testkit::sshd::{KeyType, SshKey};

    use super::*;

    #[test]
    fn a_copy_of_a_key_in_other_lines_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let key = SshKey::generate(KeyType::Ed25519);
        let secrets = [key.private.clone(), "a short passphrase".to_owned()];
        fs::write(folder.path().join("public"), key.public).unwrap();
        assert!(leaks(folder.path(), &secrets).is_empty());
        let body = key.private.lines().skip(2).collect::<String>();
        let copies = [
            key.private.replace('\n', "\\n"),
            body.replace('a', "a\r\n"),
            format!("log: {body}"),
            "it is 'a short passphrase'".to_owned(),
        ];
        for copy in copies {
            let file = folder.path().join("below/copy");
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &copy).unwrap();
            assert_eq!(leaks(folder.path(), &secrets), [file], "{copy}");
        }
    }
}
