//! A scene whose source has LFS objects, on a server behind SSH.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use gitbarge_testkit::lfs::{Behaviour, CREDENTIALS, LfsHost};
use gitbarge_testkit::sshd::Sshd;

use crate::scene::Scene;

/// A scene whose source has an LFS server.
pub(crate) struct Lab {
    pub(crate) scene: Scene,
    pub(crate) lfs: LfsHost,
    _sshd: Sshd,
    /// What each LFS file should be, by the name of its object.
    pub(crate) bodies: Vec<(String, Vec<u8>)>,
}

impl Lab {
    /// Three files, one of which is in the history alone.
    pub(crate) async fn new() -> Self {
        let (mut scene, lfs, sshd) = (Scene::new().await, LfsHost::start().await, Sshd::start());
        let program = sshd.programs().join("git-lfs-authenticate");
        let answer = format!(
            "{{\"href\":\"{}\",\"header\":{{\"Authorization\":\"{CREDENTIALS}\"}}}}",
            lfs.url()
        );
        fs::write(&program, format!("#!/bin/sh\necho '{answer}'\n")).expect("there is space");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
        scene.world.set("KEY", sshd.client_key().private.clone());
        scene.source = format!(
            "type = \"ssh\"\nurl = \"{}\"\nkey = {{ env = \"KEY\" }}",
            sshd.url(scene.repository.path())
        );
        scene.pipeline = "run_timeout = \"4s\"".to_owned();
        let mut lab = Self {
            scene,
            lfs,
            _sshd: sshd,
            bodies: Vec::new(),
        };
        for number in 0..3_u8 {
            lab.add(number);
        }
        let commit = lab.scene.repository.commit("main");
        let attributes = "*.bin filter=lfs diff=lfs merge=lfs -text\n";
        commit
            .write(".gitattributes", attributes)
            .delete("0.bin")
            .push();
        lab
    }

    /// One more file.
    pub(crate) fn add(&mut self, number: u8) {
        let body = vec![number; 1_000 * usize::from(number) + 17];
        let oid = self.lfs.add(body.clone());
        let oid: String = oid.iter().map(|byte| format!("{byte:02x}")).collect();
        self.point_to(&format!("{number}.bin"), &oid, body.len());
        self.bodies.push((oid, body));
    }

    /// A commit of a pointer.
    pub(crate) fn point_to(&self, file: &str, oid: &str, size: usize) {
        let text =
            format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n");
        self.scene
            .repository
            .commit("main")
            .write(file, text)
            .push();
    }

    pub(crate) fn stored(&self) -> Vec<String> {
        let keys = self.scene.keys().into_iter();
        keys.filter(|key| key.starts_with("lfs/")).collect()
    }

    /// All files are in the mirror, and nothing else is.
    pub(crate) fn assert_stored(&self) {
        let path = |oid: &str| format!("lfs/objects/{}/{}/{oid}", &oid[..2], &oid[2..4]);
        let mut wanted: Vec<_> = self.bodies.iter().map(|(oid, _)| path(oid)).collect();
        wanted.sort();
        assert_eq!(self.stored(), wanted);
        for (oid, body) in &self.bodies {
            assert_eq!(
                &fs::read(self.scene.file(&path(oid))).expect("it is stored"),
                body
            );
        }
    }

    /// How many objects were asked for.
    pub(crate) fn downloads(&self) -> usize {
        let received = self.lfs.received().into_iter();
        received.filter(|received| received.method == "GET").count()
    }

    /// A first run that fails, and one that does not once the server is well.
    pub(crate) fn assert_required(&self, kind: &str) -> String {
        let said = self.scene.failed(kind);
        assert!(!self.scene.keys().contains(&"info/refs".to_owned()));
        self.lfs.set(|behaviour| *behaviour = Behaviour::default());
        self.scene.synced();
        self.scene.assert_equal();
        self.assert_stored();
        self.scene.assert_verified();
        said
    }
}
