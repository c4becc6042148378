//! SIGTERM, while a run goes on.

use std::fs;
use std::time::Duration;

use gitbarge_testkit::proxy::Proxy;
use gitbarge_testkit::repository::Repository;
use gitbarge_testkit::sshd::Sshd;
use gitbarge_tests::{Running, World, until};

use crate::{follows, locks_below, log, tip};

/// A daemon in the midst of fetching a pack, which has stopped to flow.
struct Scene {
    world: World,
    repository: Repository,
    proxy: Proxy,
    daemon: Running,
    /// What the checkout is at.
    before: String,
    _server: Sshd,
}

impl Scene {
    async fn new(grace: &str) -> Self {
        let (mut world, server) = (World::new(), Sshd::start());
        let (repository, proxy) = (
            Repository::with_one_commit(),
            Proxy::start(server.address()).await,
        );
        world.set("KEY", server.client_key().private.clone());
        let url = server.url_at(proxy.address(), repository.path());
        let (file, target) = (world.path("gitbarge.toml"), world.path("site"));
        world.configure(&format!(
            r#"
            [pipeline.site.source]
            type = "ssh"
            url = "{url}"
            key = {{ env = "KEY" }}
            [pipeline.site.trigger.clock]
            type = "poll"
            every = "200ms"
            [pipeline.site.sink.runner]
            type = "checkout"
            path = "{target}"
            "#,
            target = target.display(),
        ));
        let text = fs::read_to_string(&file).expect("it was written");
        fs::write(&file, format!("shutdown_grace = \"{grace}\"\n{text}")).expect("there is room");
        let daemon = world.start(&["run"]);
        let before = tip(&repository);
        follows(&world, "site", &before);
        let scene = Self {
            world,
            repository,
            proxy,
            daemon,
            before,
            _server: server,
        };
        scene.stall_in_a_pack();
        scene
    }

    fn stall_in_a_pack(&self) {
        let mut random = fastrand::Rng::with_seed(3);
        let noise: Vec<u8> = (0..1 << 20).map(|_| random.u8(..)).collect();
        self.proxy.stall_after(300 << 10);
        self.repository.commit("main").write("noise", noise).push();
        until("a pack is being received", || self.unfinished() > 0);
    }

    /// How many files of unfinished packs there are.
    fn unfinished(&self) -> usize {
        let packs = fs::read_dir(self.world.path("site/.git/objects/pack")).expect("it is there");
        let names = packs.map(|entry| entry.expect("it is listed").file_name());
        names
            .filter(|name| !name.to_string_lossy().starts_with("pack-"))
            .count()
    }

    fn assert_nothing_is_left(&self) {
        assert_eq!(self.unfinished(), 0);
        let site = self.world.path("site");
        assert_eq!(locks_below(&site), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_end_is_cancelled_after_the_grace_period() {
    let mut scene = Scene::new("1s").await;
    scene.daemon.signal("TERM");
    let (code, took) = scene.daemon.ended();
    assert_eq!(code, Some(0), "{}", log(&scene.world));
    let grace = Duration::from_millis(900)..Duration::from_millis(2_900);
    assert!(grace.contains(&took), "it took {took:?}");
    scene.assert_nothing_is_left();
    scene
        .world
        .assert_equal(&scene.world.path("site"), &scene.before);

    scene.proxy.resume();
    assert_eq!(scene.world.sync().code, 0);
    scene
        .world
        .assert_equal(&scene.world.path("site"), &tip(&scene.repository));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_can_end_does_so_and_no_other_begins() {
    let mut scene = Scene::new("30s").await;
    let delivered = tip(&scene.repository);
    scene.daemon.signal("TERM");
    scene.repository.commit("main").write("late", "x").push();
    assert!(scene.daemon.is_running());
    scene.proxy.resume();
    let (code, took) = scene.daemon.ended();
    assert_eq!(code, Some(0), "{}", log(&scene.world));
    assert!(took < Duration::from_secs(10), "it took {took:?}");
    scene.assert_nothing_is_left();
    scene
        .world
        .assert_equal(&scene.world.path("site"), &delivered);
}
