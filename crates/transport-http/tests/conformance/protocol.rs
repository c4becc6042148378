//! What servers answer: well, elsewhere, later, or not git at all.

use std::sync::atomic::Ordering;
use std::time::Duration;

use gitbarge_core::{ErrorKind, Run, Secret};
use gitbarge_testkit::http_backend::{GitHttp, Mood};
use gitbarge_testkit::repository::Repository;
use gitbarge_transport_http::HttpConfig;

use crate::lab::{Lab, fetch, list, list_once, source};

const MEBIBYTE: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_big_repository_comes_whole_and_its_bytes_are_counted() {
    let lab = Lab::with_content(24 * MEBIBYTE).await;
    let run = Run::standalone("fetch");
    let copy = fetch(&source(lab.config()), &run).await.unwrap();
    copy.git(&["fsck", "--full", "--strict"]);
    let objects = ["rev-list", "--objects", "main"];
    assert_eq!(copy.git(&objects), lab.repository.git(&objects));
    let received = run.progress().bytes_received.load(Ordering::Relaxed);
    let least = 24 * MEBIBYTE as u64;
    assert!(
        (least..least + least / 10).contains(&received),
        "{received}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_fetch_gets_only_what_is_new() {
    let lab = Lab::with_content(MEBIBYTE).await;
    let source = source(lab.config());
    let copy = fetch(&source, &Run::standalone("first")).await.unwrap();
    let tip = lab.repository.commit("main").write("more", "more\n").push();
    let run = Run::standalone("second");
    let main = gitbarge_core::config::RefName::new("main").unwrap();
    let remote = gitbarge_git::remote::Remote::open(&source, Some(&main), &run);
    let remote = remote.await.unwrap();
    let target = remote.resolve().unwrap();
    let options = gitbarge_core::FetchOptions::default();
    let fetched = gitbarge_core::Objects::fetch_into(&remote, copy.path(), &target, options, &run);
    fetched.await.unwrap();
    assert_eq!(copy.id(&format!("{tip}^{{commit}}")), Some(tip));
    let received = run.progress().bytes_received.load(Ordering::Relaxed);
    assert!(received < 10_000, "{received}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_protocol_is_spoken_with_servers_that_know_no_better() {
    let lab = Lab::with_content(MEBIBYTE).await;
    lab.server.forget_protocol();
    let source = source(lab.config());
    let copy = fetch(&source, &Run::standalone("old")).await.unwrap();
    copy.git(&["fsck", "--full", "--strict"]);
    assert_eq!(copy.id("main"), lab.repository.id("main"));
    let requests = lab.server.requests();
    assert!(requests.iter().all(|r| r.status == 200), "{requests:?}");
    assert_eq!(requests[1].protocol, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_repository_is_called_so() {
    let lab = Lab::new().await;
    let url = lab.config().url.replace(".git", "-missing.git");
    let failure = list_once(HttpConfig::new(&url))
        .await
        .unwrap_err()
        .failure();
    assert_eq!(failure.kind, ErrorKind::RemoteMissing);
    assert!(failure.message.contains(&url), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_problem_is_unreachable_until_it_has_none() {
    let lab = Lab::new().await;
    for (status, retry_after) in [(500, None), (503, Some("7")), (429, Some("9"))] {
        lab.server.set_mood(Mood::Status {
            status,
            times: 1,
            retry_after,
            text: "",
        });
        let source = source(lab.config());
        let error = list(&source).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(error.to_string().contains(&status.to_string()), "{error}");
        let wait = retry_after.map(|wait| Duration::from_secs(wait.parse().unwrap()));
        assert_eq!(error.retry_after(), wait);
        assert_eq!(list(&source).await.ok(), lab.repository.id("main"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_smart_http_is_a_protocol_error_with_a_hint() {
    let lab = Lab::new().await;
    for kind in ["text/html; charset=utf-8", "text/plain"] {
        let refs = "0123456789012345678901234567890123456789\trefs/heads/main\n";
        lab.server.set_mood(Mood::Page(kind, refs));
        let failure = list_once(lab.config()).await.unwrap_err().failure();
        assert_eq!(failure.kind, ErrorKind::Protocol);
        assert!(failure.hint.unwrap().contains("dumb HTTP"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_within_the_server_is_followed_with_credentials() {
    let lab = Lab::with_content(MEBIBYTE).await;
    let new = lab.config().url;
    lab.server.set_mood(Mood::Redirect("/old.git", new.clone()));
    let old = format!("http://{}/old.git", lab.server.address());
    let mut config = HttpConfig::new(old);
    config.token = Some(Secret::literal("hush"));
    fetch(&source(config), &Run::standalone("moved"))
        .await
        .unwrap();
    let requests = lab.server.requests();
    assert_eq!(requests[0].status, 302);
    assert!(requests.iter().all(|r| r.authorized));
    let later = requests.iter().skip(1);
    assert!(later.clone().count() >= 3);
    assert!(
        later
            .clone()
            .all(|r| r.path.starts_with("/repository.git/"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_another_server_is_named_and_nothing_is_sent_there() {
    let lab = Lab::new().await;
    let other = Repository::with_one_commit();
    let elsewhere = GitHttp::start(other.path().parent().unwrap()).await;
    let new = elsewhere.url(other.path());
    lab.server
        .set_mood(Mood::Redirect("/repository.git", new.clone()));
    let mut config = lab.config();
    config.token = Some(Secret::literal("hush"));
    let failure = list_once(config).await.unwrap_err().failure();
    assert_eq!(failure.kind, ErrorKind::Config);
    assert!(failure.message.contains(&format!("`{new}`")), "{failure:?}");
    assert!(failure.hint.unwrap().contains("`url`"));
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_redirects_for_ever_is_left() {
    let lab = Lab::new().await;
    let url = lab.config().url;
    lab.server.set_mood(Mood::Redirect("/repository.git", url));
    let error = list_once(lab.config()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(lab.statuses(), [302; 6]);
}
