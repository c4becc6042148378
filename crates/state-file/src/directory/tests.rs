//! Tests of what the directory survives.

use std::fs::FileTimes;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn directory() -> (tempfile::TempDir, Directory) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("state");
    (dir, Directory::new(root))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_missing_directory_reads_as_empty_and_is_not_made() {
    let (_dir, directory) = directory();
    assert_eq!(directory.read(&Key::new("a/b")).unwrap(), None);
    assert_eq!(directory.keys_below(&Key::new("")).unwrap(), []);
    directory.remove(&Key::new("a/b"), &Expect::Any).unwrap();
    let stale = Expect::Version(Version("x".to_owned()));
    let error = directory.remove(&Key::new("a/b"), &stale).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(!directory.root.exists());
}

#[test]
fn a_damaged_value_is_set_aside_and_reads_as_none() {
    let (_dir, directory) = directory();
    let key = Key::new("a/b");
    for damage in [b"".as_slice(), b"torn", &[0; 100]] {
        directory.write(&key, "x".into(), &Expect::Absent).unwrap();
        let path = directory.value_path(&key).unwrap();
        fs::write(&path, damage).unwrap();
        assert_eq!(directory.keys_below(&Key::new("a")).unwrap(), []);
        assert_eq!(directory.read(&key).unwrap(), None);
    }
    assert_eq!(
        names(&directory.values().join("a")),
        [
            "b.value.corrupt-1",
            "b.value.corrupt-2",
            "b.value.corrupt-3"
        ]
    );
}

#[test]
fn damage_without_end_keeps_five_files() {
    let (_dir, directory) = directory();
    let key = Key::new("b");
    for n in 0..9 {
        directory.write(&key, "x".into(), &Expect::Absent).unwrap();
        fs::write(directory.value_path(&key).unwrap(), format!("{n}")).unwrap();
        assert_eq!(directory.read(&key).unwrap(), None);
    }
    let kept = names(&directory.values());
    assert_eq!(kept.len(), 5);
    let latest = directory.values().join("b.value.corrupt-5");
    assert_eq!(fs::read(latest).unwrap(), b"8");
}

#[test]
fn a_value_under_another_keys_name_is_damage() {
    let (_dir, directory) = directory();
    for key in ["one", "two"] {
        directory
            .write(&Key::new(key), key.to_owned().into(), &Expect::Any)
            .unwrap();
    }
    let path = |key| directory.value_path(&Key::new(key)).unwrap();
    fs::copy(path("one"), path("two")).unwrap();
    assert_eq!(directory.read(&Key::new("two")).unwrap(), None);
}

#[test]
fn files_are_for_their_owner_only() {
    let (_dir, directory) = directory();
    let key = Key::new("a/b");
    directory.write(&key, "x".into(), &Expect::Any).unwrap();
    let _lease = directory.lease(&key).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let root = &directory.root;
    for folder in ["", "values", "values/a", "leases", "tmp"] {
        assert_eq!(mode(&root.join(folder)), 0o700, "{folder}");
    }
    for file in ["lock", "values/a/b.value", "leases/a.b"] {
        assert_eq!(mode(&root.join(file)), 0o600, "{file}");
    }
}

#[test]
fn stale_temporary_files_go_and_young_ones_stay() {
    let (_dir, directory) = directory();
    let folder = directory.root.join("tmp");
    fs::create_dir_all(&folder).unwrap();
    let old = fs::File::create(folder.join("old")).unwrap();
    let long_ago = SystemTime::now() - 2 * STALE;
    old.set_times(FileTimes::new().set_modified(long_ago))
        .unwrap();
    fs::write(folder.join("young"), "").unwrap();
    directory
        .write(&Key::new("a"), "x".into(), &Expect::Any)
        .unwrap();
    assert_eq!(names(&folder), ["young"]);
}

#[test]
fn a_lost_write_leaves_no_temporary_file() {
    let (_dir, directory) = directory();
    let key = Key::new("a");
    directory.write(&key, "x".into(), &Expect::Absent).unwrap();
    directory
        .write(&key, "y".into(), &Expect::Absent)
        .unwrap_err();
    assert_eq!(names(&directory.root.join("tmp")), [""; 0]);
}

#[test]
fn an_unusable_directory_is_named() {
    let (dir, directory) = directory();
    fs::write(&directory.root, "a file").unwrap();
    let key = Key::new("a");
    let write = directory.write(&key, "x".into(), &Expect::Any).unwrap_err();
    let read = directory.read(&key).unwrap_err();
    let lease = directory.lease(&key).unwrap_err();
    for error in [write, read, lease] {
        assert_eq!(error.kind(), ErrorKind::Refused);
        let root = dir.path().join("state");
        assert!(error.to_string().contains(root.to_str().unwrap()));
    }
}
