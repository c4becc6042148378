//! Branches that go to and fro: what is shown again must be there again, and packs stay few.

use fastrand::Rng;

use crate::scene::Scene;

/// The packs of the consolidation, and those that the refs of before needed.
const MOST_PACKS: usize = 20;

/// A scene that deletes packs as soon as it may, with branches of a few commits that are known by tags no mirror has.
async fn scene() -> Scene {
    let mut scene = Scene::new().await;
    scene.sink = "grace = \"0s\"\nrefs = [\"refs/heads/*\"]".to_owned();
    for number in 0..8 {
        let name = format!("file{number}");
        scene.repository.commit("main").write(&name, &name).push();
        let tag = format!("step{number}");
        scene.repository.git(&["tag", &tag, "main"]);
    }
    scene
}

fn move_main(scene: &Scene, step: usize) {
    let tag = format!("refs/tags/step{step}");
    scene
        .repository
        .git(&["update-ref", "refs/heads/main", &tag]);
}

fn assert_mirrored(scene: &Scene) {
    let is_tag = |line: &String| line.contains("refs/tags/");
    let refs: Vec<String> = scene
        .refs()
        .into_iter()
        .filter(|line| !is_tag(line))
        .collect();
    crate::judge::assert_shows(&scene.web_url(), &refs);
    assert!(scene.packs().len() <= MOST_PACKS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_comes_again_under_the_name_that_it_had_is_not_deleted() {
    let scene = scene().await;
    // What stands in a pack depends on the refs alone, so that the same steps make the same packs.
    for step in [1, 2, 3, 1, 5, 0, 1, 2, 3, 1, 0, 1] {
        move_main(&scene, step);
        scene.synced();
        assert_mirrored(&scene);
    }
    scene.repository.git(&["branch", "same", "main"]);
    scene.synced();
    assert_mirrored(&scene);
    scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_way_refs_move_readers_find_everything() {
    let scene = scene().await;
    let mut random = Rng::with_seed(7);
    for round in 0..40 {
        match random.u8(..4) {
            0 => move_main(&scene, random.usize(..8)),
            1 => {
                let step = format!("step{}", random.usize(..8));
                scene.repository.git(&["branch", "-f", "side", &step]);
            }
            2 => {
                scene.repository.git(&["branch", "-f", "side", "main"]);
                scene.repository.delete("refs/heads/side");
            }
            _ => {
                let name = format!("new{round}");
                scene.repository.commit("main").write(&name, &name).push();
            }
        }
        let outcome = scene.sync();
        assert_eq!(outcome.code, 0, "{round}: {}", outcome.stdout);
        assert_mirrored(&scene);
    }
    scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_is_rewritten_again_and_again_costs_no_more_each_time() {
    let scene = scene().await;
    scene.synced();
    let base = scene.repository.id("main");
    let mut most = 0;
    for round in 0..24 {
        let commit = scene.repository.commit("pages").on_top_of(base);
        commit.write("page", format!("round {round}\n")).push();
        let objects = scene.synced()["objects"].as_u64().unwrap();
        most = most.max(objects);
        assert_mirrored(&scene);
    }
    // A commit, its tree and its file, and those of the two versions before that are consolidated with them.
    assert!(most <= 9, "{most} objects in one run");
    assert!(scene.packs().len() <= 6, "{} packs", scene.packs().len());
    scene.assert_verified();
}
