//! The transfer agent: by its words, and with git-lfs itself.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use gitbarge_core::{Error, ErrorKind, Result, Run};
use gitbarge_lfs::{Object, agent};
use gitbarge_testkit::lfs::{Answer, Content, LfsHost};
use gitbarge_testkit::repository::{Repository, git, printed};
use serde_json::{Value, json};
use tempfile::TempDir;

const INIT: &str = r#"{"event":"init","operation":"download","remote":"origin","concurrent":true,"concurrenttransfers":3}"#;
const TERMINATE: &str = r#"{"event":"terminate"}"#;

fn object(host: &LfsHost, content: &[u8]) -> Object {
    let oid = host.add(content.to_vec());
    let size = content.len() as u64;
    Object { oid, size }
}

fn download(object: Object) -> String {
    json!({"event": "download", "oid": object.hex(), "size": object.size, "action": null})
        .to_string()
}

/// Says these lines to an agent; returns its answers.
async fn talk(base_url: &str, folder: &Path, lines: &[&str]) -> (Result<()>, Vec<Value>) {
    let input = lines.join("\n") + "\n";
    let mut output = Vec::new();
    let run = Run::standalone("agent");
    let served = agent::serve(base_url, folder, input.as_bytes(), &mut output, &run).await;
    let output = String::from_utf8(output).expect("it writes text");
    let answers = output
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"));
    (served, answers.collect())
}

fn names(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[tokio::test]
async fn an_object_is_completed_with_progress_and_a_verified_file() {
    let (host, dir) = (LfsHost::start().await, TempDir::new().unwrap());
    let folder = dir.path().join("lfs/tmp");
    let content = vec![7; 1 << 20];
    let object = object(&host, &content);
    let (served, answers) = talk(
        &host.mirror_url(),
        &folder,
        &[INIT, &download(object), TERMINATE, "never read"],
    )
    .await;
    served.unwrap();
    assert_eq!(answers[0], json!({}));
    let (complete, progress) = answers[1..].split_last().unwrap();
    assert!(progress.len() >= 2, "{progress:?}");
    let mut so_far = 0;
    for event in progress {
        assert_eq!(
            (&event["event"], &event["oid"]),
            (&json!("progress"), &json!(object.hex()))
        );
        so_far += event["bytesSinceLast"].as_u64().unwrap();
        assert_eq!(event["bytesSoFar"], so_far);
    }
    assert_eq!(so_far, object.size);
    assert_eq!(
        (&complete["event"], &complete["oid"]),
        (&json!("complete"), &json!(object.hex()))
    );
    assert!(complete.get("error").is_none(), "{complete}");
    let path = Path::new(complete["path"].as_str().unwrap());
    assert!(path.starts_with(&folder));
    assert_eq!(fs::read(path).unwrap(), content);
    // As any other file that git-lfs makes, it may be read by the group if the umask says so.
    let other = dir.path().join("other");
    fs::write(&other, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(path), mode(&other));
}

#[tokio::test]
async fn an_object_that_cannot_be_had_is_an_answer_and_leaves_nothing() {
    let (host, dir) = (LfsHost::start().await, TempDir::new().unwrap());
    let good = object(&host, b"good");
    let missing = Object {
        oid: [7; 32],
        size: 3,
    };
    for (content, answer, asked, code) in [
        (Content::Right, Answer::Well, missing, 404),
        (Content::Flipped, Answer::Well, good, 422),
        (Content::Short, Answer::Well, good, 422),
        (Content::Cut, Answer::Well, good, 503),
        (Content::Right, Answer::Status(403), good, 403),
    ] {
        host.set(|host| {
            host.content = content;
            host.download = answer;
        });
        let lines = [INIT, &download(asked), &download(asked), TERMINATE];
        let (served, answers) = talk(&host.mirror_url(), dir.path(), &lines).await;
        served.unwrap();
        let failures: Vec<_> = answers
            .iter()
            .filter(|answer| answer["event"] == "complete")
            .collect();
        assert_eq!(failures.len(), 2, "{answers:?}");
        assert!(
            failures
                .iter()
                .all(|answer| answer["error"]["code"] == code),
            "{answers:?}"
        );
        assert!(failures.iter().all(|answer| answer.get("path").is_none()));
        assert_eq!(names(dir.path()), 0);
    }
}

#[tokio::test]
async fn uploads_are_refused() {
    let dir = TempDir::new().unwrap();
    let base = format!("file://{}", dir.path().display());
    let init = INIT.replace("download", "upload");
    let upload = r#"{"event":"upload","oid":"00","size":1,"path":"/x","action":null}"#;
    let (served, answers) = talk(&base, dir.path(), &[&init, upload, TERMINATE]).await;
    served.unwrap();
    assert!(
        answers[0]["error"]["message"]
            .as_str()
            .unwrap()
            .contains("only read")
    );
    assert_eq!(answers[1]["oid"], "00");
    assert!(
        answers[1]["error"]["message"]
            .as_str()
            .unwrap()
            .contains("only read")
    );
}

#[tokio::test]
async fn words_that_nobody_knows_end_it() {
    let dir = TempDir::new().unwrap();
    let base = format!("file://{}", dir.path().display());
    let endless = "x".repeat(1 << 20);
    for line in ["hello", r#"{"event":"dance"}"#, "", &endless] {
        let (served, _) = talk(&base, dir.path(), &[line]).await;
        assert_eq!(served.unwrap_err().kind(), ErrorKind::Protocol);
    }
    let (served, answers) = talk(&base, dir.path(), &[INIT]).await;
    served.unwrap();
    assert_eq!(answers.len(), 1);
    let strange = r#"{"event":"download","oid":"../../etc/passwd","size":1}"#;
    let (_, answers) = talk(&base, dir.path(), &[strange, TERMINATE]).await;
    assert_eq!(answers[0]["error"]["code"], 500);
}

#[tokio::test]
async fn cancelling_ends_it_while_it_waits() {
    let dir = TempDir::new().unwrap();
    let base = format!("file://{}", dir.path().display());
    let run = Run::standalone("agent");
    let (_silent, input) = tokio::io::duplex(64);
    let input = tokio::io::BufReader::new(input);
    let serving = agent::serve(&base, dir.path(), input, tokio::io::sink(), &run);
    let cancelling = async { run.cancel_token().cancel() };
    let (served, ()) = tokio::join!(serving, cancelling);
    assert_eq!(
        served.map_err(|error: Error| error.kind()),
        Err(ErrorKind::Cancelled)
    );
}

/// Cargo builds a package's examples together with its tests, and puts them beside the tests' own folder.
fn example() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let deps = test.parent().expect("it lies in a folder");
    let profile = deps.parent().expect("target/<profile>/deps");
    profile.join("examples/agent")
}

