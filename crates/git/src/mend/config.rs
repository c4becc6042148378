//! The repository's configuration: what of it would make stock git reject or misread the repository.

use gitbarge_core::{Address, Error, ErrorKind, Result};
use gix::bstr::{BString, ByteSlice as _};
use gix::config::{File, Source, file::Metadata, file::SectionId};

use super::Mender;
use crate::repository;

/// The extensions that git knows, in lower case. Source: git's setup.c.
const EXTENSIONS: &[&str] = &[
    "noop",
    "noop-v1",
    "preciousobjects",
    "partialclone",
    "worktreeconfig",
    "objectformat",
    "compatobjectformat",
    "refstorage",
    "relativeworktrees",
];
/// Those that git refuses unless the repository's format is of version 1.
const ONLY_IN_VERSION_1: &[&str] = &[
    "noop-v1",
    "objectformat",
    "compatobjectformat",
    "refstorage",
    "relativeworktrees",
];
/// Settings of `core` that make git give up if they are no truth value.
const TRUTHS: &[&str] = &[
    "filemode",
    "symlinks",
    "ignorecase",
    "precomposeunicode",
    "protecthfs",
    "protectntfs",
    "trustctime",
    "commitgraph",
    "multipackindex",
    "usereplacerefs",
    "sparsecheckout",
    "sparsecheckoutcone",
];
/// What a sparse checkout is: files that the commit has and the work tree has not.
const SPARSE: &[&str] = &["sparsecheckout", "sparsecheckoutcone"];

impl Mender<'_> {
    pub(super) fn config(&mut self, address: Option<&Address>) -> Result<()> {
        self.config_file("config", address)?;
        self.config_file("config.worktree", None)
    }

    fn config_file(&mut self, name: &str, address: Option<&Address>) -> Result<()> {
        let Some(content) = self.read(name)? else {
            if name == "config" {
                self.fresh_config("wrote the missing `config` anew", address)?;
            }
            return Ok(());
        };
        let meta = Metadata::from(Source::Local);
        let parsed = File::from_bytes_no_includes(
            &content,
            meta,
            gix::config::file::init::Options::default(),
        );
        let mut file = match parsed {
            Ok(file) if !content.contains(&0) => file,
            _ if name == "config" => {
                return self.fresh_config(
                    "set the unreadable `config` aside and wrote a new one",
                    address,
                );
            }
            _ => {
                self.note(format!("set the unreadable `{name}` aside"));
                return self.aside(name);
            }
        };
        let is_version_1 = name != "config"
            || file
                .value::<BString>("core.repositoryformatversion")
                .is_ok_and(|version| version == "1");
        let mut removed = Vec::new();
        let ids: Vec<SectionId> = file.sections_and_ids().map(|(_, id)| id).collect();
        let mut version = None;
        let mut has_extensions = false;
        for id in ids {
            let Some(mut section) = file.section_mut_by_id(id) else {
                continue;
            };
            let header = section.header();
            if header.subsection_name().is_some() {
                continue;
            }
            let kind = header.name().to_str_lossy().to_lowercase();
            let names: Vec<String> = section.value_names().collect();
            for value_name in names {
                let key = value_name.to_lowercase();
                let value = section
                    .value(&value_name)
                    .unwrap_or_default()
                    .to_str_lossy()
                    .into_owned();
                if kind == "core" && key == "repositoryformatversion" {
                    version = Some((id, value_name, value));
                } else if self.is_wrong(&kind, &key, &value)?
                    || (kind == "extensions"
                        && !is_version_1
                        && ONLY_IN_VERSION_1.contains(&key.as_str()))
                {
                    while section.remove(&value_name).is_some() {}
                    removed.push(format!("{kind}.{key}"));
                } else {
                    has_extensions |= kind == "extensions" && key != "noop";
                }
            }
        }
        if let Some((id, value_name, value)) = version {
            let right = if has_extensions { "1" } else { "0" };
            if !matches!(value.as_str(), "0" | "1")
                && let Some(mut section) = file.section_mut_by_id(id)
            {
                while section.remove(&value_name).is_some() {}
                let pushed = section.push(&value_name, right);
                pushed
                    .map(drop)
                    .map_err(|e| crate::error::local("cannot change the configuration", e))?;
                removed.push("core.repositoryformatversion".to_owned());
            }
        }
        if removed.is_empty() {
            return Ok(());
        }
        removed.dedup();
        self.note(format!("took {} back in `{name}`", removed.join(", ")));
        self.keep(name)?;
        self.replace(name, &file.to_bstring())
    }

    fn fresh_config(&mut self, line: &str, address: Option<&Address>) -> Result<()> {
        self.note(line);
        self.keep("config")?;
        match address {
            Some(address) => self.replace("config", repository::config_text(address).as_bytes()),
            None => Ok(()),
        }
    }

    /// Whether a setting must go. One that truly describes the repository, and which we cannot work with, is an error.
    fn is_wrong(&self, section: &str, key: &str, value: &str) -> Result<bool> {
        let is_true = truth(value) == Some(true);
        Ok(match (section, key) {
            ("core", "worktree") => true,
            ("core", "bare") => truth(value) != Some(false),
            ("core", key) if SPARSE.contains(&key) => truth(value) != Some(false),
            ("core", key) if TRUTHS.contains(&key) => truth(value).is_none(),
            ("core", "logallrefupdates") => {
                truth(value).is_none() && !value.eq_ignore_ascii_case("always")
            }
            ("index", "sparse") => is_true,
            ("extensions", "refstorage") if value.eq_ignore_ascii_case("reftable") => {
                if self.is_reftable() {
                    return Err(unsupported(self, "keeps its refs in reftables")
                        .with_hint("run `git refs migrate --ref-format=files` in it"));
                }
                true
            }
            ("extensions", "refstorage") => !value.eq_ignore_ascii_case("files"),
            ("extensions", "objectformat") if value.eq_ignore_ascii_case("sha256") => {
                if self.is_sha256()? {
                    return Err(unsupported(self, "uses SHA-256 object names"));
                }
                true
            }
            ("extensions", "objectformat") => !value.eq_ignore_ascii_case("sha1"),
            ("extensions", key) => !EXTENSIONS.contains(&key),
            _ => false,
        })
    }

    fn is_reftable(&self) -> bool {
        self.git_dir.join("reftable/tables.list").exists()
    }

    /// Whether any index file of a pack, or any ref, is of SHA-256.
    fn is_sha256(&self) -> Result<bool> {
        let head = self.read("HEAD")?.unwrap_or_default();
        let head = head.to_str_lossy();
        let head = head.trim();
        let tip = match head.strip_prefix("ref: ") {
            Some(name) => self.read(name.trim())?.unwrap_or_default(),
            None => head.as_bytes().to_vec(),
        };
        let packed = self.read("packed-refs")?.unwrap_or_default();
        let first = packed
            .lines()
            .find(|line| !line.starts_with(b"#"))
            .unwrap_or_default();
        let width = first.find_byte(b' ').unwrap_or_default();
        Ok(tip.trim().len() == 64 || width == 64)
    }
}

fn unsupported(mender: &Mender<'_>, what: &str) -> Error {
    let message = format!(
        "the repository `{}` {what}, which gitbarge cannot work with",
        mender.git_dir.display()
    );
    Error::new(ErrorKind::Refused, message)
}

/// Git's truth values; an empty one is false, one without `=` true.
fn truth(value: &str) -> Option<bool> {
    match value.to_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" | "" => Some(false),
        number => number.parse::<i64>().ok().map(|number| number != 0),
    }
}
