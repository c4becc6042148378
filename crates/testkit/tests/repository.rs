//! Scripted repositories are what their scripts say, at every run.

use std::path::Path;

use gitbarge_testkit::files::File;
use gitbarge_testkit::repository::Repository;

#[test]
fn a_commit_holds_what_was_written() {
    let repository = Repository::empty();
    repository
        .commit("main")
        .write("gone", "x")
        .write("quote\"d/ä b", "y")
        .push();
    let tip = repository
        .commit("main")
        .delete("gone")
        .executable("run", "z")
        .link("link", "run")
        .push();
    let files = repository.files(tip);
    assert_eq!(files.len(), 3);
    assert_eq!(files[Path::new("quote\"d/ä b")], File::Plain(b"y".to_vec()));
    assert_eq!(files[Path::new("run")], File::Executable(b"z".to_vec()));
    assert_eq!(files[Path::new("link")], File::Link("run".into()));
    assert_eq!(repository.git(&["rev-list", "--count", "main"]), "2");
}

#[test]
fn the_same_script_makes_the_same_hash() {
    let make = || Repository::with_one_commit().id("main");
    assert!(make().is_some());
    assert_eq!(make(), make());
}

#[test]
fn history_is_rewritten_and_refs_come_and_go() {
    let repository = Repository::with_one_commit();
    let old = repository.id("main").unwrap();
    repository.set("refs/heads/old", old);
    let tag = repository.annotate("v1", old);
    assert_eq!(repository.id("v1^{commit}"), Some(old));
    assert_ne!(tag, old);
    let new = repository.commit("main").on_top_of(None).push();
    assert_eq!(repository.id("main"), Some(new));
    assert_eq!(repository.id("main~1"), None);
    repository.delete("refs/heads/old");
    assert_eq!(repository.id("refs/heads/old"), None);
}
