//! Many repositories and many pushes: everything is followed, and nothing grows.

use std::fs;
use std::thread;
use std::time::Duration;

use gitbarge_testkit::repository::Repository;
use gitbarge_testkit::sshd::Sshd;
use gitbarge_tests::{Running, World};

use crate::{follows, locks_below, log, tip};

const REPOSITORIES: usize = 20;
const PUSHES: usize = 20;
/// From this push on, all that is made once has been made.
const SETTLED: usize = 5;

fn name(number: usize) -> String {
    format!("p{number:02}")
}

fn world(server: &Sshd, repositories: &[Repository]) -> World {
    let mut world = World::new();
    world.set("KEY", server.client_key().private.clone());
    let pipelines = repositories.iter().enumerate().map(|(number, repository)| {
        let name = name(number);
        format!(
            r#"
            [pipeline.{name}.source]
            type = "ssh"
            url = "{url}"
            key = {{ env = "KEY" }}
            [pipeline.{name}.trigger.clock]
            type = "poll"
            every = "300ms"
            [pipeline.{name}.sink.runner]
            type = "checkout"
            path = "{target}"
            "#,
            url = server.url(repository.path()),
            target = world.path(&name).display(),
        )
    });
    let pipelines: String = pipelines.collect();
    world.configure(&pipelines);
    world
}

/// The allocator keeps what it got for each of some forty threads, which comes to 6 MB or so while they take turns; the files
/// of the pushes in between are far more than this, and a session of each would be more descriptors by far.
const GROWTH: Held = Held {
    kilobytes: 12 << 10,
    descriptors: 5,
};

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    kilobytes: usize,
    descriptors: usize,
}

impl Held {
    /// The least of many looks, so that what runs need while they last does not count.
    fn by(process: &Running) -> Self {
        let looks = (0..100).map(|_| {
            thread::sleep(Duration::from_millis(5));
            Self::just_now(process.id())
        });
        let least = |a: Self, b: Self| Self {
            kilobytes: a.kilobytes.min(b.kilobytes),
            descriptors: a.descriptors.min(b.descriptors),
        };
        looks.reduce(least).expect("there were looks")
    }

    fn just_now(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        Self {
            kilobytes: number.expect("the kernel says so"),
            descriptors: fs::read_dir(format!("/proc/{process}/fd"))
                .expect("it runs")
                .count(),
        }
    }
}

fn push_to_all(repositories: &[Repository], round: usize) {
    let half = repositories.len() / 2;
    thread::scope(|scope| {
        for part in repositories.chunks(half) {
            scope.spawn(move || {
                for repository in part {
                    let commit = repository
                        .commit("main")
                        .write("same", round.to_string())
                        .write(&format!("folder/{round}"), "text\n".repeat(20_000));
                    commit.push();
                }
            });
        }
    });
}

#[test]
fn twenty_pushes_to_twenty_repositories_are_followed_and_nothing_grows() {
    let server = Sshd::start();
    let repositories: Vec<_> = (0..REPOSITORIES)
        .map(|_| Repository::with_one_commit())
        .collect();
    let world = world(&server, &repositories);
    let mut daemon = world.start(&["run"]);
    let mut settled = None;
    for round in 1..=PUSHES {
        push_to_all(&repositories, round);
        for (number, repository) in repositories.iter().enumerate() {
            follows(&world, &name(number), &tip(repository));
        }
        if round == SETTLED {
            settled = Some(Held::by(&daemon));
        }
    }
    let (settled, last) = (settled.expect("it was looked at"), Held::by(&daemon));
    assert!(
        last.kilobytes < settled.kilobytes + GROWTH.kilobytes
            && last.descriptors < settled.descriptors + GROWTH.descriptors,
        "{settled:?} has become {last:?}"
    );

    daemon.signal("TERM");
    assert_eq!(daemon.ended().0, Some(0), "{}", log(&world));
    for (number, repository) in repositories.iter().enumerate() {
        world.assert_equal(&world.path(&name(number)), &tip(repository));
    }
    assert_eq!(locks_below(&world.path("")), [""; 0]);
    assert!(!log(&world).contains("ERROR"), "{}", log(&world));
}
