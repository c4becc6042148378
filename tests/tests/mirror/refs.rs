//! Refs of every kind, and what becomes of them.

use std::fmt::Write as _;
use std::fs;

use gitbarge_testkit::repository::Repository;

use crate::judge::{Clone, assert_shows, shown};
use crate::scene::Scene;

/// A mirror of the scene, made.
async fn scene() -> Scene {
    let scene = Scene::new().await;
    scene.synced();
    scene
}

/// No pack was needed for what the last run did.
fn assert_followed(scene: &Scene, with_pack: bool) {
    let sink = scene.synced();
    assert_eq!(sink["packs_uploaded"], u64::from(with_pack), "{sink}");
    scene.assert_equal();
    scene.unchanged();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_push_is_followed_though_the_source_has_lost_what_the_mirror_holds() {
    let scene = scene().await;
    let root = scene.repository.id("main~1");
    let commit = scene.repository.commit("main").on_top_of(root);
    commit.write("other", "history\n").push();
    scene.repository.git(&["tag", "-d", "v1"]);
    scene.repository.delete("refs/heads/dev");
    scene
        .repository
        .git(&["reflog", "expire", "--expire=now", "--all"]);
    scene.repository.git(&["gc", "-q", "--prune=now"]);
    assert_followed(&scene, true);
    scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn refs_that_are_deleted_renamed_or_moved_back_cost_no_pack() {
    let scene = scene().await;
    scene.repository.delete("refs/heads/dev");
    assert_followed(&scene, false);
    scene.repository.git(&["branch", "-m", "main", "trunk"]);
    assert_followed(&scene, false);
    let older = scene.repository.id("trunk~1").unwrap();
    scene.repository.set("refs/heads/trunk", older);
    assert_followed(&scene, false);
    scene.repository.delete("refs/tags/v1");
    assert_followed(&scene, false);
    scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ref_may_become_a_folder_of_refs_and_back() {
    let scene = scene().await;
    let id = scene.repository.id("main").unwrap();
    for (gone, new) in [
        ("refs/heads/none", "refs/heads/a"),
        ("refs/heads/a", "refs/heads/a/b"),
        ("refs/heads/a/b", "refs/heads/a/b/c"),
        ("refs/heads/a/b/c", "refs/heads/a"),
    ] {
        scene.repository.delete(gone);
        scene.repository.set(new, id);
        assert_followed(&scene, false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_of_all_kinds_are_mirrored_with_what_they_lead_to() {
    let scene = scene().await;
    let git = |arguments: &[&str]| scene.repository.git(arguments);
    git(&["tag", "-a", "-m", "a tag of a tag", "nested", "v1"]);
    git(&["tag", "-a", "-m", "of a tree", "tree", "main^{tree}"]);
    git(&["tag", "-a", "-m", "of a blob", "blob", "main:README"]);
    assert_followed(&scene, true);
    let file = scene.world.path("work/only");
    fs::write(&file, "only a tag holds me\n").unwrap();
    let blob = git(&["hash-object", "-w", file.to_str().unwrap()]);
    git(&["update-ref", "refs/tags/light", &blob]);
    assert_followed(&scene, true);
    git(&["tag", "-f", "-a", "-m", "moved", "v1", "main"]);
    git(&["update-ref", "refs/notes/commits", "dev"]);
    git(&["update-ref", "refs/pull/1/head", "dev"]);
    assert_followed(&scene, true);
    scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_refs_are_mirrored_and_one_more_is_followed() {
    let repository = Repository::with_one_commit();
    let id = repository.id("main").unwrap();
    let mut packed = String::from("# pack-refs with: peeled fully-peeled sorted \n");
    for number in 0..5_000 {
        writeln!(packed, "{id} refs/heads/b{number:05}").unwrap();
    }
    fs::write(repository.path().join("packed-refs"), packed).unwrap();
    let scene = Scene::of(repository).await;
    scene.synced();
    assert_eq!(shown(&scene.web_url()).len(), 5_003);
    assert_eq!(shown(&scene.web_url()), scene.refs());
    scene.unchanged();
    scene.repository.commit("b02500").write("a", "1\n").push();
    let mark = scene.mark();
    scene.synced();
    assert!(scene.mark() - mark <= 8);
    assert_eq!(shown(&scene.web_url()), scene.refs());
    let branch = ["--single-branch", "-b", "b02500"];
    Clone::with(&scene.web_url(), &branch).assert_sound();
    scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_moves_to_another_branch_is_followed_without_a_pack() {
    let scene = scene().await;
    let head = |name| scene.repository.git(&["symbolic-ref", "HEAD", name]);
    head("refs/heads/dev");
    assert_followed(&scene, false);
    let clone = Clone::checkout(&scene.web_url());
    assert_eq!(clone.git(&["symbolic-ref", "HEAD"]), "refs/heads/dev");
    head("refs/heads/main");
    assert_followed(&scene, false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_head_is_mirrored_and_comes_back() {
    let scene = scene().await;
    let id = scene.repository.id("main~1").unwrap();
    scene
        .repository
        .git(&["update-ref", "--no-deref", "HEAD", &id.to_string()]);
    assert_followed(&scene, false);
    let head = fs::read_to_string(scene.file("HEAD")).unwrap();
    assert_eq!(head, format!("{id}\n"));
    let clone = Clone::checkout(&scene.web_url());
    assert_eq!(clone.git(&["rev-parse", "HEAD"]), id.to_string());
    scene
        .repository
        .git(&["symbolic-ref", "HEAD", "refs/heads/main"]);
    assert_followed(&scene, false);
    scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_without_a_commit_leaves_the_refs_as_they_are() {
    let scene = Scene::new().await;
    scene
        .repository
        .git(&["symbolic-ref", "HEAD", "refs/heads/unborn"]);
    let outcome = scene.sync();
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    let refs = crate::judge::without_head(&scene.refs());
    assert_eq!(crate::judge::without_head(&shown(&scene.web_url())), refs);
    scene.unchanged();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_leaves_out_refs_and_what_only_they_lead_to() {
    let mut scene = Scene::new().await;
    let hidden = scene.repository.commit("dev").write("secret", "x\n").push();
    scene.sink = "refs = [\"refs/heads/main\", \"refs/tags/*\"]".to_owned();
    let wanted = |scene: &Scene| -> Vec<String> {
        let refs = scene.refs().into_iter();
        refs.filter(|line| !line.contains("refs/heads/dev"))
            .collect()
    };
    scene.synced();
    assert_shows(&scene.web_url(), &wanted(&scene));
    let clone = Clone::mirror(&scene.web_url());
    let found = clone.git(&["cat-file", "--batch-all-objects", "--batch-check"]);
    assert!(!found.contains(&hidden.to_string()));
    scene.repository.commit("dev").write("more", "x\n").push();
    scene.unchanged();
    scene.assert_verified();

    scene.sink.clear();
    scene.synced();
    scene.assert_equal();
    scene.sink = "refs = [\"refs/heads/main\"]".to_owned();
    scene.synced();
    let main: Vec<String> = wanted(&scene)
        .into_iter()
        .filter(|line| !line.contains("refs/tags"))
        .collect();
    assert_shows(&scene.web_url(), &main);
    scene.sink = "refs = [\"main\"]".to_owned();
    let outcome = scene.sync();
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.stderr.contains("sink.mirror.refs"),
        "{}",
        outcome.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_not_mirrored_stays_private() {
    let mut scene = Scene::new().await;
    let repository = &scene.repository;
    repository.git(&["branch", "public", "main"]);
    let hidden = repository.commit("main").write("secret", "hush\n").push();
    repository.git(&["symbolic-ref", "HEAD", "refs/heads/main"]);
    scene.sink = "refs = [\"refs/heads/public\"]".to_owned();
    scene.synced();
    let head = std::fs::read_to_string(scene.file("HEAD")).unwrap();
    assert_eq!(head, "ref: refs/heads/public\n");
    let clone = Clone::checkout(&scene.web_url());
    let found = clone.git(&["cat-file", "--batch-all-objects", "--batch-check"]);
    assert!(!found.contains(&hidden.to_string()));
    for key in scene.keys() {
        let content = std::fs::read(scene.file(&key)).unwrap();
        let text = String::from_utf8_lossy(&content);
        assert!(!text.contains(&hidden.to_string()), "{key}");
    }
    scene.unchanged();
    scene.repository.commit("main").write("more", "x\n").push();
    scene.unchanged();
    scene.assert_verified();
}
