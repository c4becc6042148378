//! A real OpenSSH server on the loopback interface, and keys made by `ssh-keygen`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use tempfile::TempDir;

use crate::repository::printed;

/// How often another port is tried: somebody may take one between its choice and its use.
const TRIES: usize = 10;
const INSTALL: &str = "OpenSSH's server is installed: `apt-get install openssh-server`";

/// Which algorithm a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// `ssh-ed25519`
    Ed25519,
    /// `ecdsa-sha2-nistp256`
    Ecdsa,
    /// `ssh-rsa`, 2048 bits
    Rsa,
}

/// A pair of keys.
#[derive(Debug, Clone)]
pub struct SshKey {
    /// The private key in OpenSSH's format.
    pub private: String,
    /// The public key in one line, without a comment: `ssh-ed25519 AAAA…`.
    pub public: String,
    /// `SHA256:…`
    pub fingerprint: String,
}

/// A server that lets the current user in; killed when dropped. Sessions end with their clients.
pub struct Sshd {
    server: Child,
    address: SocketAddr,
    user: String,
    host_keys: Vec<SshKey>,
    client_key: SshKey,
    dir: TempDir,
}

impl SshKey {
    /// Makes a new pair.
    ///
    /// # Panics
    /// If `ssh-keygen` is not installed.
    pub fn generate(kind: KeyType) -> Self {
        let dir = tempfile::tempdir().expect("there is a folder for temporary files");
        let file = dir.path().join("key");
        let (kind, bits) = match kind {
            KeyType::Ed25519 => ("ed25519", "256"),
            KeyType::Ecdsa => ("ecdsa", "256"),
            KeyType::Rsa => ("rsa", "2048"),
        };
        let mut keygen = keygen();
        printed(
            keygen
                .args(["-q", "-N", "", "-C", "", "-t", kind, "-b", bits, "-f"])
                .arg(&file),
        );
        let mut keygen = self::keygen();
        let listed = printed(keygen.args(["-l", "-E", "sha256", "-f"]).arg(&file));
        let read = |file: &Path| fs::read_to_string(file).expect("ssh-keygen has written it");
        Self {
            private: read(&file),
            public: read(&file.with_extension("pub")).trim().to_owned(),
            fingerprint: listed
                .split(' ')
                .nth(1)
                .expect("it stands there")
                .to_owned(),
        }
    }

    /// The private key in another format (`PEM`, `PKCS8`, `RFC4716` for OpenSSH's own), with a passphrase unless that is empty.
    ///
    /// # Panics
    /// If `ssh-keygen` cannot write it so.
    pub fn written_as(&self, format: &str, passphrase: &str) -> String {
        let dir = tempfile::tempdir().expect("there is a folder for temporary files");
        let file = dir.path().join("key");
        write_private(&file, &self.private);
        let mut keygen = keygen();
        printed(
            keygen
                .args(["-q", "-p", "-m", format, "-P", "", "-N", passphrase, "-f"])
                .arg(&file),
        );
        fs::read_to_string(file).expect("ssh-keygen has written it")
    }
}

impl Sshd {
    /// Starts a server that has an Ed25519 and an RSA host key.
    ///
    /// # Panics
    /// If OpenSSH's server is not installed, or does not start.
    pub fn start() -> Self {
        Self::with_host_keys(&[KeyType::Ed25519, KeyType::Rsa])
    }

