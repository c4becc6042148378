//! Where mirrors stand, and how they are served.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

use gitbarge_testkit::s3::{BUCKET, S3Server};

use crate::judge::assert_shows;
use crate::scene::Scene;

/// The head of the answer to a plain GET.
fn answered(url: &str) -> String {
    let rest = url.strip_prefix("http://").expect("a plain url");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).expect("it listens");
    write!(stream, "GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n").expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    let answer = String::from_utf8_lossy(&answer).to_lowercase();
    let (head, _) = answer.split_once("\r\n\r\n").expect("a head");
    head.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_prefixes_and_the_root_of_the_bucket_are_places_like_any_other() {
    let mut scenes = Vec::new();
    for prefix in [
        "",
        "/",
        "deep/er/site.git/",
        "with space/é ü",
        "日本/%41+'(s)!*~",
    ] {
        let mut scene = Scene::new().await;
        scene.prefix = prefix.to_owned();
        scenes.push(scene);
    }
    thread::scope(|scope| {
        for scene in scenes {
            scope.spawn(move || {
                scene.synced();
                scene.change(1);
                scene.synced();
                scene.assert_equal();
                scene.unchanged();
                scene.assert_verified();
                let keys = scene.s3.asked().into_iter().map(|asked| asked.key);
                for key in keys {
                    assert!(!key.starts_with('/') && !key.contains("//"), "{key}");
                }
                let keys = scene.s3.keys(BUCKET);
                assert_eq!(keys.len(), scene.keys().len(), "{keys:?}");
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrors_beside_and_within_each_other_do_not_meet() {
    let mut scene = Scene::new().await;
    scene.sink = "grace = \"0s\"".to_owned();
    for round in 1..3 {
        for prefix in ["a", "a/b", "", "ab"] {
            scene.prefix = prefix.to_owned();
            scene.synced();
        }
        for prefix in ["a", "a/b", "", "ab"] {
            scene.prefix = prefix.to_owned();
            scene.unchanged();
            scene.assert_equal();
        }
        scene.change(round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_get_types_and_cache_headers_and_large_objects_their_storage_class() {
    let mut scene = Scene::new().await;
    scene.sink = "storage_class = \"REDUCED_REDUNDANCY\"".to_owned();
    scene.synced();
    let pack = scene.keys_with(".pack").remove(0);
    let idx = scene.keys_with(".idx").remove(0);
    let stays = "immutable";
    for (key, kind, cache) in [
        ("HEAD", "text/plain", "no-cache"),
        ("info/refs", "text/plain", "no-cache"),
        (
            "info/refs?service=git-upload-pack",
            "text/plain",
            "no-cache",
        ),
        ("objects/info/packs", "text/plain", "no-cache"),
        ("gitbarge/state.json", "application/json", "no-cache"),
        (&pack, "application/x-git-packed-objects", stays),
        (&idx, "application/x-git-packed-objects-toc", stays),
    ] {
        let head = answered(&format!("{}/{key}", scene.web_url()));
        assert!(
            head.starts_with("http/1.1 200") || head.starts_with("http/1.0 200"),
            "{key}: {head}"
        );
        assert!(
            head.contains(&format!("content-type: {kind}")),
            "{key}: {head}"
        );
        assert!(
            head.lines()
                .any(|line| line.starts_with("cache-control:") && line.contains(cache)),
            "{key}: {head}"
        );
    }
    let missing = answered(&format!("{}/objects/info/alternates", scene.web_url()));
    assert!(missing.contains(" 404"), "{missing}");
    let asked = scene.s3.asked();
    let classed = asked
        .iter()
        .filter(|asked| asked.headers.contains_key("x-amz-storage-class"));
    let mut classed: Vec<_> = classed
        .map(|asked| asked.key.rsplit('.').next().unwrap_or_default())
        .collect();
    classed.sort_unstable();
    assert_eq!(classed, ["idx", "pack"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_a_place_too() {
    let scene = Scene::new().await;
    let shelf = S3Server::start().await;
    let folder = shelf.bucket(BUCKET).join("deep/site");
    let url = format!("{}/deep/site", shelf.web_url());
    let configure = |more: &str| {
        scene.world.configure(&format!(
            r#"
            [pipeline.site.source]
            {source}
            [pipeline.site.sink.mirror]
            type = "s3"
            url = "file://{folder}"
            {more}
            "#,
            source = scene.source,
            folder = folder.display(),
        ));
    };
    configure("grace = \"0s\"");
    for round in 1..5 {
        let outcome = scene.world.sync();
        assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
        assert_eq!(outcome.result()["status"], "synced");
        assert_shows(&url, &scene.refs());
        crate::judge::listed_packs(&folder);
        let outcome = scene.world.sync();
        assert_eq!(outcome.result()["status"], "unchanged");
        let outcome = scene.world.run(&["verify", "site/mirror"]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        scene.change(round);
    }
    let keys = shelf.keys(BUCKET);
    let odd = keys.iter().filter(|key| !key.starts_with("deep/site/"));
    assert_eq!(odd.count(), 0, "{keys:?}");
    configure("region = \"eu-central-1\"");
    assert_eq!(scene.world.sync().code, 2, "a folder has no region");
}
