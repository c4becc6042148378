//! LFS objects: from a server behind SSH, with credentials and action headers, into the mirror.

use std::fs;
use std::thread;

use gitbarge_testkit::lfs::{Answer, Behaviour, CREDENTIALS, Content, TICKET};
use gitbarge_testkit::s3::{Fault, Rule};

use crate::judge::assert_shows;
use crate::killed::kill_at;
use crate::lab::Lab;

#[tokio::test(flavor = "multi_thread")]
async fn objects_come_before_the_refs_and_only_once() {
    let mut lab = Lab::new().await;
    let sink = lab.scene.synced();
    assert_eq!(sink["lfs_objects"], 3);
    lab.scene.assert_equal();
    lab.assert_stored();
    let asked = lab.scene.s3.asked();
    let last = asked
        .iter()
        .rposition(|asked| asked.method == "PUT" && asked.key.contains("/lfs/"));
    let refs = asked
        .iter()
        .position(|asked| asked.method == "PUT" && asked.key.ends_with("info/refs"));
    assert!(last < refs, "refs were published before LFS objects");
    assert_eq!((lab.lfs.batches(), lab.downloads()), (1, 3));
    let received = lab.lfs.received();
    for received in &received {
        let header = |name: &str| received.headers.get(name).is_some();
        assert_eq!(header("authorization"), received.method == "POST");
        assert_eq!(header("x-ticket"), received.method == "GET");
    }

    lab.scene.unchanged();
    assert_eq!(lab.lfs.received().len(), 4, "no change asks for nothing");
    lab.add(3);
    let known = lab.bodies[1].clone();
    lab.point_to("again.bin", &known.0, known.1.len());
    let sink = lab.scene.synced();
    assert_eq!(sink["lfs_objects"], 1);
    assert_eq!((lab.lfs.batches(), lab.downloads()), (2, 4));
    lab.scene.assert_equal();
    lab.assert_stored();
    lab.scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_behind_the_servers_own_door_are_let_out_with_its_credentials() {
    let lab = Lab::new().await;
    lab.lfs.set(|behaviour| behaviour.tickets = false);
    lab.scene.synced();
    lab.assert_stored();
    for key in lab.scene.keys() {
        let content = fs::read(lab.scene.file(&key)).unwrap();
        let text = String::from_utf8_lossy(&content);
        assert!(
            !text.contains(CREDENTIALS) && !text.contains(TICKET),
            "{key}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_another_one_is_corrupt_and_nothing_of_it_is_stored() {
    for content in [Content::Flipped, Content::Short, Content::Long] {
        let lab = Lab::new().await;
        lab.lfs.set(|behaviour| behaviour.content = content);
        let outcome = lab.scene.sync();
        assert_eq!(outcome.code, 1, "{content:?}");
        assert_eq!(outcome.kind(), "corrupt", "{content:?}: {}", outcome.stdout);
        assert_eq!(lab.stored(), [""; 0], "{content:?}");
        assert!(!lab.scene.keys().contains(&"info/refs".to_owned()));
        lab.lfs.set(|behaviour| behaviour.content = Content::Right);
        lab.scene.synced();
        lab.assert_stored();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_cannot_be_had_keep_required_refs_back() {
    type Fault = fn(&mut Behaviour);
    let faults: [(&str, Fault); 3] = [
        ("remote_missing", |server| server.object_error = Some(404)),
        ("auth_failed", |server| server.batch = Answer::Status(401)),
        ("timeout", |server| server.batch = Answer::Hang),
    ];
    let mut labs = Vec::new();
    for (kind, fault) in faults {
        labs.push((kind, fault, Lab::new().await));
    }
    thread::scope(|scope| {
        for (kind, fault, lab) in labs {
            scope.spawn(move || {
                lab.lfs.set(fault);
                let said = lab.assert_required(kind);
                let named = lab.bodies.iter().any(|(oid, _)| said.contains(&oid[..]));
                assert!(named || kind != "remote_missing", "{said}");
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_a_failure_need_not_come_again() {
    let mut lab = Lab::new().await;
    lab.scene.synced();
    let before = lab.scene.refs();
    lab.add(3);
    lab.point_to("lost.bin", &"5".repeat(64), 5);
    lab.scene.failed("remote_missing");
    assert_shows(&lab.scene.web_url(), &before);
    assert_eq!(lab.downloads(), 4);
    lab.scene.failed("remote_missing");
    assert_eq!(lab.downloads(), 4, "an object that was there came again");
    lab.scene.sink = "lfs = \"best_effort\"".to_owned();
    let outcome = lab.scene.sync();
    let result = outcome.result();
    assert_eq!(result["status"], "synced");
    assert_eq!(result["sinks"][0]["lfs_missing"], 1);
    assert!(
        outcome.stderr.contains("LFS objects are missing"),
        "{}",
        outcome.stderr
    );
    lab.scene.assert_equal();
    lab.assert_stored();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_was_done_without_is_required_once_it_is_said_so() {
    let mut lab = Lab::new().await;
    lab.lfs.set(|server| server.object_error = Some(404));
    lab.scene.sink = "lfs = \"best_effort\"".to_owned();
    assert_eq!(lab.scene.synced()["lfs_missing"], 3);
    lab.scene.sink.clear();
    for file in ["one", "two"] {
        lab.scene.repository.commit("main").write(file, file).push();
        lab.scene.failed("remote_missing");
    }
    lab.lfs.set(|server| server.object_error = None);
    lab.scene.synced();
    lab.scene.assert_equal();
    lab.assert_stored();
    lab.scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_objects_are_uploaded_the_next_run_completes() {
    let mut lab = Lab::new().await;
    kill_at(&lab.scene, Rule::new("PUT", "/lfs/", Fault::Hang).after(1));
    assert!(!lab.scene.keys().contains(&"info/refs".to_owned()));
    lab.scene.synced();
    lab.assert_stored();
    let before = lab.scene.refs();
    lab.add(3);
    kill_at(&lab.scene, Rule::new("PUT", "/lfs/", Fault::Hang));
    assert_shows(&lab.scene.web_url(), &before);
    lab.scene.synced();
    lab.scene.assert_equal();
    lab.assert_stored();
    lab.scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_lfs_pointers_are_files_like_any_other() {
    let mut lab = Lab::new().await;
    lab.scene.sink = "lfs = \"off\"".to_owned();
    lab.scene.synced();
    lab.scene.assert_equal();
    assert_eq!(lab.lfs.received().len(), 0);
    assert_eq!(lab.stored(), [""; 0]);
    lab.scene.unchanged();
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_looks_like_a_pointer_is_none() {
    let lab = Lab::new().await;
    for (file, text) in [
        ("a", "version https://git-lfs.github.com/spec/v1\n"),
        (
            "b",
            "version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n",
        ),
        (
            "c",
            "version https://git-lfs.github.com/spec/v1\noid md5:12\nsize x\n",
        ),
    ] {
        lab.scene.repository.commit("main").write(file, text).push();
    }
    lab.scene.synced();
    lab.scene.assert_equal();
    lab.assert_stored();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_once_with_an_object_gets_it_again() {
    let lab = Lab::new().await;
    for fault in [Fault::Status(500, "InternalError"), Fault::Drop] {
        lab.scene
            .s3
            .fault(Rule::new("PUT", "lfs/objects", fault).times(1));
    }
    lab.scene.synced();
    lab.scene.assert_equal();
    lab.assert_stored();
    lab.scene.assert_verified();
}

/// A mirror that is followed for a while, a forced push of a pointer to nothing, and that taken back.
async fn taken_back() -> Lab {
    let lab = Lab::new().await;
    lab.scene.synced();
    for round in [2, 4] {
        lab.scene.change(round);
        lab.scene.synced();
    }
    let old = lab.scene.repository.id("main").expect("it has commits");
    let root = lab.scene.repository.id("main~6").expect("it has more");
    lab.scene.repository.set("refs/heads/main", root);
    lab.point_to("lost.bin", &"5".repeat(64), 5);
    lab.scene.failed("remote_missing");
    lab.scene.repository.set("refs/heads/main", old);
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_push_whose_objects_are_lost_leaves_the_mirror_whole() {
    let lab = taken_back().await;
    lab.scene.unchanged();
    lab.scene.assert_equal();
    lab.scene.assert_verified();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_object_that_no_ref_leads_to_any_more_holds_nothing_back() {
    let mut lab = taken_back().await;
    lab.add(3);
    lab.scene.synced();
    lab.scene.assert_equal();
    lab.scene.assert_verified();
}
