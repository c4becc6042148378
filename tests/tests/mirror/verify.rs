//! `gitbarge verify` of mirrors that are good, and of those that are not.

use std::fs;
use std::path::Path;

use crate::lab::Lab;
use crate::scene::Scene;

/// What may befall a file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Deleted,
    Truncated,
    Altered,
}

const ALL: [Damage; 3] = [Damage::Deleted, Damage::Truncated, Damage::Altered];

impl Damage {
    fn befall(self, file: &Path) {
        let mut content = fs::read(file).expect("it is there");
        let middle = content.len() / 2;
        match self {
            Self::Deleted => return fs::remove_file(file).expect("it is there"),
            Self::Truncated => content.truncate(middle),
            Self::Altered => content[middle] ^= 1,
        }
        fs::write(file, content).expect("it is there");
    }
}

/// `verify` must find the damage, and name the object that has it.
fn assert_found(scene: &Scene, key: &str, damage: Damage) {
    let file = scene.file(key);
    let whole = fs::read(&file).expect("it is there");
    damage.befall(&file);
    let outcome = scene.run(&["verify", "site/mirror", "--json"]);
    assert_eq!(outcome.code, 1, "{key} {damage:?}: {}", outcome.stdout);
    let result = outcome.result();
    assert_eq!(result["status"], "failed", "{result}");
    assert_eq!(
        result["error"]["kind"], "corrupt",
        "{key} {damage:?}: {result}"
    );
    let message = result["error"]["message"]
        .as_str()
        .expect("verify says what it found");
    let name = key.rsplit('/').next().expect("verify says what it found");
    let stem = name.split('.').next().expect("verify says what it found");
    assert!(message.contains(stem), "{key} {damage:?}: {message}");
    fs::write(&file, whole).expect("it is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_mirror_is_whole_in_words_and_figures() {
    let scene = Scene::new().await;
    scene.synced();
    scene.change(1);
    scene.synced();
    let mark = scene.mark();
    for target in ["site", "site/mirror"] {
        let outcome = scene.run(&["verify", target, "--json"]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let result = outcome.result();
        assert_eq!(
            (&result["pipeline"], &result["sink"]),
            (&"site".into(), &"mirror".into())
        );
        assert_eq!(result["status"], "whole");
        assert_eq!(result["found"]["refs"], 3);
        assert_eq!(result["found"]["packs"], scene.packs().len());
    }
    let asked = scene.s3.asked();
    assert!(
        asked[mark..]
            .iter()
            .all(|asked| ["GET", "HEAD"].contains(&&asked.method[..]))
    );
    for target in ["nowhere", "site/nowhere"] {
        let outcome = scene.run(&["verify", target]);
        assert_eq!(outcome.code, 2);
        assert!(outcome.stderr.contains("nowhere"), "{}", outcome.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_packs_and_indexes_is_corrupt_and_is_named() {
    let scene = Scene::new().await;
    scene.synced();
    scene
        .repository
        .commit("main")
        .write("big", "x".repeat(5_000))
        .push();
    scene.synced();
    let packs = scene.packs();
    assert!(!packs.is_empty());
    for pack in packs {
        let stem = pack.file_stem().unwrap().to_str().unwrap().to_owned();
        for damage in ALL {
            assert_found(&scene, &format!("objects/pack/{stem}.pack"), damage);
            assert_found(&scene, &format!("objects/pack/{stem}.idx"), damage);
        }
    }
    scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_lfs_objects_is_corrupt_and_is_named() {
    let lab = Lab::new().await;
    lab.scene.synced();
    let oid = &lab.bodies[1].0;
    let key = format!("lfs/objects/{}/{}/{oid}", &oid[..2], &oid[2..4]);
    for damage in ALL {
        assert_found(&lab.scene, &key, damage);
    }
    lab.scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_packs_or_a_head_that_leads_nowhere_is_corrupt() {
    let scene = Scene::new().await;
    scene.synced();
    for key in ["objects/info/packs", "HEAD", "info/refs"] {
        let file = scene.file(key);
        let whole = fs::read(&file).unwrap();
        for damaged in [None, Some("ref: refs/heads/nowhere\n"), Some("")] {
            match damaged {
                None => fs::remove_file(&file).unwrap(),
                Some(text) => fs::write(&file, text).unwrap(),
            }
            let outcome = scene.run(&["verify", "site/mirror", "--json"]);
            assert_eq!(outcome.code, 1, "{key} {damaged:?}: {}", outcome.stdout);
            assert_eq!(
                outcome.result()["error"]["kind"],
                "corrupt",
                "{key} {damaged:?}"
            );
            fs::write(&file, &whole).unwrap();
        }
    }
    scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_without_a_mirror_is_not_whole() {
    let scene = Scene::new().await;
    let outcome = scene.run(&["verify", "site/mirror"]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains("no mirror"), "{}", outcome.stderr);
}