fn pointer(object: Object) -> String {
    let (oid, size) = (object.hex(), object.size);
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n")
}

/// A clone of a repository with two objects, that is told to bring them with the agent.
struct Clone {
    dir: TempDir,
    _origin: Repository,
}

impl Clone {
    fn with(objects: [Object; 2]) -> Self {
        let origin = Repository::empty();
        origin
            .commit("main")
            .write(
                ".gitattributes",
                "*.bin filter=lfs diff=lfs merge=lfs -text\n",
            )
            .write("a.bin", pointer(objects[0]))
            .write("deep/b.bin", pointer(objects[1]))
            .push();
        let dir = TempDir::new().expect("there is a folder for temporary files");
        let mut clone = git(dir.path());
        printed(clone.args(["clone", "-q"]).arg(origin.path()).arg("clone"));
        let _origin = origin;
        Self { dir, _origin }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("clone")
    }

    fn git(&self) -> Command {
        git(&self.path())
    }

    fn pull(&self, base_url: &str) -> Output {
        let agent = example();
        let settings = [
            ("lfs.standalonetransferagent", "gitbarge"),
            (
                "lfs.customtransfer.gitbarge.path",
                agent.to_str().expect("its path is text"),
            ),
            ("lfs.customtransfer.gitbarge.args", base_url),
            ("lfs.transfer.maxretries", "1"),
        ];
        for (name, value) in settings {
            printed(self.git().args(["config", name, value]));
        }
        printed(
            self.git()
                .args(["lfs", "install", "--local", "--skip-repo"]),
        );
        self.git().args(["lfs", "pull"]).output().expect("git runs")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn git_lfs_brings_the_objects_of_a_mirror() {
    let host = LfsHost::start().await;
    let large: Vec<u8> = (0..700_000_u32).map(|n| (n % 241) as u8).collect();
    let clone = Clone::with([object(&host, b"small"), object(&host, &large)]);
    let base_url = host.mirror_url();
    let (clone, output) = tokio::task::spawn_blocking(move || {
        let output = clone.pull(&base_url);
        (clone, output)
    })
    .await
    .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(fs::read(clone.path().join("a.bin")).unwrap(), b"small");
    assert_eq!(fs::read(clone.path().join("deep/b.bin")).unwrap(), large);
    printed(clone.git().args(["lfs", "fsck"]));
    assert_eq!(printed(clone.git().args(["status", "--porcelain"])), "");
    let left = fs::read_dir(clone.path().join(".git/lfs/tmp")).unwrap();
    let left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<_> = left.filter(|name| name.starts_with("gitbarge-")).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(host.batches(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn git_lfs_tells_of_an_object_that_the_mirror_has_damaged() {
    let host = LfsHost::start().await;
    let clone = Clone::with([object(&host, b"small"), object(&host, b"other")]);
    host.set(|host| host.content = Content::Flipped);
    let base_url = host.mirror_url();
    let pulling = tokio::task::spawn_blocking(move || clone.pull(&base_url));
    let output = pulling.await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("another SHA-256"), "{said}");
}

#[test]
fn git_lfs_brings_the_objects_of_a_mirror_in_a_folder() {
    let mirror = TempDir::new().unwrap();
    let store = |content: &str, oid: &str| {
        let object = Object::parse(oid, content.len() as u64).unwrap();
        let file = mirror.path().join(object.path());
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
        object
    };
    let clone = Clone::with([
        store(
            "hello",
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        ),
        store(
            "world",
            "486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7",
        ),
    ]);
    let output = clone.pull(&format!("file://{}", mirror.path().display()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(fs::read(clone.path().join("deep/b.bin")).unwrap(), b"world");
}
