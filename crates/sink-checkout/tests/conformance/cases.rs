//! What a checkout owes its users, case by case.

use std::fs;
use std::os::unix::fs::symlink;

use crate::lab::{Lab, drift};
use gitbarge_core::ErrorKind;
use gitbarge_testkit::repository::{Repository, git, printed};

#[tokio::test(flavor = "multi_thread")]
async fn local_commits_are_discarded_reported_and_kept() {
    let lab = Lab::cloned().await;
    lab.write("mine", "x");
    lab.git(&["add", "-A"]);
    lab.git(&["commit", "-qm", "my work"]);
    let mine = lab.git(&["rev-parse", "HEAD"]);
    let receipt = lab.sync("main").await.receipt;
    let discarded = &receipt.details["discarded"];
    assert_eq!(discarded["commits"][0]["id"], mine.as_str());
    assert_eq!(discarded["commits"][0]["subject"], "my work");
    let kept_at = discarded["kept_at"].as_str().unwrap();
    assert_eq!(lab.git(&["rev-parse", kept_at]), mine);
    assert!(drift(&receipt).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewritten_history_is_followed_and_marked() {
    let lab = Lab::cloned().await;
    let first = lab.remote.id("main");
    lab.remote
        .commit("main")
        .write("bad", "x")
        .message("bad one")
        .push();
    lab.sync("main").await;
    lab.remote
        .commit("main")
        .on_top_of(first)
        .write("good", "x")
        .push();
    let receipt = lab.sync("main").await.receipt;
    assert_eq!(receipt.details["forced"], true);
    assert_eq!(
        receipt.details["discarded"]["commits"][0]["subject"],
        "bad one"
    );
    lab.remote
        .commit("main")
        .on_top_of(None)
        .write("orphan", "x")
        .push();
    lab.sync("main").await;
    assert!(!lab.file("good").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_becomes_a_folder_of_branches_is_followed_and_back() {
    let lab = Lab::new();
    lab.remote.commit("rel").write("a", "1").push();
    lab.sync("rel").await;
    lab.remote.delete("refs/heads/rel");
    lab.remote.commit("rel/1").write("a", "2").push();
    lab.sync("rel/1").await;
    lab.remote.delete("refs/heads/rel/1");
    lab.remote.commit("rel").write("a", "3").push();
    lab.sync("rel").await;
    assert_eq!(lab.git(&["symbolic-ref", "HEAD"]), "refs/heads/rel");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_branches_stay_where_they_are() {
    let lab = Lab::cloned().await;
    lab.git(&["checkout", "-q", "-b", "feature"]);
    lab.git(&["commit", "-q", "--allow-empty", "-m", "feature work"]);
    let mine = lab.git(&["rev-parse", "feature"]);
    let receipt = lab.sync("main").await.receipt;
    assert_eq!(lab.git(&["rev-parse", "feature"]), mine);
    assert!(receipt.details["discarded"].is_null(), "{receipt:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_under_way_is_ended_and_named() {
    let lab = Lab::cloned().await;
    lab.git(&["checkout", "-q", "-b", "mine"]);
    lab.write("README", "mine");
    lab.git(&["commit", "-qam", "mine"]);
    lab.git(&["checkout", "-q", "main"]);
    lab.write("README", "local");
    lab.git(&["commit", "-qam", "local"]);
    assert!(!lab.try_git(&["merge", "mine"]));
    let receipt = lab.sync("main").await.receipt;
    assert_eq!(receipt.details["discarded"]["operations"][0], "merge");
    assert_eq!(drift(&receipt), ["UU README"]);
    assert!(!lab.file(".git/MERGE_HEAD").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_that_git_was_told_not_to_see_are_put_right() {
    let lab = Lab::cloned().await;
    lab.git(&["update-index", "--skip-worktree", "README"]);
    lab.write("README", "hidden");
    let synced = lab.sync("main").await;
    assert!(synced.held.drifted);
    assert_eq!(drift(&synced.receipt), [" M README"]);
    assert_eq!(lab.read("README"), "hello\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ignored_file_that_becomes_tracked_is_overwritten_and_reported() {
    let lab = Lab::new();
    lab.remote
        .commit("main")
        .write(".gitignore", ".env\nbuild/\n")
        .push();
    lab.sync("main").await;
    lab.write(".env", "mine");
    lab.write("build/out", "mine");
    lab.remote.commit("main").write(".env", "theirs").push();
    let receipt = lab.sync("main").await.receipt;
    assert_eq!(drift(&receipt), ["!! .env"]);
    assert_eq!(
        (lab.read(".env").as_str(), lab.read("build/out").as_str()),
        ("theirs", "mine")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ignored_files_outlive_a_deleted_gitignore() {
    let lab = Lab::new();
    lab.remote
        .commit("main")
        .write(".gitignore", ".env\n")
        .push();
    lab.sync("main").await;
    lab.write(".env", "mine");
    fs::remove_file(lab.file(".gitignore")).unwrap();
    let receipt = lab.sync("main").await.receipt;
    assert_eq!(drift(&receipt), [" D .gitignore"]);
    assert_eq!(lab.read(".env"), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_repositories_are_removed_or_kept_as_wished() {
    let mut lab = Lab::cloned().await;
    let nest = |lab: &Lab| {
        fs::create_dir_all(lab.file("sub/nested")).unwrap();
        printed(git(&lab.file("sub/nested")).args(["init", "-q"]));
    };
    nest(&lab);
    let receipt = lab.sync("main").await.receipt;
    assert_eq!(drift(&receipt), ["?? sub/nested/"]);
    assert!(!lab.file("sub").exists());
    lab.options.keep_nested = true;
    nest(&lab);
    let receipt = lab
        .try_sync("main")
        .await
        .unwrap_or_else(|e| panic!("{e}"))
        .receipt;
    assert_eq!(receipt.details["kept"][0]["path"], "sub/nested/");
    assert!(lab.file("sub/nested/.git").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn ignored_files_go_only_when_told() {
    let mut lab = Lab::new();
    lab.remote
        .commit("main")
        .write(".gitignore", "*.log\n")
        .push();
    lab.sync("main").await;
    lab.write("deep/x.log", "mine");
    assert!(!lab.sync("main").await.receipt.changed);
    lab.options.clean_ignored = true;
    lab.sync("main").await;
    assert!(!lab.file("deep").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_touched_through_a_link_out_of_the_checkout() {
    let lab = Lab::new();
    lab.remote
        .commit("main")
        .write("d/x", "1")
        .write("d/y", "1")
        .push();
    lab.sync("main").await;
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("x"), "outside").unwrap();
    fs::remove_dir_all(lab.file("d")).unwrap();
    symlink(outside.path(), lab.file("d")).unwrap();
    lab.remote
        .commit("main")
        .write("d/x", "2")
        .delete("d/y")
        .write("d/z", "2")
        .push();
    lab.sync("main").await;
    assert_eq!(
        fs::read_to_string(outside.path().join("x")).unwrap(),
        "outside"
    );
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(lab.read("d/z"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_refused_and_untouched() {
    let lab = Lab::new();
    lab.write("important", "mine");
    let error = lab.try_sync("main").await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(fs::read_dir(lab.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unrelated_history_is_replaced_only_when_allowed() {
    let mut lab = Lab::new();
    let other = Repository::empty();
    other
        .commit("main")
        .on_top_of(None)
        .write("other", "x")
        .message("other")
        .push();
    printed(
        git(lab.path().parent().unwrap())
            .arg("clone")
            .arg("-q")
            .arg(other.path())
            .arg(lab.path()),
    );
    let before = lab.git(&["rev-parse", "HEAD"]);
    let error = lab.try_sync("main").await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(lab.git(&["rev-parse", "HEAD"]), before);
    lab.options.allow_replace = true;
    lab.sync("main").await;
    assert!(!lab.file("other").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_index_is_made_anew() {
    let lab = Lab::cloned().await;
    for damage in [&b"garbage"[..], b""] {
        fs::write(lab.file(".git/index"), damage).unwrap();
        lab.write("README", "drift");
        let synced = lab.sync("main").await;
        assert_eq!(drift(&synced.receipt), [" M README"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_repository_is_filled_again_and_ignored_files_stay() {
    let lab = Lab::new();
    lab.remote
        .commit("main")
        .write(".gitignore", ".env\n")
        .push();
    lab.sync("main").await;
    lab.write(".env", "mine");
    let packs = fs::read_dir(lab.file(".git/objects/pack")).unwrap();
    let pack = packs
        .map(|e| e.unwrap().path())
        .find(|p| p.extension().is_some_and(|e| e == "pack"))
        .unwrap();
    let half = fs::read(&pack).unwrap();
    fs::remove_file(&pack).unwrap();
    fs::write(&pack, &half[..half.len() / 2]).unwrap();
    let receipt = lab.sync("main").await.receipt;
    let repaired = receipt.details["repaired"].to_string();
    assert!(
        repaired.contains("fetched everything once more"),
        "{repaired}"
    );
    assert_eq!(lab.read(".env"), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_as_much_history_is_fetched_as_wished() {
    let mut lab = Lab::new();
    lab.remote.commit("main").write("a", "1").push();
    lab.options.depth = std::num::NonZeroU32::new(1);
    lab.sync("main").await;
    assert_eq!(lab.git(&["rev-list", "--count", "HEAD"]), "1");
    lab.remote.commit("main").write("a", "2").push();
    let receipt = lab.sync("main").await.receipt;
    assert!(receipt.details["discarded"].is_null(), "{receipt:?}");
    lab.options.depth = None;
    lab.remote.commit("main").write("a", "3").push();
    lab.sync("main").await;
    assert_eq!(lab.git(&["rev-list", "--count", "HEAD"]), "4");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_written_anew_when_their_attributes_change() {
    let lab = Lab::cloned().await;
    lab.remote
        .commit("main")
        .write(".gitattributes", "README eol=crlf\n")
        .push();
    lab.sync("main").await;
    assert_eq!(lab.read("README"), "hello\r\n");
    lab.remote.commit("main").delete(".gitattributes").push();
    lab.sync("main").await;
    assert_eq!(lab.read("README"), "hello\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_repair_has_left_is_removed() {
    let lab = Lab::cloned().await;
    lab.write(".git.gitbarge-new/objects/x", "half");
    lab.sync("main").await;
    assert!(!lab.file(".git.gitbarge-new").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submodule_is_an_empty_folder_and_the_result_says_so() {
    let lab = Lab::cloned().await;
    let work = tempfile::tempdir().unwrap();
    let upstream = |arguments: &[&str]| printed(git(work.path()).args(arguments));
    upstream(&["clone", "-q", lab.remote.path().to_str().unwrap(), "."]);
    let tip = upstream(&["rev-parse", "HEAD"]);
    upstream(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{tip},lib/sub"),
    ]);
    upstream(&["commit", "-qm", "submodule"]);
    upstream(&["push", "-q"]);
    let receipt = lab.sync("main").await.receipt;
    assert_eq!(receipt.details["submodules"]["paths"][0], "lib/sub");
    assert!(lab.file("lib/sub").is_dir());
    upstream(&["rm", "-q", "--cached", "lib/sub"]);
    upstream(&["commit", "-qm", "no submodule"]);
    upstream(&["push", "-q"]);
    lab.sync("main").await;
    assert!(!lab.file("lib").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_with_forbidden_paths_is_refused() {
    let lab = Lab::cloned().await;
    for path in ["a/../../out", ".git/hooks/post-checkout"] {
        let blob = lab.remote.git(&["rev-parse", "main:README"]);
        let mut tree = blob;
        let mut parts: Vec<&str> = path.split('/').collect();
        let mut mode = "100755 blob";
        while let Some(part) = parts.pop() {
            let script = format!("printf '{mode} {tree}\\t{part}\\n' | git mktree --missing");
            tree = printed(
                std::process::Command::new("sh")
                    .arg("-c")
                    .arg(script)
                    .current_dir(lab.remote.path()),
            );
            mode = "040000 tree";
        }
        let commit = lab
            .remote
            .git(&["commit-tree", "-p", "main", "-m", "evil", &tree]);
        lab.remote.git(&["update-ref", "refs/heads/evil", &commit]);
        let error = lab.try_sync("evil").await.err().unwrap();
        assert_eq!(
            error.kind(),
            ErrorKind::Refused,
            "{path}: {:?}",
            error.failure()
        );
    }
    assert!(!lab.path().parent().unwrap().join("out").exists());
    assert!(!lab.file(".git/hooks").exists());
}
