//! What a mirror gives beyond plain clones: LFS files by the transfer agent, and bundles.

use std::fs;
use std::path::Path;
use std::process::Command;

use gitbarge_testkit::repository::{git, printed};
use gitbarge_tests::binary;

use crate::judge::Clone;
use crate::lab::Lab;
use crate::scene::Scene;

/// Stock git with git-lfs, whose transfers go through our agent.
fn git_lfs(folder: &Path, home: &Path, mirror: &str) -> Command {
    let mut command = git(folder);
    command.env("HOME", home);
    let agent = binary().display().to_string();
    let arguments = format!("lfs-agent {mirror}");
    for (key, value) in [
        ("filter.lfs.smudge", "git-lfs smudge -- %f"),
        ("filter.lfs.process", "git-lfs filter-process"),
        ("filter.lfs.clean", "git-lfs clean -- %f"),
        ("lfs.standalonetransferagent", "gitbarge"),
        ("lfs.customtransfer.gitbarge.path", &agent),
        ("lfs.customtransfer.gitbarge.args", &arguments),
    ] {
        command.arg("-c").arg(format!("{key}={value}"));
    }
    command
}

fn has_git_lfs() -> bool {
    let mut version = Command::new("git-lfs");
    version
        .arg("version")
        .output()
        .is_ok_and(|output| output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_of_the_mirror_gets_its_lfs_files_from_the_mirror() {
    let lab = Lab::new().await;
    lab.scene.synced();
    let url = lab.scene.web_url();
    if !has_git_lfs() {
        // The agent itself is tested in its crate.
        return;
    }
    let asked = lab.lfs.received().len();
    let home = lab.scene.world.path("home");
    let work = lab.scene.world.path("work");
    printed(git_lfs(&work, &home, &url).args(["clone", "-q", &url, "clone"]));
    for number in [1, 2] {
        let file = fs::read(work.join(format!("clone/{number}.bin"))).unwrap();
        assert_eq!(file, lab.bodies[number].1, "{number}.bin");
    }
    assert_eq!(
        lab.lfs.received().len(),
        asked,
        "the source's server was asked"
    );

    let oid = &lab.bodies[2].0;
    let key = format!("lfs/objects/{}/{}/{oid}", &oid[..2], &oid[2..4]);
    fs::write(lab.scene.file(&key), "altered").unwrap();
    let output = git_lfs(&work, &home, &url)
        .args(["clone", "-q", &url, "other"])
        .output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success(),
        "a damaged object was taken: {said}"
    );
    assert_ne!(
        fs::read(work.join("other/2.bin")).unwrap_or_default(),
        b"altered"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_may_start_from_the_bundle_and_take_the_rest_from_elsewhere() {
    let mut scene = Scene::new().await;
    scene.sink = "bundle = true".to_owned();
    scene.synced();
    let list = format!("{}/bundle.list", scene.web_url());
    let check = |scene: &Scene| {
        let bundles = scene.keys_with(".bundle");
        assert!(!bundles.is_empty());
        for bundle in bundles {
            let file = scene.file(&bundle).display().to_string();
            scene.repository.git(&["bundle", "verify", "-q", &file]);
        }
        let source = scene.repository.path().display().to_string();
        let option = format!("--bundle-uri={list}");
        let mark = scene.s3.read().len();
        let clone = Clone::with(&source, &["--no-local", &option]);
        clone.assert_sound();
        let read = scene.s3.read()[mark..].to_vec();
        let key = |end: &str| {
            read.iter()
                .any(|asked| asked.key.ends_with(end) && asked.status == Some(200))
        };
        assert!(
            key("bundle.list") && key(".bundle"),
            "the bundle was not used"
        );
        let refs = clone.git(&["for-each-ref", "--format=%(refname)", "refs/bundles"]);
        assert!(refs.contains("refs/bundles/main"), "{refs}");
    };
    check(&scene);
    for round in 1..4 {
        scene.change(round);
        scene.synced();
    }
    check(&scene);
    scene.assert_equal();
    scene.assert_verified();
}
