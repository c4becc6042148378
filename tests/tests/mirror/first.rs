//! Mirrors that are made, left alone, and followed; what each costs.

use std::fs;

use gitbarge_testkit::repository::Repository;

use crate::judge::{Clone, assert_shows};
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn a_first_mirror_is_the_source_in_ten_requests() {
    let scene = Scene::new().await;
    let sink = scene.synced();
    assert!(scene.s3.asked().len() <= 10);
    scene.assert_equal();
    scene.assert_verified();
    let objects = scene.repository.git(&["rev-list", "--objects", "--all"]);
    let mut objects: Vec<_> = objects
        .lines()
        .filter_map(|l| l.split(' ').next())
        .collect();
    objects.push("the tag v1");
    objects.sort_unstable();
    objects.dedup();
    assert_eq!(sink["packs_uploaded"], 1);
    assert!(sink["objects"].as_u64() <= Some(objects.len() as u64));
    let names = [
        "HEAD",
        "info/refs",
        "objects/info/packs",
        "gitbarge/state.json",
    ];
    let others = scene.keys().into_iter();
    let others = others.filter(|key| !names.contains(&key.as_str()));
    let mut others = others.collect::<Vec<_>>();
    others.retain(|key| !key.starts_with("objects/pack/pack-"));
    assert_eq!(others, [""; 0], "keys beyond the layout");
    let clone = Clone::checkout(&scene.web_url());
    assert_eq!(clone.git(&["status", "--porcelain"]), "");
    assert_eq!(fs::read(clone.path().join("b/c")).unwrap(), b"2\n");
    assert_eq!(clone.git(&["symbolic-ref", "HEAD"]), "refs/heads/main");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_is_named_by_its_checksum_and_its_index_is_the_one_git_makes() {
    let scene = Scene::new().await;
    scene.synced();
    let packs = scene.packs();
    assert_eq!(packs.len(), 1);
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.pack");
    fs::copy(&packs[0], &copy).unwrap();
    let copy = copy.to_str().unwrap();
    let name = scene.repository.git(&["index-pack", copy]);
    assert!(packs[0].ends_with(format!("pack-{}.pack", name.trim_start_matches("pack\t"))));
    let ours = fs::read(packs[0].with_extension("idx")).unwrap();
    assert_eq!(ours, fs::read(folder.path().join("copy.idx")).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_change_costs_two_requests_and_no_bytes() {
    let scene = Scene::new().await;
    scene.synced();
    for world in [&scene.world, &scene.twin()] {
        let mark = scene.mark();
        let outcome = scene.run_in(world, &["sync", "--json"]);
        assert_eq!(outcome.code, 0);
        let result = outcome.result();
        assert_eq!(result["status"], "unchanged");
        let sink = &result["sinks"][0];
        assert_eq!(sink["status"], "unchanged");
        assert_eq!(sink["requests"], 2);
        assert_eq!(sink["bytes_sent"], 0);
        let asked = scene.s3.asked();
        assert_eq!(asked.len() - mark, 2);
        assert!(asked[mark..].iter().all(|asked| asked.method == "GET"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_commit_costs_at_most_eight_requests_and_a_small_pack() {
    let scene = Scene::new().await;
    let mut commit = scene.repository.commit("main");
    for file in 0..200 {
        commit = commit.write(&format!("many/{file}"), format!("{file}\n"));
    }
    commit.push();
    scene.synced();
    let from = scene.repository.id("main").unwrap().to_string();
    let commit = scene.repository.commit("main").write("README", "new\n");
    let to = commit.message("Fix the gate\n").push().to_string();
    let mark = scene.mark();
    let outcome = scene.sync();
    let result = outcome.result();
    assert_eq!(result["subject"], "Fix the gate");
    assert_eq!((&result["from"], &result["to"]), (&from.into(), &to.into()));
    let sink = &result["sinks"][0];
    assert_eq!(
        (&sink["packs_uploaded"], &sink["objects"]),
        (&1.into(), &3.into())
    );
    let asked = scene.s3.asked()[mark..].to_vec();
    assert!(asked.len() <= 8, "{} requests", asked.len());
    assert_eq!(sink["requests"], asked.len());
    let sent: u64 = asked.iter().map(|asked| asked.bytes).sum();
    assert!(sent < 8_192, "{sent} bytes");
    let pack = asked.iter().find(|asked| asked.key.ends_with(".pack"));
    assert!(pack.unwrap().bytes < 1_024);
    scene.assert_equal();
    scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_come_in_an_order_in_which_readers_never_miss_anything() {
    let scene = Scene::new().await;
    scene.synced();
    let mark = scene.mark();
    scene.change(1);
    scene.synced();
    let asked = scene.s3.asked();
    let puts = asked[mark..].iter().filter(|asked| asked.method == "PUT");
    let puts: Vec<_> = puts.collect();
    let place = |end: &str| {
        let place = puts.iter().rposition(|asked| asked.key.ends_with(end));
        place.unwrap_or_else(|| panic!("no `{end}` was written"))
    };
    let order = [".pack", ".idx", "objects/info/packs", "HEAD", "info/refs"];
    let places = order.map(place);
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(places[4], puts.len() - 1, "the refs are the last");
    for end in ["objects/info/packs", "info/refs", "state.json"] {
        assert!(puts[place(end)].headers.contains_key("if-match"), "{end}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_source_is_an_empty_mirror_until_its_first_push_and_stays_when_emptied() {
    let scene = Scene::of(Repository::empty()).await;
    scene.synced();
    assert_eq!(Clone::checkout(&scene.web_url()).refs(), [""; 0]);
    scene.unchanged();
    scene.repository.commit("main").write("a", "1\n").push();
    scene.synced();
    scene.assert_equal();
    scene.assert_verified();

    let before = scene.refs();
    scene.repository.delete("refs/heads/main");
    let said = scene.failed("remote_empty");
    assert!(said.contains("the mirror keeps"), "{said}");
    assert_shows(&scene.web_url(), &before);
    scene.repository.commit("main").write("b", "2\n").push();
    scene.synced();
    scene.assert_equal();
}
