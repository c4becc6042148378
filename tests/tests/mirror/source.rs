//! Sources that break off, fall silent, or are reached in other ways.

use std::time::{Duration, Instant};

use gitbarge_testkit::http_backend::{Door, GitHttp, Mood};
use gitbarge_testkit::sshd::Sshd;

use crate::judge::assert_shows;
use crate::scene::Scene;

/// A pack that does not fit into one read.
const LARGE: usize = 3_000_000;
/// Where it ends.
const CUT: u64 = 1_000_000;

/// A scene that reads over HTTP, whose mirror is a large change behind, and what the mirror shows.
async fn scene() -> (Scene, GitHttp, Vec<String>) {
    let mut scene = Scene::new().await;
    let path = scene.repository.path().to_owned();
    let http = GitHttp::start(path.parent().expect("it is in a folder")).await;
    scene.source = format!("type = \"http\"\nurl = \"{}\"", http.url(&path));
    scene.pipeline = "run_timeout = \"4s\"".to_owned();
    scene.synced();
    let before = scene.refs();
    let mut random = fastrand::Rng::with_seed(5);
    let large: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
        .take(LARGE)
        .collect();
    let commit = scene.repository.commit("main").write("large", large);
    commit.push();
    (scene, http, before)
}

/// The source has failed; the mirror stands, and follows once it is well again.
fn assert_repaired(scene: &mut Scene, http: &GitHttp, before: &[String]) {
    let left = scene.keys_with(".pack").len();
    assert_eq!(left, 1, "half a pack was stored");
    assert_eq!(scene.s3.unfinished_uploads(), 0);
    assert_shows(&scene.web_url(), before);
    scene.assert_verified();
    http.set_mood(Mood::Well);
    scene.pipeline.clear();
    scene.synced();
    scene.assert_equal();
    scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_dies_in_the_middle_of_a_pack_is_unreachable_and_the_old_mirror_stands() {
    let (mut scene, http, before) = scene().await;
    http.set_mood(Mood::CutPack(CUT));
    let begun = Instant::now();
    let mark = scene.mark();
    scene.failed("unreachable");
    assert!(begun.elapsed() < Duration::from_secs(8));
    let asked = scene.s3.asked();
    let writes = asked[mark..].iter().filter(|asked| asked.method != "GET");
    assert_eq!(writes.count(), 0, "something was written");
    assert_repaired(&mut scene, &http, &before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_falls_silent_in_the_middle_of_a_pack_is_a_timeout() {
    let (mut scene, http, before) = scene().await;
    http.set_mood(Mood::StallPack(CUT));
    let patient = scene.source.clone();
    scene.source += "\nidle_timeout = \"500ms\"";
    let begun = Instant::now();
    let said = scene.failed("timeout");
    assert!(begun.elapsed() < Duration::from_secs(8));
    assert!(!said.contains("run_timeout"), "{said}");

    scene.source = patient;
    scene.pipeline = "run_timeout = \"2s\"".to_owned();
    let said = scene.failed("timeout");
    assert!(said.contains("run_timeout"), "{said}");
    assert_repaired(&mut scene, &http, &before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_breaks_off_once_costs_nothing_but_time() {
    let (mut scene, http, _) = scene().await;
    scene.pipeline.clear();
    http.set_mood(Mood::Status {
        status: 503,
        times: 1,
        retry_after: None,
        text: "busy",
    });
    scene.synced();
    scene.assert_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_wants_a_password_gets_it_and_nobody_else_does() {
    let (mut scene, http, _) = scene().await;
    http.require(Door::Basic("ci".to_owned(), "httpsecret42".to_owned()));
    let open = scene.source.clone();
    scene.failed("auth_failed");
    scene.source = format!("{open}\nusername = \"ci\"\npassword = \"wrongsecret42\"");
    let said = scene.failed("auth_failed");
    assert!(!said.contains("wrongsecret42"), "{said}");
    scene.source = format!("{open}\nusername = \"ci\"\npassword = \"httpsecret42\"");
    scene.synced();
    scene.assert_equal();
    for key in scene.keys() {
        let content = std::fs::read(scene.file(&key)).unwrap();
        let text = String::from_utf8_lossy(&content);
        assert!(!text.contains("httpsecret42"), "in {key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_over_ssh_is_mirrored_and_followed() {
    let mut scene = Scene::new().await;
    let sshd = Sshd::start();
    scene.world.set("KEY", sshd.client_key().private.clone());
    scene.source = format!(
        "type = \"ssh\"\nurl = \"{}\"\nkey = {{ env = \"KEY\" }}",
        sshd.url(scene.repository.path())
    );
    scene.synced();
    scene.assert_equal();
    scene.change(1);
    scene.synced();
    scene.assert_equal();
    scene.unchanged();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_missing_writes_nothing() {
    let mut scene = Scene::new().await;
    scene.source = "type = \"local\"\nurl = \"/nowhere/at/all.git\"".to_owned();
    scene.failed("remote_missing");
    assert_eq!(scene.keys(), [""; 0]);
}
