//! The binary reads over HTTP(S): what rotates needs no restart, and nothing secret is said.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;

use gitbarge_testkit::forward_proxy::ForwardProxy;
use gitbarge_testkit::github::{CLIENT_ID, GithubApi, INSTALLATION};
use gitbarge_testkit::http_backend::{Door, GitHttp};
use gitbarge_testkit::repository::Repository;
use gitbarge_testkit::tls::{Authority, TlsFront};
use gitbarge_testkit::webhook::{Answer, HookServer};
use gitbarge_tests::{World, until};

struct Scene {
    world: World,
    repository: Repository,
    server: GitHttp,
}

impl Scene {
    async fn new() -> Self {
        let repository = Repository::with_one_commit();
        let server = GitHttp::start(repository.path().parent().unwrap()).await;
        Self {
            world: World::new(),
            repository,
            server,
        }
    }

    /// A pipeline with these keys of its source.
    fn configure(&self, url: &str, keys: &str) {
        self.world.configure(&format!(
            r#"
            [pipeline.site]
            ref = "main"
            [pipeline.site.trigger.clock]
            type = "poll"
            every = "100ms"
            [pipeline.site.sink.runner]
            type = "checkout"
            path = "{target}"
            [pipeline.site.source]
            type = "http"
            url = "{url}"
            {keys}
            "#,
            target = self.world.path("site").display(),
        ));
    }

    fn url(&self) -> String {
        self.server.url(self.repository.path())
    }

    fn push(&self, content: &str) -> String {
        let commit = self.repository.commit("main").write("file", content);
        commit.push().to_string()
    }

    fn follows(&self, commit: &str) {
        let head = self.world.path("site/.git/refs/heads/main");
        until(&format!("the checkout is at {commit}"), || {
            fs::read_to_string(&head).is_ok_and(|id| id.trim() == commit)
        });
    }

    /// Whatever the binary has said.
    fn log(&self) -> String {
        fs::read_to_string(self.world.path("log")).unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_and_tokens_in_files_are_read_again_at_each_sync() {
    for key in ["token", "password"] {
        let scene = Scene::new().await;
        let file = scene.world.path("secret");
        let user = match key {
            "token" => "",
            _ => "username = \"me\"",
        };
        let keys = format!("{user}\n{key} = {{ file = \"{}\" }}", file.display());
        scene.configure(&scene.url(), &keys);
        let admit = |secret: &str| {
            fs::write(&file, format!("{secret}\n")).unwrap();
            scene.server.require(match key {
                "token" => Door::Bearer(secret.to_owned()),
                _ => Door::Basic("me".to_owned(), secret.to_owned()),
            });
        };
        admit("hush-one");
        let _daemon = scene.world.start(&["run"]);
        scene.follows(&scene.push("one"));
        admit("hush-two");
        scene.follows(&scene.push("two"));
        // Both change one after the other: in between, the daemon may have been refused.
        scene.server.require(Door::Bearer("other".to_owned()));
        until("it is refused", || scene.log().contains("auth_failed"));
        assert!(!scene.log().contains("hush"), "{}", scene.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_github_app_behind_a_proxy_and_an_authority_of_ones_own_is_read() {
    let (scene, api) = (Scene::new().await, GithubApi::start().await);
    let authority = Authority::new();
    let clients = Authority::new();
    let front = TlsFront::start(scene.server.address(), &authority, Some(&clients)).await;
    let proxy = ForwardProxy::start(Some(("me", "hush-proxy"))).await;
    let me = clients.issue("me");
    let write = |name: &str, text: &str| {
        let path = scene.world.path(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let url = scene
        .server
        .url_at(front.address(), scene.repository.path());
    let keys = format!(
        r#"
        github_app = {{ client_id = "{CLIENT_ID}", installation_id = {INSTALLATION}, private_key = {{ file = "{key}" }}, api = "{api}" }}
        ca = "{ca}"
        client_cert = "{cert}"
        client_key = {{ file = "{client_key}" }}
        proxy = "{proxy}"
        proxy_username = "me"
        proxy_password = "hush-proxy"
        "#,
        key = write("app.pem", api.private_key()),
        api = api.url(),
        ca = write("ca.pem", &authority.pem()),
        cert = write("cert.pem", &me.cert),
        client_key = write("key.pem", &me.key),
        proxy = proxy.url(),
    );
    scene.configure(&url.replace("http:", "https:"), &keys);
    let token = GithubApi::token(1);
    scene
        .server
        .require(Door::Basic("x-access-token".to_owned(), token));
    let outcome = scene.world.run(&["check", "--connect"]);
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    scene.server.require(Door::Basic(
        "x-access-token".to_owned(),
        GithubApi::token(2),
    ));
    let outcome = scene.world.run(&["-vv", "sync", "--json"]);
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    let said = outcome.stdout + &outcome.stderr;
    assert!(
        !said.contains("hush") && !said.contains("ghs_") && !said.contains("PRIVATE"),
        "{said}"
    );
    assert!(
        proxy
            .passed()
            .iter()
            .any(|line| line.starts_with("CONNECT"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn askpass_is_asked_and_its_faults_are_told() {
    let (scene, askpass) = (Scene::new().await, HookServer::start().await);
    scene.configure(
        &scene.url(),
        &format!("askpass_url = \"{}/x?key=hush\"", askpass.url()),
    );
    scene
        .server
        .require(Door::Basic("me".to_owned(), "hush-word".to_owned()));
    askpass.answer(Answer::Status(403));
    let outcome = scene.world.sync();
    assert_eq!((outcome.code, outcome.kind().as_str()), (1, "auth_failed"));
    assert!(!(outcome.stdout + &outcome.stderr).contains("hush"));
    askpass.answer(Answer::Text("username=me\npassword=hush-word\n".to_owned()));
    let outcome = scene.world.sync();
    assert_eq!(outcome.code, 0, "{}", outcome.stdout);
}
