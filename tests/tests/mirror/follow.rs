//! Mirrors that are followed for long, and those that another tool has begun.

use std::fs;

use gitbarge_testkit::repository::{git, printed};
use gitbarge_testkit::s3::{Fault, Rule};

use crate::judge::Clone;
use crate::scene::Scene;

/// The most packs that readers are told of.
const MOST: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn forty_increments_leave_few_packs_and_old_ones_stay_for_their_grace() {
    let mut scene = Scene::new().await;
    let mut commit = scene.repository.commit("main");
    for file in 0..300 {
        commit = commit.write(&format!("many/{file}"), format!("{file}\n"));
    }
    commit.push();
    scene.synced();
    let mut most = 0;
    for round in 0..40 {
        scene.change(2 * round);
        scene.synced();
        let list = fs::read_to_string(scene.file("objects/info/packs")).unwrap();
        most = most.max(list.matches("P pack-").count());
        if round % 8 == 0 {
            scene.assert_equal();
        }
    }
    assert!(most <= MOST, "{most} packs");
    scene.assert_equal();
    scene.assert_verified();
    let all = scene.keys_with(".pack").len();
    assert!(
        all > 30,
        "packs were deleted before their time: {all} are left"
    );
    let mark = scene.s3.read().len();
    Clone::mirror(&scene.web_url());
    let reads = scene.s3.read().len() - mark;
    assert!(reads <= 4 + 3 * MOST, "a clone costs {reads} requests");

    scene.sink = "grace = \"0s\"".to_owned();
    scene.change(1);
    scene.synced();
    let (packs, listed) = (scene.keys_with(".pack").len(), scene.packs().len());
    assert_eq!(packs, listed, "all others were retired");
    assert_eq!(scene.keys_with(".idx").len(), listed);
    scene.assert_equal();
    scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_has_left_is_swept_in_time_and_what_others_wrote_stays() {
    let mut scene = Scene::new().await;
    scene.synced();
    let listed = scene.keys_with(".pack");
    scene.change(1);
    scene.fault(Rule::new("PUT", ".idx", Fault::Status(403, "AccessDenied")));
    scene.failed("auth_failed");
    scene.s3.heal();
    let left = scene.keys_with(".pack").into_iter();
    let left: Vec<_> = left.filter(|key| !listed.contains(key)).collect();
    assert_eq!(left.len(), 1, "nothing was left");
    let strange = "objects/pack/pack-0123456789012345678901234567890123456789.pack";
    let others = [strange.to_owned(), "index.html".to_owned()];
    for key in &others {
        fs::write(scene.file(key), "not ours").unwrap();
    }
    let run = |scene: &Scene, round: usize| {
        scene.change(round);
        scene.synced();
        scene.assert_equal();
        let keys = scene.keys();
        assert!(others.iter().all(|key| keys.contains(key)));
        keys.contains(&left[0])
    };
    scene.sink = "grace = \"0s\"".to_owned();
    assert!(run(&scene, 2), "it was looked for a moment ago");
    let state = scene.file("gitbarge/state.json");
    let text = fs::read_to_string(&state).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
    record["swept"] = "2020-01-01T00:00:00Z".into();
    fs::write(&state, record.to_string()).unwrap();
    assert!(!run(&scene, 3), "it is still there");
    scene.assert_verified();
}

/// What mirror-git-to-s3 leaves: every object by itself, and the refs; some of the objects are missing.
fn adopt(scene: &Scene) -> usize {
    let loose = Clone::mirror(&scene.repository.path().display().to_string());
    let packs = loose.path().join("objects/pack");
    let away = scene.world.path("work/packs");
    if packs.exists() {
        fs::rename(&packs, &away).expect("the clone is ours");
        fs::create_dir(&packs).expect("the clone is ours");
        for pack in fs::read_dir(&away).expect("the clone is ours") {
            let pack = pack.expect("the clone is ours").path();
            if pack
                .extension()
                .is_some_and(|extension| extension == "pack")
            {
                let input = fs::File::open(&pack).expect("the clone is ours");
                printed(
                    git(&loose.path())
                        .args(["unpack-objects", "-q"])
                        .stdin(input),
                );
            }
        }
    }
    loose.git(&["update-server-info"]);
    let objects = loose.git(&[
        "cat-file",
        "--batch-all-objects",
        "--batch-check=%(objectname)",
    ]);
    let hole = scene
        .repository
        .id("main~1^{tree}")
        .expect("it has commits")
        .to_string();
    let put = |key: &str| {
        let from = loose.path().join(key);
        fs::create_dir_all(scene.file(key).parent().expect("the bucket is ours"))
            .expect("the bucket is ours");
        fs::copy(from, scene.file(key)).expect("the bucket is ours");
    };
    for name in objects.lines().filter(|name| *name != hole) {
        put(&format!("objects/{}/{}", &name[..2], &name[2..]));
    }
    put("HEAD");
    put("info/refs");
    objects.lines().count() - 1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_with_a_hole_that_mirror_git_to_s3_left_becomes_whole() {
    let scene = Scene::new().await;
    let objects = adopt(&scene);
    let broken = tempfile::tempdir().unwrap();
    let mut clone = git(broken.path());
    let cloned = clone.args(["clone", "-q", "--mirror", &scene.web_url(), "x"]);
    assert!(
        !cloned.output().unwrap().status.success(),
        "there is no hole"
    );
    let loose = |scene: &Scene| {
        let keys = scene.keys().into_iter();
        keys.filter(|key| key.starts_with("objects/") && key.len() == 49)
            .count()
    };
    assert_eq!(loose(&scene), objects);
    scene.synced();
    scene.assert_equal();
    scene.assert_verified();
    assert_eq!(scene.packs().len(), 1);
    assert_eq!(loose(&scene), objects, "what others wrote was deleted");
    scene.unchanged();
    scene.change(1);
    scene.synced();
    scene.assert_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_mirror_with_other_refs_is_taken_over_all_the_same() {
    let mut scene = Scene::new().await;
    adopt(&scene);
    scene.sink = "grace = \"0s\"".to_owned();
    scene.repository.delete("refs/heads/dev");
    for round in 1..5 {
        scene.change(2 * round);
        scene.synced();
        scene.assert_equal();
    }
    scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn refs_that_somebody_else_has_changed_are_put_right() {
    let scene = Scene::new().await;
    scene.synced();
    let text = fs::read_to_string(scene.file("info/refs")).unwrap();
    let first = text.lines().next().unwrap();
    fs::write(scene.file("info/refs"), format!("{first}\n")).unwrap();
    scene.synced();
    scene.assert_equal();
    fs::remove_file(scene.file("gitbarge/state.json")).unwrap();
    scene.synced();
    scene.assert_equal();
    scene.assert_verified();
    fs::remove_file(scene.file("info/refs")).unwrap();
    scene.synced();
    scene.assert_equal();
}
