//! How files come into their places, and what may stand there instead, judged by stock git.

use std::fs::{self, File, Permissions};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::process::Command;

use crate::lab::{Lab, drift};
use gitbarge_core::ErrorKind;
use gitbarge_testkit::files::{self, Files};
use gitbarge_testkit::repository::{git, printed};

/// What stock git makes of the remote.
fn stock(lab: &Lab) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let clone = ["-c", "advice.detachedHead=false", "clone", "-q"];
    printed(
        git(folder.path())
            .args(clone)
            .arg(lab.remote.path())
            .arg("."),
    );
    files::of_folder(folder.path())
}

/// Syncs, and judges more strictly than the lab does: nothing is left to do, and all files are as stock git makes them.
async fn sync_and_judge(lab: &Lab) -> Vec<String> {
    let drift = drift(&lab.sync("main").await.receipt);
    assert_eq!(
        lab.git(&["status", "--porcelain", "--ignore-submodules=none", "-uall"]),
        ""
    );
    assert_eq!(files::of_folder(lab.path()), stock(lab));
    drift
}

/// Commits a submodule to the remote, in the place of whatever is there.
fn commit_submodule(lab: &Lab, path: &str) {
    let run = |arguments: &[&str]| lab.remote.git(arguments);
    run(&["read-tree", "main"]);
    run(&["rm", "-q", "-r", "--cached", "--ignore-unmatch", path]);
    let commit = lab.remote.id("main").unwrap().to_string();
    run(&[
        "update-index",
        "--add",
        "--cacheinfo",
        "160000",
        &commit,
        path,
    ]);
    let tree = run(&["write-tree"]);
    let commit = run(&["commit-tree", "-p", "main", "-m", "submodule", &tree]);
    run(&["update-ref", "refs/heads/main", &commit]);
}

fn set_mode(lab: &Lab, path: &str, mode: u32) {
    fs::set_permissions(lab.file(path), Permissions::from_mode(mode)).unwrap();
}

fn mode_of(lab: &Lab, path: &str) -> u32 {
    fs::metadata(lab.file(path)).unwrap().mode() & 0o777
}

