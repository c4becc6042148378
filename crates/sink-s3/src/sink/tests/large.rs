//! Packs that are larger than the memory that is allowed.

use std::time::{Duration, Instant};

use gitbarge_core::{ErrorKind, Run};
use gitbarge_testkit::repository::{Repository, git, printed};
use gitbarge_testkit::s3::{BUCKET, Fault, Rule};
use gitbarge_testkit::upload_pack::UploadPack;
use serde_json::json;

use super::scene::{Scene, add_noise, assert_packs, mirror, noisy, with_blob};

const INCOMING: &str = "gitbarge/incoming/";
/// Part of the keys of packs, and of nothing that is on its way to become one.
const PACK: &str = "objects/pack/pack-";

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_of_several_times_the_memory_comes_in_one_pass() {
    let scene = Scene::new(noisy(20)).await;
    let receipt = scene.run().await.unwrap();
    assert_eq!(receipt.details["packs_uploaded"], 1);
    assert_eq!(receipt.subject.as_deref(), Some("Make noise"));
    let asked = scene.server.asked();
    assert_eq!(receipt.details["requests"], asked.len());
    // Sent once: what is copied is not sent again.
    let sent = receipt.details["bytes_sent"].as_u64().unwrap();
    assert!((20 << 20..22 << 20).contains(&sent), "{sent}");
    let copied = asked
        .iter()
        .find(|asked| asked.headers.contains_key("x-amz-copy-source"));
    assert!(copied.unwrap().key.contains(PACK));
    scene.assert_mirrored();
    scene.verify().await.unwrap();
    // The verification reads by ranges what it has no room for.
    assert!(scene.asked("GET", PACK) > 2);
    scene.repository.commit("main").write("more", "text").push();
    scene.run().await.unwrap();
    scene.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_larger_than_the_memory_is_mirrored() {
    let scene = Scene::new(with_blob(11)).await;
    scene.run().await.unwrap();
    scene.assert_mirrored();
    scene.verify().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fits_is_sent_under_its_own_name() {
    let scene = Scene::new(noisy(2)).await;
    scene.run().await.unwrap();
    for method in ["GET", "PUT", "POST", "DELETE"] {
        assert_eq!(scene.asked(method, INCOMING), 0);
    }
    scene.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_the_store_refuses_is_sent_again() {
    let scene = Scene::new(noisy(17)).await;
    let refused = Fault::Status(405, "MethodNotAllowed");
    scene.server.fault(Rule::new("PUT", PACK, refused).times(1));
    scene.run().await.unwrap();
    assert_eq!(scene.asked("POST", PACK), 2, "begun and finished");
    scene.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_never_arrive_leave_the_old_mirror_whole() {
    let scene = Scene::new(Repository::with_one_commit()).await;
    scene.run().await.unwrap();
    let keys = scene.keys_of("");
    add_noise(&scene.repository, 20);
    scene.server.fault(Rule::new(
        "PUT",
        INCOMING,
        Fault::Status(403, "AccessDenied"),
    ));
    let error = scene.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthFailed, "{error}");
    assert!(error.to_string().contains(INCOMING), "{error}");
    assert_eq!(scene.keys_of(""), keys);
    scene.assert_nothing_left();
    scene.server.heal();
    scene.run().await.unwrap();
    scene.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_fails_leaves_nothing() {
    let scene = Scene::new(noisy(9)).await;
    scene.server.fault(Rule::new(
        "GET",
        INCOMING,
        Fault::Status(403, "InvalidAccessKeyId"),
    ));
    let error = scene.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthFailed, "{error}");
    assert_eq!(scene.keys_of(PACK), [""; 0]);
    scene.assert_nothing_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_ends_at_once_and_leaves_nothing() {
    // In the middle of the upload, and while it is read back.
    for method in ["PUT", "GET"] {
        let scene = Scene::new(noisy(20)).await;
        scene.server.fault(Rule::new(method, INCOMING, Fault::Hang));
        let run = Run::standalone("site");
        let cancelling = async {
            let is_meant = |key: &str| key.contains(INCOMING);
            let hangs = |asked: &_| is_hanging(asked, method) && is_meant(&asked.key);
            scene.server.until(hangs).await;
            run.cancel_token().cancel();
            Instant::now()
        };
        let (ended, cancelled) = tokio::join!(scene.run_in(&run), cancelling);
        // Giving up the upload is part of it.
        assert!(cancelled.elapsed() < Duration::from_secs(1));
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
        scene.assert_nothing_left();
        assert_eq!(scene.keys_of("objects/"), [""; 0]);
    }
}

fn is_hanging(asked: &gitbarge_testkit::s3::Asked, method: &str) -> bool {
    asked.method == method && asked.status.is_none()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_is_used_instead_and_left_empty() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Some(dir.path().to_owned());
    let scene = Scene::with(noisy(17), spool, false).await;
    scene.run().await.unwrap();
    assert_eq!(scene.asked("POST", INCOMING), 0);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    scene.assert_mirrored();
    dir.close().unwrap();
    // What fits needs no folder; what does not fit tells of it.
    scene.repository.commit("main").write("more", "text").push();
    scene.run().await.unwrap();
    let other = Scene::with(with_blob(4), Some("/nowhere/spool".into()), false).await;
    let error = other.run().await.unwrap_err();
    assert!(error.to_string().contains("/nowhere/spool"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_it_is_whole() {
    let scene = Scene::with(noisy(9), None, true).await;
    scene.run().await.unwrap();
    scene.assert_mirrored();
    let bundle = scene.keys_of("bundles/").pop().unwrap();
    let bundle = scene.server.bucket(BUCKET).join(bundle);
    let dir = tempfile::tempdir().unwrap();
    printed(
        git(dir.path())
            .args(["clone", "-q", "--mirror"])
            .arg(bundle)
            .arg("clone"),
    );
    let list = ["rev-list", "--objects", "--all"];
    let cloned = printed(git(&dir.path().join("clone")).args(list));
    assert_eq!(cloned, scene.repository.git(&list));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_it_in_a_file_without_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let config = json!({ "url": format!("file://{}", dir.path().display()) });
    let mirror = mirror(serde_json::from_value(config).unwrap(), None).await;
    let repository = noisy(9);
    let source = UploadPack::source(repository.path());
    let run = Run::standalone("site");
    let receipt = mirror.mirror(&source, &run).await.unwrap();
    assert_eq!(receipt.subject.as_deref(), Some("Make noise"));
    assert_packs(dir.path());
    let incoming = dir.path().join(INCOMING);
    assert_eq!(std::fs::read_dir(incoming).unwrap().count(), 0);
    gitbarge_core::Sink::verify(&mirror.0, &run).await.unwrap();
}
