//! Who is asked for credentials, and which server gets which.

use gitbarge_core::{ErrorKind, Failure, Run, Secret};
use gitbarge_testkit::http_backend::{Door, GitHttp, Mood};
use gitbarge_testkit::repository::Repository;
use gitbarge_testkit::webhook::{Answer, HookServer};
use gitbarge_transport_http::{HostConfig, HttpConfig};

use crate::lab::{Lab, fetch, list, list_once, source};

const HUSH: &str = "hush-hush";

async fn refused(config: HttpConfig, kind: ErrorKind) -> Failure {
    let error = list_once(config).await.unwrap_err();
    assert!(!format!("{error:?}").contains(HUSH), "{error:?}");
    let failure = error.failure();
    assert_eq!(failure.kind, kind, "{failure:?}");
    failure
}

fn asking(lab: &Lab, askpass: &HookServer) -> HttpConfig {
    let mut config = lab.config();
    let url = askpass
        .url()
        .replace("http://", &format!("http://me:{HUSH}@"));
    config.askpass_url = Some(format!("{url}/credentials?key={HUSH}"));
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn askpass_is_asked_before_each_operation() {
    let (lab, askpass) = (Lab::new().await, HookServer::start().await);
    let source = source(asking(&lab, &askpass));
    for (count, password) in ["one=1", "two"].into_iter().enumerate() {
        lab.server
            .require(Door::Basic("me".to_owned(), password.to_owned()));
        let said = format!("quit=0\npassword={password}\nusername=me\n");
        askpass.answer(Answer::Text(said));
        list(&source).await.unwrap();
        assert_eq!(askpass.received().len(), count + 1);
    }
    let asked = &askpass.received()[0];
    let path = format!("/credentials?key={HUSH}");
    assert_eq!(
        (&*asked.method, asked.path.as_str()),
        ("GET", path.as_str())
    );
    assert!(
        lab.server
            .requests()
            .iter()
            .all(|request| request.authorized)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn askpass_that_does_not_say_is_named_and_the_server_is_not_asked() {
    let (lab, askpass) = (Lab::new().await, HookServer::start().await);
    let elsewhere = HookServer::start().await;
    for (answer, kind) in [
        (Answer::Status(403), ErrorKind::AuthFailed),
        (Answer::Status(500), ErrorKind::Unreachable),
        (Answer::SlowDown("7"), ErrorKind::Unreachable),
        (Answer::Redirect(elsewhere.url()), ErrorKind::AuthFailed),
        (
            Answer::Text(format!("password={HUSH}")),
            ErrorKind::Protocol,
        ),
        (Answer::Text("x".repeat(1 << 20)), ErrorKind::Protocol),
    ] {
        askpass.answer(answer);
        let failure = refused(asking(&lab, &askpass), kind).await;
        assert!(failure.message.contains("`askpass_url`"), "{failure:?}");
    }
    askpass.answer(Answer::Hang);
    let mut config = asking(&lab, &askpass);
    config.connect_timeout = std::time::Duration::from_millis(100);
    config.idle_timeout = config.connect_timeout;
    refused(config, ErrorKind::Timeout).await;
    assert!(lab.statuses().is_empty() && elsewhere.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_askpass_said_wrongly_is_told_with_its_place() {
    let (lab, askpass) = (Lab::new().await, HookServer::start().await);
    lab.server
        .require(Door::Basic("me".to_owned(), "other".to_owned()));
    askpass.answer(Answer::Text(format!("username=me\npassword={HUSH}\n")));
    let failure = refused(asking(&lab, &askpass), ErrorKind::AuthFailed).await;
    let hint = failure.hint.unwrap();
    assert!(
        hint.contains("`askpass_url`") && !hint.contains(HUSH),
        "{hint}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_are_read_anew_and_sent_where_they_belong() {
    let lab = Lab::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cookies.txt");
    let mut config = lab.config();
    config.cookie_file = Some(file.clone());
    let source = source(config.clone());
    for value in ["one", "two"] {
        let line = |path: &str, value: &str| {
            format!("#HttpOnly_127.0.0.1\tFALSE\t{path}\tFALSE\t0\tsession\t{value}\n")
        };
        let text = line("/repository.git", value) + &line("/other", "none");
        std::fs::write(&file, format!("# Netscape HTTP Cookie File\n{text}")).unwrap();
        lab.server.require(Door::Header(
            "cookie".to_owned(),
            format!("session={value}"),
        ));
        fetch(&source, &Run::standalone("fetch")).await.unwrap();
    }
    std::fs::write(&file, HUSH).unwrap();
    let failure = refused(config.clone(), ErrorKind::Config).await;
    assert!(failure.message.contains("line 1"), "{failure:?}");
    std::fs::remove_file(&file).unwrap();
    refused(config, ErrorKind::Config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_a_known_server_gets_that_servers_credentials_only() {
    let lab = Lab::new().await;
    let other = Repository::with_one_commit();
    other.commit("main").write("more", "more\n").push();
    let elsewhere = GitHttp::start(other.path().parent().unwrap()).await;
    elsewhere.require(Door::Bearer("known".to_owned()));
    lab.server
        .require(Door::Basic("me".to_owned(), HUSH.to_owned()));
    let new = elsewhere.url(other.path());
    lab.server.set_mood(Mood::Redirect("/repository.git", new));
    let mut config = lab.config();
    config.username = Some("me".to_owned());
    config.password = Some(Secret::literal(HUSH));
    let host = HostConfig {
        token: Some(Secret::literal("known")),
        ..HostConfig::default()
    };
    config.hosts = [(elsewhere.address().to_string(), host)].into();
    let copy = fetch(&source(config), &Run::standalone("moved"))
        .await
        .unwrap();
    assert_eq!(copy.id("main"), other.id("main"));
    assert_eq!(lab.statuses(), [302]);
    let later = elsewhere.requests();
    assert!(later.len() >= 3 && later.iter().all(|request| request.status == 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_a_server_that_is_only_trusted_gets_nothing() {
    let (lab, elsewhere) = (Lab::new().await, HookServer::start().await);
    let new = format!("{}/repository.git", elsewhere.url());
    lab.server.set_mood(Mood::Redirect("/repository.git", new));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cookies.txt");
    // For every port of the host: what keeps it at home is its path.
    let cookie = format!("127.0.0.1\tFALSE\t/repository.git/info/refs/x\tFALSE\t0\ta\t{HUSH}\n");
    std::fs::write(&file, cookie).unwrap();
    let mut config = lab.config();
    config.token = Some(Secret::literal(HUSH));
    config.headers = [("X-Org".to_owned(), Secret::literal(HUSH))].into();
    config.cookie_file = Some(file);
    let host = elsewhere.url().replace("http://", "");
    config.hosts = [(host, HostConfig::default())].into();
    elsewhere.answer(Answer::Status(403));
    list_once(config).await.unwrap_err();
    let all = elsewhere.received();
    assert_eq!(all.len(), 1);
    assert!(
        !format!("{:?}", all[0].headers).contains(HUSH),
        "{:?}",
        all[0].headers
    );
    assert!(!all[0].headers.contains_key("authorization") && !all[0].headers.contains_key("x-org"));
}
