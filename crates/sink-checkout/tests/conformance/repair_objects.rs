//! Damaged and missing objects: what the remote has is fetched again, and what it has not is saved where that can be done.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use gitbarge_git::mend;
use gitbarge_testkit::repository::{git, printed};

use crate::lab::{Lab, drift};
use crate::repair::{lived_in, others, repaired};

fn overwrite(path: &Path, content: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, content).unwrap();
}

fn loose(lab: &Lab, object: &str) -> PathBuf {
    let id = lab.git(&["rev-parse", object]);
    lab.file(&format!(".git/objects/{}/{}", &id[..2], &id[2..]))
}

/// Puts everything into one pack, whose path is returned.
fn packed(lab: &Lab) -> PathBuf {
    lab.git(&["repack", "-adq"]);
    let entries = fs::read_dir(lab.file(".git/objects/pack")).unwrap();
    let mut packs = entries
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "pack"));
    let pack = packs.next().unwrap();
    assert_eq!(packs.next(), None);
    pack
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_whose_index_is_damaged_is_indexed_anew() {
    for content in ["", "garbage"] {
        let lab = lived_in().await;
        let before = others(&lab);
        overwrite(&packed(&lab).with_extension("idx"), content.as_bytes());
        lab.sync("main").await;
        assert_eq!(others(&lab), before);
        assert_eq!(lab.git(&["show", "feature:feat"]), "x");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_damaged_pack_has_is_saved_from_it() {
    let lab = lived_in().await;
    let before = others(&lab);
    let pack = packed(&lab);
    let mut content = fs::read(&pack).unwrap();
    let last = content.len() - 1;
    content[last] ^= 1;
    overwrite(&pack, &content);
    let receipt = lab.sync("main").await.receipt;
    assert_eq!(others(&lab), before);
    assert_eq!(lab.git(&["show", "feature:feat"]), "x");
    assert!(repaired(&receipt).contains("saved"), "{receipt:?}");
    assert!(!repaired(&receipt).contains("cloned anew"), "{receipt:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_object_of_another_branch_costs_nothing_else() {
    let lab = lived_in().await;
    lab.git(&["commit", "-q", "--allow-empty", "-m", "local"]);
    let before = others(&lab);
    overwrite(&loose(&lab, "feature:feat"), b"");
    lab.write("README", "drifted");
    let synced = lab.try_sync("main").await.unwrap();
    assert_eq!(drift(&synced.receipt), [" M README"]);
    assert_eq!(
        synced.receipt.details["discarded"]["commits"][0]["subject"],
        "local"
    );
    assert!(
        !repaired(&synced.receipt).contains("fetched"),
        "{:?}",
        synced.receipt
    );
    let after = others(&lab);
    assert!(before.iter().all(|line| after.contains(line)), "{after:?}");
    assert_eq!(lab.git(&["status", "--porcelain"]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_commit_on_another_branch_hides_no_local_commit() {
    let lab = lived_in().await;
    let tree = lab.git(&["rev-parse", "HEAD^{tree}"]);
    lab.write("odd", &format!("tree {tree}\n\nodd\n"));
    let odd = lab.git(&["hash-object", "-t", "commit", "-w", "--literally", "odd"]);
    fs::remove_file(lab.file("odd")).unwrap();
    fs::write(lab.file(".git/refs/heads/odd"), format!("{odd}\n")).unwrap();
    lab.git(&["commit", "-q", "--allow-empty", "-m", "local"]);
    let synced = lab.try_sync("main").await.unwrap();
    assert_eq!(
        synced.receipt.details["discarded"]["commits"][0]["subject"],
        "local"
    );
    assert_eq!(lab.git(&["rev-parse", "odd"]), odd);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_objects_of_the_remote_are_fetched_again() {
    let lab = lived_in().await;
    let before = others(&lab);
    let pack = packed(&lab);
    let elsewhere = lab.file(".git/elsewhere");
    fs::rename(&pack, &elsewhere).unwrap();
    fs::remove_file(pack.with_extension("idx")).unwrap();
    let unpacked = std::process::Command::new("git")
        .args(["unpack-objects", "-q"])
        .current_dir(lab.path())
        .stdin(fs::File::open(&elsewhere).unwrap())
        .status();
    assert!(unpacked.unwrap().success());
    fs::remove_file(loose(&lab, "main:README")).unwrap();
    let receipt = lab.sync("main").await.receipt;
    assert_eq!(others(&lab), before);
    assert!(
        repaired(&receipt).contains("fetched everything once more"),
        "{receipt:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_cannot_help_leaves_the_damaged_repository_as_it_was() {
    let lab = lived_in().await;
    let before = others(&lab);
    let objects = lab.remote.path().join("objects");
    let hidden = lab.remote.path().join("hidden");
    overwrite(&loose(&lab, "feature:feat"), b"");
    for entry in fs::read_dir(lab.file(".git/objects/pack")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "pack") {
            overwrite(&path, b"PACK");
        }
    }
    fs::rename(&objects, &hidden).unwrap();
    fs::create_dir(&objects).unwrap();
    assert!(lab.try_sync("main").await.is_err());
    assert_eq!(others_by_file(&lab), before_names(&before));
    fs::remove_dir_all(&objects).unwrap();
    fs::rename(&hidden, &objects).unwrap();
    lab.try_sync("main").await.unwrap();
    assert_eq!(lab.git(&["status", "--porcelain"]), "");
    let after = others(&lab);
    assert!(before.iter().all(|line| after.contains(line)), "{after:?}");
}

fn before_names(lines: &[String]) -> Vec<String> {
    let mut names: Vec<String> = lines
        .iter()
        .map(|line| line.split_once(' ').unwrap().1.to_owned())
        .collect();
    names.sort();
    names
}

/// The names of refs that stand in files, whether or not git can read their objects.
fn others_by_file(lab: &Lab) -> Vec<String> {
    let mut names = Vec::new();
    for folder in ["refs/heads", "refs/tags", "refs/gitbarge/discarded"] {
        for entry in fs::read_dir(lab.file(&format!(".git/{folder}"))).unwrap() {
            names.push(format!(
                "{folder}/{}",
                entry.unwrap().file_name().to_str().unwrap()
            ));
        }
    }
    names.push("refs/stash".to_owned());
    assert!(lab.file(".git/refs/stash").exists());
    names.retain(|name| !name.ends_with("/main"));
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_survives_is_carried_over_into_a_new_repository() {
    let lab = lived_in().await;
    fs::write(lab.file(".git/hooks-mine"), "mine").unwrap();
    lab.git(&["config", "my.own", "value"]);
    let before = lab.git(&["for-each-ref"]);
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("new.git");
    printed(
        git(folder.path())
            .args(["clone", "-q", "--bare"])
            .arg(lab.remote.path())
            .arg(&new),
    );
    let lost = mend::carry_over(&lab.file(".git"), &new, &AtomicBool::new(false)).unwrap();
    assert_eq!(lost, Vec::<String>::new());
    assert_eq!(printed(git(&new).args(["for-each-ref"])), before);
    assert_eq!(printed(git(&new).args(["config", "my.own"])), "value");
    assert_eq!(fs::read_to_string(new.join("hooks-mine")).unwrap(), "mine");
    let stashed = ["log", "-g", "--format=%H %gs", "refs/stash"];
    assert_eq!(printed(git(&new).args(stashed)), lab.git(&stashed));
    printed(git(&new).args(["fsck", "--no-dangling"]));
    assert_eq!(lab.git(&["for-each-ref"]), before);
}
