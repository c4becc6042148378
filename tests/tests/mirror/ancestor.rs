//! `gitbarge mirror-git-to-s3`, with the arguments of the tool of that name.

use gitbarge_testkit::repository::Repository;
use gitbarge_testkit::s3::BUCKET;
use gitbarge_tests::Outcome;

use crate::judge::{assert_shows, shown};
use crate::scene::Scene;

/// Runs it with these pairs and more arguments.
fn mirror(scene: &Scene, pairs: &[(&str, &str)], more: &[&str]) -> Outcome {
    let mut arguments = vec!["mirror-git-to-s3"];
    for (source, target) in pairs {
        arguments.extend(["--source", source, "--target", target]);
    }
    arguments.extend(more);
    scene.run(&arguments)
}

#[tokio::test(flavor = "multi_thread")]
async fn several_pairs_are_mirrored_and_one_that_fails_stops_no_other() {
    let scene = Scene::new().await;
    let other = Repository::with_one_commit();
    let (one, two) = (
        scene.repository.path().display().to_string(),
        format!("file://{}", other.path().display()),
    );
    let (first, second) = (format!("s3://{BUCKET}/one"), format!("s3://{BUCKET}/two/"));
    let pairs = [(&one[..], &first[..]), (&two, &second)];
    let endpoint = scene.s3.endpoint();
    let more = [
        "--endpoint-url",
        &endpoint,
        "--storage-class",
        "REDUCED_REDUNDANCY",
    ];
    let web = |name: &str| format!("{}/{name}", scene.s3.web_url());
    let outcome = mirror(&scene, &pairs, &more);
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    assert_shows(&web("one"), &scene.refs());
    assert_shows(&web("two"), &shown(&two));
    let asked = scene.s3.asked();
    let classed = asked
        .iter()
        .filter(|asked| asked.headers.contains_key("x-amz-storage-class"));
    assert_eq!(classed.count(), 4, "two packs and their indexes");

    let mark = scene.mark();
    assert_eq!(mirror(&scene, &pairs, &more).code, 0);
    let asked = scene.s3.asked();
    assert!(asked[mark..].iter().all(|asked| asked.method == "GET"));

    other.commit("main").write("a", "1\n").push();
    let missing = format!("s3://{BUCKET}/missing");
    let pairs = [("/nowhere/at/all.git", &missing[..]), (&two, &second)];
    let outcome = mirror(&scene, &pairs, &more);
    assert_eq!(outcome.code, 1, "{}{}", outcome.stdout, outcome.stderr);
    assert_shows(&web("two"), &shown(&two));
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_do_not_fit_are_exit_code_2_and_nothing_is_asked() {
    let scene = Scene::new().await;
    let endpoint = scene.s3.endpoint();
    let url = format!("s3://{BUCKET}/x");
    let source = scene.repository.path().display().to_string();
    type Pairs<'p> = &'p [(&'p str, &'p str)];
    let bad: [(Pairs<'_>, &[&str]); 6] = [
        (&[], &[]),
        (&[], &["--source", &source]),
        (&[(&source, &url)], &["--source", &source]),
        (&[(&source, "ftp://x/y")], &[]),
        (&[(&source, "s3://")], &[]),
        (&[(&source, &url)], &["--storage-class", "A B"]),
    ];
    for (pairs, more) in bad {
        let more = [more, &["--endpoint-url", &endpoint]].concat();
        let outcome = mirror(&scene, pairs, &more);
        assert_eq!(outcome.code, 2, "{pairs:?} {more:?}: {}", outcome.stderr);
        assert!(!outcome.stderr.is_empty());
    }
    assert_eq!(scene.mark(), 0);
    for (pair, endpoint) in [(&url[..], "nonsense"), (&url, "http://user:hush42@h/")] {
        let outcome = mirror(&scene, &[(&source, pair)], &["--endpoint-url", endpoint]);
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("hush42"), "{}", outcome.stderr);
    }
}