    /// Starts a server with host keys of these types.
    ///
    /// # Panics
    /// As [`Sshd::start`].
    pub fn with_host_keys(types: &[KeyType]) -> Self {
        let dir = tempfile::tempdir().expect("there is a folder for temporary files");
        let host_keys: Vec<SshKey> = types.iter().map(|kind| SshKey::generate(*kind)).collect();
        for (n, key) in host_keys.iter().enumerate() {
            write_private(&dir.path().join(format!("host_key_{n}")), &key.private);
        }
        let client_key = SshKey::generate(KeyType::Ed25519);
        write_private(
            &dir.path().join("authorized_keys"),
            &format!("{}\n", client_key.public),
        );
        let config = write_config(dir.path(), host_keys.len());
        let (server, address) = (0..TRIES)
            .find_map(|_| launch(&config))
            .expect("one of the ports is free, and the server starts");
        Self {
            server,
            address,
            user: printed(Command::new("id").arg("-un")),
            host_keys,
            client_key,
            dir,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a repository at a path of this machine.
    pub fn url(&self, path: &Path) -> String {
        self.url_at(self.address, path)
    }

    /// The same through a proxy.
    pub fn url_at(&self, address: SocketAddr, path: &Path) -> String {
        format!("ssh://{}@{address}{}", self.user, path.display())
    }

    /// A key that it lets in.
    pub fn client_key(&self) -> &SshKey {
        &self.client_key
    }

    /// A folder on the search path of its sessions, empty at first: programs of the server's own.
    ///
    /// # Panics
    /// If the disk is full.
    pub fn programs(&self) -> PathBuf {
        let folder = self.dir.path().join("bin");
        fs::create_dir_all(&folder).expect("there is space");
        folder
    }

    /// Lets another key in.
    ///
    /// # Panics
    /// If the disk is full.
    pub fn authorize(&self, key: &SshKey) {
        let file = self.dir.path().join("authorized_keys");
        let keys = fs::read_to_string(&file).expect("it was written at the start");
        fs::write(file, format!("{keys}{}\n", key.public)).expect("there is space");
    }

    /// Its host keys, in the order in which their types were given.
    pub fn host_keys(&self) -> &[SshKey] {
        &self.host_keys
    }

    /// The lines of a known_hosts file that has all its host keys.
    pub fn known_hosts(&self) -> String {
        let keys = self.host_keys.iter();
        keys.map(|key| known_hosts_line(self.address, key))
            .collect()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

/// The line of a known_hosts file for a server, with the end of the line.
pub fn known_hosts_line(server: SocketAddr, key: &SshKey) -> String {
    format!("[{}]:{} {}\n", server.ip(), server.port(), key.public)
}

/// A known_hosts file as `ssh-keygen -H` writes it: its names are hashed.
///
/// # Panics
/// If `ssh-keygen` is not installed.
pub fn hashed(known_hosts: &str) -> String {
    let dir = tempfile::tempdir().expect("there is a folder for temporary files");
    let file = dir.path().join("known_hosts");
    fs::write(&file, known_hosts).expect("there is space");
    printed(keygen().args(["-q", "-H", "-f"]).arg(&file));
    fs::read_to_string(file).expect("ssh-keygen has written it")
}

fn keygen() -> Command {
    let mut command = Command::new("ssh-keygen");
    command.stdin(Stdio::null());
    command
}

/// OpenSSH refuses private keys that others may read.
fn write_private(file: &Path, text: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = fs::OpenOptions::new();
    let created = options.write(true).create_new(true).mode(0o600).open(file);
    let mut created = created.expect("the folder is writable");
    created.write_all(text.as_bytes()).expect("there is space");
}

fn write_config(dir: &Path, host_keys: usize) -> PathBuf {
    let mut text = format!(
        "AuthorizedKeysFile {}\n\
         PidFile none\n\
         StrictModes no\n\
         UsePAM no\n\
         PermitRootLogin yes\n\
         PasswordAuthentication no\n\
         KbdInteractiveAuthentication no\n\
         UseDNS no\n\
         PrintMotd no\n\
         MaxStartups 500\n\
         AcceptEnv GIT_PROTOCOL\n\
         SetEnv GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 \"HOME={}\" \"PATH={}:{}\"\n",
        dir.join("authorized_keys").display(),
        dir.display(),
        dir.join("bin").display(),
        std::env::var("PATH").expect("there is a search path"),
    );
    text.extend((0..host_keys).map(|n| {
        let file = dir.join(format!("host_key_{n}"));
        format!("HostKey {}\n", file.display())
    }));
    let file = dir.join("sshd_config");
    fs::write(&file, &text).expect("the folder is writable");
    // Servers from OpenSSH 9.8 on punish clients that fail to log in, which tests do on purpose; older ones do not know the key.
    let forgiving = text + "PerSourcePenalties no\n";
    let trial = dir.join("sshd_config_forgiving");
    fs::write(&trial, forgiving).expect("the folder is writable");
    let check = sshd()
        .arg("-t")
        .arg("-f")
        .arg(&trial)
        .output()
        .expect(INSTALL);
    if check.status.success() { trial } else { file }
}

/// The server wants its absolute path, and as root a folder that some systems make only when their own server starts.
fn sshd() -> Command {
    let folders = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/bin"];
    let mut programs = folders.iter().map(|folder| Path::new(folder).join("sshd"));
    let program = programs.find(|program| program.exists()).expect(INSTALL);
    // Only root needs it, and only root can make it.
    fs::create_dir_all("/run/sshd").ok();
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Starts the server on a port that was free just now; `None` if it is not any more.
fn launch(config: &Path) -> Option<(Child, SocketAddr)> {
    let free =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback interface has free ports");
    let address = free.local_addr().expect("it is bound");
    drop(free);
    let mut server = sshd()
        .args(["-D", "-e", "-f"])
        .arg(config)
        .args(["-o", &format!("ListenAddress={address}")])
        .stderr(Stdio::piped())
        .spawn()
        .expect("it can be run");
    let log = BufReader::new(server.stderr.take().expect("it is piped"));
    let (listening, listens) = mpsc::channel();
    // It reads on until the end, or the server would wait for somebody to read its log.
    std::thread::spawn(move || {
        let mut said = Vec::new();
        for line in log.lines().map_while(Result::ok) {
            if line.starts_with("Server listening on ") {
                // Nobody waits for a second line.
                listening.send(Ok(())).ok();
            }
            if said.len() < 100 {
                said.push(line);
            }
        }
        listening.send(Err(said.join("\n"))).ok();
    });
    match listens
        .recv()
        .expect("the thread says something at the end")
    {
        Ok(()) => Some((server, address)),
        Err(said) => {
            server.wait().expect("its log has ended");
            assert!(said.contains("Address already in use"), "{said}");
            None
        }
    }
}
