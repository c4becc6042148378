//! A damaged repository is put right, and costs nobody a branch, a tag, a stash, or what was kept.

use std::fs;

use gitbarge_core::ErrorKind;

use crate::lab::{Lab, drift};

/// A lab whose checkout has local work everywhere, on `main` too.
pub(crate) async fn lived_in() -> Lab {
    let lab = Lab::cloned().await;
    lab.write("kept", "x");
    lab.git(&["add", "-A"]);
    lab.git(&["commit", "-qm", "to be kept"]);
    lab.sync("main").await;
    lab.git(&["checkout", "-q", "-b", "feature"]);
    lab.write("feat", "x");
    lab.git(&["add", "-A"]);
    lab.git(&["commit", "-qm", "feature work"]);
    lab.git(&["tag", "-a", "-m", "tag", "mine"]);
    lab.git(&["checkout", "-q", "main"]);
    lab.write("README", "stashed");
    lab.git(&["stash", "-q"]);
    lab
}

/// All refs but those that a sync moves.
pub(crate) fn others(lab: &Lab) -> Vec<String> {
    let refs = lab.git(&["for-each-ref", "--format=%(objectname) %(refname)"]);
    let moved = |line: &&str| line.ends_with("/main");
    refs.lines()
        .filter(|line| !moved(line))
        .map(str::to_owned)
        .collect()
}