fn make_nested(lab: &Lab, path: &str) {
    printed(git(&lab.file(path)).args(["init", "-q"]));
    printed(git(&lab.file(path)).args(["commit", "-q", "--allow-empty", "-m", "mine"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_runs_is_replaced_and_goes_on() {
    let lab = Lab::new();
    lab.remote
        .commit("main")
        .executable("wait", fs::read("/bin/sleep").unwrap())
        .push();
    lab.sync("main").await;
    let mut running = Command::new(lab.file("wait")).arg("60").spawn().unwrap();
    lab.remote
        .commit("main")
        .executable("wait", "#!/bin/sh\n")
        .push();
    let drift = sync_and_judge(&lab).await;
    assert!(running.try_wait().unwrap().is_none());
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(drift, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_links_and_open_files_keep_the_old_content() {
    let lab = Lab::cloned().await;
    let old = lab.read("README");
    let outside = lab.path().with_file_name("outside");
    fs::hard_link(lab.file("README"), &outside).unwrap();
    let mut reader = File::open(lab.file("README")).unwrap();
    lab.remote.commit("main").write("README", "new\n").push();
    sync_and_judge(&lab).await;
    let mut read = String::new();
    reader.read_to_string(&mut read).unwrap();
    assert_eq!(read, old);
    assert_eq!(fs::read_to_string(outside).unwrap(), old);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_written_files_of_a_killed_process_are_swept_even_where_git_ignores_them() {
    const NAME: &str = ".gitbarge-tmp-0123456789abcdef";
    let lab = Lab::new();
    lab.remote
        .commit("main")
        .write(".gitignore", ".gitbarge*\n")
        .write("d/e", "1\n")
        .push();
    lab.sync("main").await;
    let (commit, tree) = (
        lab.git(&["rev-parse", "main"]),
        lab.git(&["rev-parse", "main^{tree}"]),
    );
    for folder in ["", "d/"] {
        lab.write(&format!("{folder}{NAME}"), "half");
    }
    lab.write(".git/gitbarge/writing", &tree);
    lab.write(".git/gitbarge/pending", &format!("running {commit}"));
    assert_eq!(sync_and_judge(&lab).await, [""; 0]);
    assert!(!lab.file(".git/gitbarge/writing").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_or_link_that_becomes_a_submodule_gives_way_to_a_folder() {
    let lab = Lab::new();
    lab.remote
        .commit("main")
        .write("file", "x")
        .link("link", "file")
        .push();
    lab.sync("main").await;
    for path in ["file", "link"] {
        commit_submodule(&lab, path);
        assert_eq!(sync_and_judge(&lab).await, [""; 0]);
        assert!(lab.file(path).is_dir() && !lab.file(path).is_symlink());
        fs::remove_dir(lab.file(path)).unwrap();
        symlink("/nowhere", lab.file(path)).unwrap();
        assert_eq!(sync_and_judge(&lab).await, [format!(" T {path}")]);
        fs::remove_dir(lab.file(path)).unwrap();
        fs::write(lab.file(path), "in the way").unwrap();
        assert_eq!(sync_and_judge(&lab).await, [format!(" T {path}")]);
        lab.sync("main").await;
        assert!(lab.file(path).is_dir());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ignored_file_in_a_submodules_way_is_reported() {
    let lab = Lab::new();
    lab.remote
        .commit("main")
        .write(".gitignore", "sub\n")
        .push();
    lab.sync("main").await;
    lab.write("sub", "mine");
    commit_submodule(&lab, "sub");
    assert_eq!(sync_and_judge(&lab).await, ["!! sub"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_encoded_and_expanded_as_stock_git_does_it() {
    let lab = Lab::new();
    let attributes = "*.a working-tree-encoding=UTF-16\n*.b working-tree-encoding=UTF-16LE eol=crlf text\n\
                      *.c working-tree-encoding=UTF-16LE-BOM\n*.d working-tree-encoding=ISO-8859-1\n\
                      *.e working-tree-encoding=UTF-32\n*.f working-tree-encoding=no-such\n*.g ident\n*.h text eol=crlf\n\
                      *.i text=auto\n*.j working-tree-encoding=KOI8-R\n";
    let mut commit = lab
        .remote
        .commit("main")
        .write(".gitattributes", attributes);
    for kind in 'a'..='i' {
        commit = commit.write(&format!("x.{kind}"), "hé\n$Id$\n");
    }
    commit.write("x.j", "привет\n").push();
    assert_eq!(sync_and_judge(&lab).await, [""; 0]);
    for path in lab.git(&["ls-files"]).lines() {
        let file = File::options().append(true).open(lab.file(path)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    assert_eq!(lab.git(&["status", "--porcelain"]), "");
    assert!(!lab.sync("main").await.held.drifted);
    lab.write("x.b", "odd");
    assert_eq!(sync_and_judge(&lab).await, [" M x.b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_git_itself_would_commit_otherwise_do_not_drift_for_ever() {
    let lab = Lab::new();
    let commit = lab.remote.commit("main").write(
        ".gitattributes",
        "a text\nb ident\nc working-tree-encoding=UTF-16BE-BOM\nd working-tree-encoding=latin1\n",
    );
    commit.write("a", "1\r\n").write("b", "$Id: old $\n").push();
    lab.try_sync("main").await.unwrap();
    assert_eq!(files::of_folder(lab.path()), stock(&lab));
    assert!(!lab.try_sync("main").await.unwrap().held.drifted);
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_that_only_the_checkout_has_count_too() {
    let lab = Lab::cloned().await;
    lab.write(
        ".git/info/attributes",
        "*.u working-tree-encoding=UTF-16LE\n",
    );
    lab.remote.commit("main").write("a.u", "hi").push();
    lab.sync("main").await;
    assert_eq!(fs::read(lab.file("a.u")).unwrap(), b"h\0i\0");
    assert!(!lab.sync("main").await.held.drifted);
}

#[tokio::test(flavor = "multi_thread")]
async fn line_ends_are_those_of_the_commit_whatever_is_configured_locally() {
    let lab = Lab::cloned().await;
    lab.git(&["config", "core.autocrlf", "true"]);
    lab.git(&["config", "core.eol", "crlf"]);
    lab.remote
        .commit("main")
        .write("lf", "1\n2\n")
        .write("crlf", "1\r\n2\r\n")
        .push();
    assert_eq!(sync_and_judge(&lab).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_their_owner_may_not_run_get_their_mode_back() {
    let lab = Lab::new();
    lab.remote
        .commit("main")
        .executable("run", "#!/bin/sh\n")
        .push();
    lab.sync("main").await;
    let mode = mode_of(&lab, "run");
    for wrong in [0o044, 0o000, 0o055, 0o611] {
        set_mode(&lab, "run", wrong);
        assert_eq!(sync_and_judge(&lab).await, [" M run"]);
        assert_eq!(mode_of(&lab, "run"), mode);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_in_the_place_of_a_folder_that_the_remote_removes_goes_too() {
    for keep_nested in [false, true] {
        let mut lab = Lab::new();
        lab.options.keep_nested = keep_nested;
        lab.remote.commit("main").write("p/q/f", "1\n").push();
        lab.sync("main").await;
        lab.write("p/mine", "x");
        make_nested(&lab, "p");
        lab.remote.commit("main").delete("p").push();
        if keep_nested {
            lab.try_sync("main").await.unwrap();
            assert!(lab.file("p/.git").exists());
        } else {
            let drift = sync_and_judge(&lab).await;
            assert!(
                drift.iter().any(|line| line.starts_with("?? p/")),
                "{drift:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_in_a_submodules_place_goes_with_the_submodule() {
    for becomes in [None, Some("sub/file")] {
        let lab = Lab::cloned().await;
        commit_submodule(&lab, "sub");
        lab.sync("main").await;
        make_nested(&lab, "sub");
        let commit = lab.remote.commit("main").delete("sub");
        match becomes {
            Some(path) => commit.write(path, "x").push(),
            None => commit.push(),
        };
        assert_eq!(sync_and_judge(&lab).await, ["?? sub/"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ignored_files_in_the_way_are_reported_one_by_one_unless_nothing_of_them_is_lost() {
    let lab = Lab::new();
    lab.remote
        .commit("main")
        .write(".gitignore", "build\n*.log\n")
        .push();
    lab.sync("main").await;
    lab.write("build/a", "1");
    lab.write("build/b/c", "2");
    lab.write("same.log", "same\n");
    lab.write("other.log", "mine\n");
    let commit = lab.remote.commit("main").write("build", "a file now");
    commit
        .write("same.log", "same\n")
        .write("other.log", "theirs\n")
        .push();
    assert_eq!(
        sync_and_judge(&lab).await,
        ["!! build/a", "!! build/b/c", "!! other.log"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ignored_folders_that_are_cleaned_are_reported_file_by_file() {
    let mut lab = Lab::new();
    lab.options.clean_ignored = true;
    lab.remote
        .commit("main")
        .write(".gitignore", "build\n")
        .push();
    lab.sync("main").await;
    lab.write("build/a", "1");
    lab.write("build/b/c", "2");
    fs::create_dir_all(lab.file("build/n")).unwrap();
    make_nested(&lab, "build/n");
    assert_eq!(
        sync_and_judge(&lab).await,
        ["?? build/a", "?? build/b/c", "?? build/n/"]
    );
    assert!(!lab.file("build").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_the_repositorys_own_excludes_file_ignores_are_kept() {
    let lab = Lab::cloned().await;
    let rules = lab.path().with_file_name("rules");
    fs::write(&rules, "mine\n").unwrap();
    lab.git(&["config", "core.excludesFile", rules.to_str().unwrap()]);
    lab.write("mine", "x");
    lab.write("stray", "x");
    assert_eq!(drift(&lab.sync("main").await.receipt), ["?? stray"]);
    assert_eq!(lab.read("mine"), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_commit_that_is_only_intended_to_be_added_is_reported_as_git_does() {
    let lab = Lab::new();
    lab.remote
        .commit("main")
        .write("empty", "")
        .write("full", "x")
        .push();
    lab.sync("main").await;
    lab.git(&["rm", "-q", "--cached", "empty", "full"]);
    lab.write("new", "x");
    lab.git(&["add", "-N", "empty", "full", "new"]);
    assert_eq!(
        sync_and_judge(&lab).await,
        [" A new", "DA empty", "DA full"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn work_in_a_repository_without_a_commit_that_is_not_ours_is_refused() {
    let mut lab = Lab::new();
    fs::create_dir(lab.path()).unwrap();
    lab.git(&["init", "-q", "-b", "main"]);
    lab.write("precious", "x");
    for _ in 0..2 {
        let error = lab.try_sync("main").await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert_eq!(lab.read("precious"), "x");
    }
    lab.options.allow_replace = true;
    assert_eq!(sync_and_judge(&lab).await, ["?? precious"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_repository_that_is_not_ours_is_filled() {
    let lab = Lab::new();
    fs::create_dir(lab.path()).unwrap();
    lab.git(&["init", "-q", "-b", "main"]);
    assert_eq!(sync_and_judge(&lab).await, [""; 0]);
}
