//! Files and folders without the rights that their owner needs. Root needs none, so root lets somebody else run this.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use crate::lab::{Lab, drift};

const NOBODY: &str = "65534";

/// What is done to a checkout, and what is reported then.
const CASES: &[(&str, &[&str])] = &[
    ("chmod 000 m", &[" M m"]),
    ("chmod 000 run", &[" M run"]),
    ("echo x > m; chmod 444 m", &[" M m"]),
    ("echo x > sub/q; chmod 555 sub", &[" M sub/q"]),
    ("rm sub/q; chmod 555 sub", &[" D sub/q"]),
    ("chmod 000 sub/.gitignore", &[" M sub/.gitignore"]),
    ("chmod 000 sub", &[]),
    ("mkdir -p u/x; touch u/x/f; chmod 555 u/x", &["?? u/x/f"]),
    ("mkdir -p u/x; touch u/x/f; chmod 000 u/x", &["?? u/x/f"]),
    ("mkdir u; chmod 000 u", &[]),
    (
        "mkdir -p sub/u; touch sub/u/f; chmod 555 sub/u sub",
        &["?? sub/u/f"],
    ),
    (
        "git init -q n; mkdir n/x; touch n/x/f; chmod 000 n/x",
        &["?? n/"],
    ),
    ("echo x > m; chmod 555 .", &[" M m"]),
];

#[test]
fn rights_that_a_user_lacks_and_may_take_are_no_obstacle() {
    let own = std::env::current_exe().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let is_root = fs::metadata(folder.path()).unwrap().uid() == 0;
    if !is_root {
        return weather_all();
    }
    // Where the test was built, others may have no access.
    let copy = folder.path().join("test");
    fs::copy(own, &copy).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let status = Command::new("setpriv")
        .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
        .arg(&copy)
        .args([
            "--exact",
            "rights::rights_that_a_user_lacks_and_may_take_are_no_obstacle",
        ])
        .env("TMPDIR", folder.path())
        .env("HOME", folder.path())
        .current_dir(folder.path())
        .status();
    assert!(status.unwrap().success());
}

fn weather_all() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        for (what, expected) in CASES {
            weather(what, expected).await;
        }
    });
}

async fn weather(what: &str, expected: &[&str]) {
    let lab = Lab::new();
    let commit = lab
        .remote
        .commit("main")
        .write("m", "1\n")
        .write("sub/q", "1\n");
    commit
        .write("sub/.gitignore", "ignored\n")
        .executable("run", "#!/bin/sh\n")
        .push();
    lab.sync("main").await;
    let mode = fs::metadata(lab.file("m")).unwrap().mode();
    let done = Command::new("sh")
        .args(["-ec", what])
        .current_dir(lab.path())
        .status();
    assert!(done.unwrap().success(), "{what}");
    let synced = lab.sync("main").await;
    assert!(synced.held.drifted, "{what}");
    assert_eq!(drift(&synced.receipt), expected, "{what}");
    assert_eq!(fs::metadata(lab.file("m")).unwrap().mode(), mode, "{what}");
    assert!(!lab.file("u").exists() && !lab.file("n").exists(), "{what}");
    assert!(!lab.sync("main").await.held.drifted, "{what}");
}
