//! Webhooks and commands that the built binary tells of commits and failures, and what becomes of them when things go wrong.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod commands;
mod webhooks;

use std::fs;
use std::path::PathBuf;

use gitbarge_testkit::repository::Repository;
use gitbarge_tests::{World, until};

/// A world with a pipeline of a repository on this machine that polls, and one alerter.
struct Scene {
    world: World,
    repository: Repository,
}

impl Scene {
    /// `alert` are the alerter's keys.
    fn new(alert: &str) -> Self {
        let scene = Self {
            world: World::new(),
            repository: Repository::with_one_commit(),
        };
        scene.configure(alert);
        scene
    }

    fn configure(&self, alert: &str) {
        self.world.configure(&format!(
            r#"
            [pipeline.site]
            ref = "main"
            [pipeline.site.source]
            type = "local"
            url = "{source}"
            [pipeline.site.trigger.clock]
            type = "poll"
            every = "100ms"
            [pipeline.site.sink.runner]
            type = "checkout"
            path = "{target}"
            [pipeline.site.alert.tell]
            {alert}
            "#,
            source = self.repository.path().display(),
            target = self.world.path("site").display(),
        ));
    }

    fn push(&self, content: &str) -> String {
        let commit = self.repository.commit("main").write("file", content);
        commit.push().to_string()
    }

    fn tip(&self) -> String {
        self.repository
            .id("main")
            .expect("it has commits")
            .to_string()
    }

    /// Waits until the checkout has come to a commit.
    fn follows(&self, commit: &str) {
        let head = self.world.path("site/.git/refs/heads/main");
        until(&format!("the checkout is at {commit}"), || {
            fs::read_to_string(&head).is_ok_and(|id| id.trim() == commit)
        });
    }

    /// What the binary has said.
    fn log(&self) -> String {
        fs::read_to_string(self.world.path("log")).unwrap_or_default()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.world.path("work").join(name)
    }

    /// The lines of a file that a command writes.
    fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.file(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}