pub(crate) fn repaired(receipt: &gitbarge_core::Receipt) -> String {
    receipt
        .details
        .get("repaired")
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// Damages the repository, syncs, and sees to it that all refs are still there, and that the next sync has nothing to do.
async fn costs_nothing(name: &str, damage: impl FnOnce(&Lab)) {
    let lab = lived_in().await;
    let before = others(&lab);
    assert_eq!(before.len(), 4, "{before:?}");
    damage(&lab);
    let receipt = lab.sync("main").await.receipt;
    assert_eq!(others(&lab), before, "{name}");
    assert!(!repaired(&receipt).is_empty(), "{name}: {receipt:?}");
    assert!(
        !repaired(&receipt).contains("cloned anew"),
        "{name}: {receipt:?}"
    );
    let again = lab.sync("main").await;
    assert!(!again.receipt.changed, "{name}: {:?}", again.receipt);
}

fn put(lab: &Lab, file: &str, content: &str) {
    fs::write(lab.file(&format!(".git/{file}")), content).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_cannot_be_read_is_rewritten_and_nothing_else_is_lost() {
    for content in [
        "",
        "garbage\n",
        "\0\0\0\0",
        "ref: HEAD\n",
        "ref: refs/heads/a..b\n",
    ] {
        costs_nothing(content, |lab| put(lab, "HEAD", content)).await;
    }
    costs_nothing("gone", |lab| {
        fs::remove_file(lab.file(".git/HEAD")).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_on_a_commit_that_is_lost_goes_back_to_its_branch() {
    let lost = "1111111111111111111111111111111111111111\n";
    costs_nothing("HEAD", |lab| put(lab, "HEAD", lost)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_make_git_reject_the_repository_are_taken_back() {
    for (key, value) in [
        ("core.repositoryFormatVersion", "9"),
        ("core.bare", "true"),
        ("core.worktree", "/nonexistent"),
        ("core.fileMode", "perhaps"),
    ] {
        costs_nothing(key, |lab| {
            lab.git(&["config", key, value]);
        })
        .await;
    }
    for extension in ["foo = bar", "refStorage = reftable"] {
        costs_nothing(extension, |lab| {
            let config = lab
                .read(".git/config")
                .replace("version = 0", "version = 1");
            put(
                lab,
                "config",
                &format!("{config}[extensions]\n\t{extension}\n"),
            );
        })
        .await;
    }
    for content in ["[[[ (((\n", "\0\0\0\0"] {
        costs_nothing(content, |lab| put(lab, "config", content)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_harms_nobody_survives_the_repair() {
    let lab = lived_in().await;
    lab.git(&["config", "my.own", "value"]);
    lab.git(&["config", "core.bare", "true"]);
    lab.sync("main").await;
    assert_eq!(lab.git(&["config", "my.own"]), "value");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sparse_checkout_is_made_whole() {
    let lab = Lab::new();
    lab.remote
        .commit("main")
        .write("sub/file", "1")
        .write("other/file", "2")
        .push();
    lab.sync("main").await;
    lab.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "sub"]);
    assert!(!lab.file("other/file").exists());
    lab.sync("main").await;
    assert_eq!(lab.read("other/file"), "2");
    lab.git(&["reset", "-q", "--hard"]);
    assert_eq!(lab.read("other/file"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_cannot_be_read_is_brought_back_from_its_log() {
    for content in [
        "",
        "garbage\n",
        "ref: refs/heads/feature\n",
        "ref: refs/heads/nowhere\n",
    ] {
        costs_nothing(content, |lab| put(lab, "refs/heads/feature", content)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn local_commits_on_a_branch_that_cannot_be_read_are_still_reported_and_kept() {
    let lab = lived_in().await;
    lab.git(&["commit", "-q", "--allow-empty", "-m", "local"]);
    let local = lab.git(&["rev-parse", "HEAD"]);
    put(&lab, "refs/heads/main", "");
    lab.write("README", "drifted");
    let receipt = lab.sync("main").await.receipt;
    let discarded = &receipt.details["discarded"];
    assert_eq!(discarded["commits"][0]["id"], local.as_str());
    assert_eq!(
        lab.git(&["rev-parse", discarded["kept_at"].as_str().unwrap()]),
        local
    );
    assert_eq!(drift(&receipt), [" M README"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refs_that_lead_nowhere_are_set_aside_and_named() {
    let lost = "1111111111111111111111111111111111111111\n";
    for (name, content) in [
        ("refs/heads/other", ""),
        ("refs/heads/other", lost),
        ("refs/tags/other", "garbage"),
        (
            "refs/remotes/origin/HEAD",
            "ref: refs/remotes/origin/gone\n",
        ),
    ] {
        costs_nothing(name, |lab| put(lab, name, content)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_refs_are_kept_as_far_as_they_can_be_read() {
    costs_nothing("garbage at the end", |lab| {
        lab.git(&["pack-refs", "--all"]);
        let packed = lab.read(".git/packed-refs");
        put(lab, "packed-refs", &format!("{packed}garbage\n"));
    })
    .await;
    costs_nothing("out of order", |lab| {
        lab.git(&["pack-refs", "--all"]);
        let packed = lab.read(".git/packed-refs");
        let (header, rest) = packed.split_once('\n').unwrap();
        let mut blocks: Vec<String> = Vec::new();
        for line in rest.lines() {
            match (line.starts_with('^'), blocks.last_mut()) {
                (true, Some(last)) => *last = format!("{last}\n{line}"),
                _ => blocks.push(line.to_owned()),
            }
        }
        blocks.reverse();
        put(
            lab,
            "packed-refs",
            &format!("{header}\n{}\n", blocks.join("\n")),
        );
    })
    .await;
    costs_nothing("missing folder", |lab| {
        lab.git(&["pack-refs", "--all"]);
        fs::remove_dir_all(lab.file(".git/refs")).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_git_can_make_anew_is_removed_when_damaged() {
    costs_nothing("commit-graph", |lab| {
        lab.git(&["commit-graph", "write", "--reachable"]);
        let graph = lab.file(".git/objects/info/commit-graph");
        fs::remove_file(&graph).unwrap();
        fs::write(graph, "garbage").unwrap();
    })
    .await;
    costs_nothing("multi-pack-index", |lab| {
        lab.git(&["repack", "-adq"]);
        lab.git(&["multi-pack-index", "write"]);
        let index = lab.file(".git/objects/pack/multi-pack-index");
        fs::remove_file(&index).unwrap();
        fs::write(index, "garbage").unwrap();
    })
    .await;
    costs_nothing("shallow", |lab| put(lab, "shallow", "garbage\n")).await;
    costs_nothing("alternates", |lab| {
        fs::create_dir_all(lab.file(".git/objects/info")).unwrap();
        put(lab, "objects/info/alternates", "/nonexistent/objects\n");
    })
    .await;
    costs_nothing("index", |lab| put(lab, "index", "garbage")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_held_is_respected_and_nothing_is_deleted() {
    for lock in [
        "index.lock",
        "HEAD.lock",
        "refs/heads/main.lock",
        "packed-refs.lock",
    ] {
        let lab = lived_in().await;
        let before = lab.git(&["for-each-ref"]);
        lab.remote.commit("main").write("new", "1").push();
        let _held = fs::File::create(lab.file(&format!(".git/{lock}"))).unwrap();
        let Err(error) = lab.try_sync("main").await else {
            panic!("synced in spite of {lock}");
        };
        assert_eq!(error.kind(), ErrorKind::Locked, "{lock}");
        assert_eq!(lab.git(&["for-each-ref"]), before);
        assert!(lab.file(&format!(".git/{lock}")).exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_in_a_locks_place_is_not_emptied() {
    let lab = lived_in().await;
    let lock = lab.file(".git/index.lock");
    fs::create_dir(&lock).unwrap();
    fs::write(lock.join("mine"), "x").unwrap();
    let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    fs::File::open(&lock)
        .unwrap()
        .set_modified(hour_ago)
        .unwrap();
    lab.write("README", "drifted");
    let Err(error) = lab.try_sync("main").await else {
        panic!("synced in spite of a folder");
    };
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(lock.join("mine").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_is_no_longer_to_be_cut_off_is_completed_at_once() {
    let mut lab = Lab::new();
    lab.remote.commit("main").write("a", "1").push();
    lab.options.depth = std::num::NonZeroU32::new(1);
    lab.sync("main").await;
    lab.options.depth = None;
    let synced = lab.sync("main").await;
    assert!(synced.held.drifted);
    assert_eq!(lab.git(&["rev-list", "--count", "HEAD"]), "2");
    assert!(!lab.sync("main").await.held.drifted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ref_that_leads_to_no_commit_is_refused_by_name() {
    let lab = lived_in().await;
    let before = lab.git(&["for-each-ref"]);
    let tree = lab.remote.git(&["rev-parse", "main^{tree}"]);
    lab.remote.git(&["tag", "a-tree", &tree]);
    let Err(error) = lab.try_sync("a-tree").await else {
        panic!("synced to a tree");
    };
    assert_eq!(error.kind(), ErrorKind::RefMissing);
    assert_eq!(lab.git(&["for-each-ref"]), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_of_the_remote_that_moves_to_another_branch_is_followed_and_named() {
    let lab = Lab::new();
    lab.sync("HEAD").await;
    lab.remote.git(&["branch", "-m", "main", "trunk"]);
    lab.remote
        .git(&["symbolic-ref", "HEAD", "refs/heads/trunk"]);
    let receipt = lab.sync("HEAD").await.receipt;
    assert_eq!(receipt.details["followed"], "refs/heads/trunk");
    assert_eq!(lab.git(&["symbolic-ref", "HEAD"]), "refs/heads/trunk");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_others_were_put_in_place_of_are_read_as_they_are() {
    let lab = lived_in().await;
    lab.git(&["replace", "HEAD:README", "feature:feat"]);
    fs::remove_file(lab.file("README")).unwrap();
    lab.sync("main").await;
    assert_eq!(lab.read("README"), "hello\n");
    lab.git(&["replace", "HEAD", "feature"]);
    lab.sync("main").await;
    assert_eq!(lab.git(&["status", "--porcelain"]), "");
}
