//! The least that a mirror costs: `git clone --mirror`, and an upload of what came by curl, with no check and in any order.

use std::path::{Path, PathBuf};
use std::process::Command;

use gitbarge_testkit::s3::{ACCESS_KEY, BUCKET, SECRET_KEY};

use super::history::Size;
use super::lab::{Lab, direct, remove};
use crate::Outcome;
use crate::bench::measure::time;

/// The small files of a mirror.
const POINTERS: [&str; 3] = ["HEAD", "info/refs", "objects/info/packs"];

/// A clone whose files are uploaded to a prefix of the bucket.
pub(super) struct Limit {
    clone: PathBuf,
    prefix: String,
    /// The packs that are in the bucket.
    uploaded: Vec<String>,
}

impl Limit {
    /// Clones and uploads; returns how long that took.
    pub(super) fn first(lab: &Lab, size: Size, prefix: &str) -> Outcome<(Self, f64)> {
        let mut limit = Self {
            clone: lab.path(prefix),
            prefix: prefix.to_owned(),
            uploaded: Vec::new(),
        };
        let mut clone = lab.git();
        clone.args(["clone", "-q", "--mirror", &lab.source(size), prefix]);
        let took = time(&mut clone)? + limit.upload(lab)?;
        Ok((limit, took))
    }

    /// Fetches and uploads what is new; returns how long that took.
    pub(super) fn update(&mut self, lab: &Lab) -> Outcome<f64> {
        let mut fetch = lab.git();
        fetch.current_dir(&self.clone);
        // What comes stays a pack, however small it is.
        fetch.args(["-c", "fetch.unpackLimit=1", "-c", "maintenance.auto=false"]);
        Ok(time(fetch.args(["fetch", "-q", "--prune"]))? + self.upload(lab)?)
    }

    fn upload(&mut self, lab: &Lab) -> Outcome<f64> {
        let mut describe = lab.git();
        let mut took = time(describe.current_dir(&self.clone).arg("update-server-info"))?;
        let mut packs = packs(&self.clone)?;
        packs.retain(|name| !self.uploaded.contains(name));
        let pointers = POINTERS.iter().map(|name| (*name).to_owned());
        let files: Vec<String> = packs.iter().cloned().chain(pointers).collect();
        took += time(&mut self.curl(lab, &files))?;
        self.uploaded.extend(packs);
        Ok(took)
    }

    /// All files by one curl, side by side.
    fn curl(&self, lab: &Lab, files: &[String]) -> Command {
        let mut curl = direct(Command::new("curl"));
        curl.current_dir(&self.clone);
        curl.args(["-sS", "--fail", "--parallel"]);
        curl.args(["--aws-sigv4", "aws:amz:us-east-1:s3"]);
        curl.args(["--user", &format!("{ACCESS_KEY}:{SECRET_KEY}")]);
        curl.args(["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]);
        for file in files {
            let url = format!("{}/{BUCKET}/{}/{file}", lab.servers.s3, self.prefix);
            curl.args(["-T", file, &url]);
        }
        curl
    }

    /// How many bytes the largest pack has.
    pub(super) fn pack_size(&self) -> Outcome<u64> {
        let size = |name: &String| Some(self.clone.join(name).metadata().ok()?.len());
        Ok(packs(&self.clone)?
            .iter()
            .filter_map(size)
            .max()
            .unwrap_or(0))
    }

    /// Makes room for the next one.
    pub(super) fn forget(self, lab: &Lab) -> Outcome {
        remove(&self.clone)?;
        lab.forget(&self.prefix)
    }
}

/// The packs of a repository and their indexes.
fn packs(repository: &Path) -> Outcome<Vec<String>> {
    let folder = repository.join("objects/pack");
    let entries = std::fs::read_dir(&folder).map_err(|e| format!("there is no pack: {e}"))?;
    let names = entries.flatten().map(|entry| entry.file_name());
    let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    names.retain(|name| name.ends_with(".pack") || name.ends_with(".idx"));
    Ok(names
        .into_iter()
        .map(|name| format!("objects/pack/{name}"))
        .collect())
}
