//! Scratch.
use gitbarge_core::config::RefName;
use gitbarge_core::*;
use gitbarge_git::remote::Remote;
use gitbarge_sink_checkout::*;
use gitbarge_testkit::upload_pack::UploadPack;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

fn git(dir: &Path, args: &[&str]) -> String {
    let o = Command::new("git")
        .current_dir(dir)
        .args(args)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_NAME", "a")
        .env("GIT_AUTHOR_EMAIL", "a@b")
        .env("GIT_COMMITTER_NAME", "a")
        .env("GIT_COMMITTER_EMAIL", "a@b")
        .output()
        .unwrap();
    assert!(
        o.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&o.stderr)
    );
    String::from_utf8_lossy(&o.stdout).trim_end().to_owned()
}

async fn sync(remote: &Path, target: &Path) -> Result<(Held, Receipt)> {
    let run = Run::standalone("x");
    let source = UploadPack::source(remote);
    let r = RefName::new("main").unwrap();
    let sink = CheckoutSink::new(CheckoutOptions::at(target));
    let t = std::time::Instant::now();
    let held = sink.held(&run).await?;
    eprintln!("held {:?}", t.elapsed());
    let t = std::time::Instant::now();
    let remote = Arc::new(Remote::open(&source, Some(&r), &run).await?);
    let target = remote.resolve()?;
    eprintln!(
        "listed {:?} {target:?} equals {}",
        t.elapsed(),
        held.equals(&target)
    );
    let t = std::time::Instant::now();
    let delivery = Delivery::new(target, remote.refs(), source.address(), remote);
    let receipt = sink.deliver(&delivery, &run).await?;
    eprintln!("delivered {:?} {receipt:?}", t.elapsed());
    Ok((held, receipt))
}

#[tokio::test(flavor = "multi_thread")]
async fn scratch() {
    let dir = tempfile::tempdir().unwrap();
    let remote = dir.path().join("remote");
    std::fs::create_dir(&remote).unwrap();
    git(&remote, &["init", "-q", "-b", "main"]);
    let n: usize = std::env::var("N")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(10);
    for i in 0..n {
        let p = remote.join(format!("d{}/f{i}", i / 100));
        std::fs::create_dir_all(p.parent().unwrap()).unwrap();
        std::fs::write(p, format!("{i}\n").repeat(500)).unwrap();
    }
    git(&remote, &["add", "-A"]);
    git(&remote, &["commit", "-qm", "one"]);
    let target = dir.path().join("target");
    sync(&remote, &target).await.unwrap();
    println!("{}", git(&target, &["status", "--porcelain"]));
    git(&target, &["fsck"]);
    let (h, r) = sync(&remote, &target).await.unwrap();
    assert!(!r.changed && !h.drifted, "{h:?}");
    std::fs::write(remote.join("d0/f1"), "new").unwrap();
    git(&remote, &["commit", "-qam", "two"]);
    std::fs::write(target.join("d0/f2"), "drift").unwrap();
    std::fs::write(target.join("d0/stray"), "drift").unwrap();
    std::fs::remove_file(target.join("d0/f3")).unwrap();
    sync(&remote, &target).await.unwrap();
    assert_eq!(git(&target, &["status", "--porcelain"]), "");
    assert_eq!(
        git(&target, &["rev-parse", "HEAD"]),
        git(&remote, &["rev-parse", "HEAD"])
    );
    git(&target, &["fsck"]);
    println!("{}", git(&target, &["log", "--oneline", "--all"]));
}
