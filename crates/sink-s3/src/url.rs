//! Reads `url`: which store, and where in it. Pure.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use percent_encoding::percent_decode_str;

/// Where a mirror stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    /// A bucket or container, and the keys below a prefix.
    Bucket(Bucket),
    /// A folder of this machine.
    Folder(PathBuf),
}

/// A bucket (a container in Azure's words) and a prefix of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(crate) cloud: Cloud,
    pub(crate) name: String,
    /// Without slashes at its ends; empty for the bucket's root.
    pub(crate) prefix: String,
}

/// Whose protocol the store speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cloud {
    S3,
    Google,
    Azure,
}

impl Cloud {
    /// The scheme of its URLs.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Google => "gs",
            Self::Azure => "az",
        }
    }
}

impl StoreUrl {
    /// # Errors
    /// What is wrong with the text, in words that do not quote it: somebody may have put a password there.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        if url.chars().any(char::is_control) {
            return Err("the url has control characters".to_owned());
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(
                "a url such as `s3://bucket/prefix`, `gs://…`, `az://…` or `file:///dir` is needed"
                    .to_owned(),
            );
        };
        let cloud = match scheme.to_ascii_lowercase().as_str() {
            "s3" => Cloud::S3,
            "gs" => Cloud::Google,
            "az" => Cloud::Azure,
            "file" => return folder(rest).map(Self::Folder),
            _ => {
                return Err(
                    "the url's scheme must be one of `s3`, `gs`, `az` and `file`".to_owned(),
                );
            }
        };
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        check_name(name)?;
        let name = name.to_owned();
        let prefix = normalised(prefix)?;
        Ok(Self::Bucket(Bucket {
            cloud,
            name,
            prefix,
        }))
    }

    /// A key of the mirror as a URL that is fit to print; the mirror itself for an empty key.
    pub(crate) fn of_key(&self, key: &str) -> String {
        let start = match self {
            Self::Folder(path) => format!("file://{}", path.display()),
            Self::Bucket(bucket) if bucket.prefix.is_empty() => bucket.address(),
            Self::Bucket(bucket) => format!("{}/{}", bucket.address(), bucket.prefix),
        };
        match key {
            "" => start,
            key => format!("{}/{key}", start.trim_end_matches('/')),
        }
    }
}

impl Bucket {
    /// The bucket itself as a URL.
    pub(crate) fn address(&self) -> String {
        format!("{}://{}", self.cloud.scheme(), self.name)
    }
}

fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the url names no bucket".to_owned());
    }
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '$');
    if name.len() > 255 || !name.chars().all(is_fine) || name.starts_with('.') {
        return Err("the bucket's name may have letters, digits, `-`, `_` and `.` only".to_owned());
    }
    Ok(())
}

fn normalised(prefix: &str) -> Result<String, String> {
    let parts: Vec<&str> = prefix.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return Err("the prefix must not have `.` or `..` as a part".to_owned());
    }
    if prefix.contains(['?', '#', '\\']) {
        return Err(
            "the prefix must not have `?`, `#` or `\\`: no git client could ask for it".to_owned(),
        );
    }
    let prefix = parts.join("/");
    // S3 takes keys of 1,024 bytes, and the longest name below the prefix has some 80.
    if prefix.len() > 900 {
        return Err("the prefix is longer than 900 bytes".to_owned());
    }
    Ok(prefix)
}

fn folder(rest: &str) -> Result<PathBuf, String> {
    let Some(slash) = rest.find('/') else {
        return Err(
            "a `file://` url needs an absolute path, as in `file:///srv/mirror`".to_owned(),
        );
    };
    let (host, path) = rest.split_at(slash);
    if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
        return Err("a `file://` url must not name a host; write three slashes".to_owned());
    }
    let bytes: Vec<u8> = percent_decode_str(path).collect();
    if bytes.iter().any(u8::is_ascii_control) {
        return Err("the path has control characters".to_owned());
    }
    let path = PathBuf::from(OsString::from_vec(bytes));
    if path.components().any(|part| part == Component::ParentDir) {
        return Err("the path must not have `..` as a part".to_owned());
    }
    // Without doubled and trailing slashes.
    let path: PathBuf = path.components().collect();
    if path == Path::new("/") {
        return Err("the root of the file system cannot be a mirror".to_owned());
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn buckets_prefixes_and_folders_are_read() {
        for (url, shown) in [
            ("s3://b", "s3://b/HEAD"),
            ("s3://b/", "s3://b/HEAD"),
            ("S3://b//a///c d/", "s3://b/a/c d/HEAD"),
            ("gs://b/x%20y/é", "gs://b/x%20y/é/HEAD"),
            ("az://$web/site", "az://$web/site/HEAD"),
            ("file:///srv//mirror/", "file:///srv/mirror/HEAD"),
            ("file://localhost/srv/a%20b", "file:///srv/a b/HEAD"),
        ] {
            assert_eq!(StoreUrl::parse(url).unwrap().of_key("HEAD"), shown, "{url}");
        }
        assert_eq!(StoreUrl::parse("s3://b/").unwrap().of_key(""), "s3://b");
    }

    #[test]
    fn what_is_no_place_is_refused_without_quoting_it() {
        for (url, words) in [
            ("hush", "is needed"),
            ("ftp://hush/x", "must be one of"),
            ("s3://", "names no bucket"),
            ("s3:///hush", "names no bucket"),
            ("s3://me:hush@b/x", "letters, digits"),
            ("s3://b/../hush", "`..`"),
            ("s3://b/./hush", "`..`"),
            ("s3://b/x?hush=1", "`?`"),
            ("s3://b/hush\n", "control"),
            ("file://host/hush", "three slashes"),
            ("file://hush", "absolute"),
            ("file:///a/../hush", "`..`"),
            ("file:///hush%0a", "control"),
            ("file:///", "root"),
        ] {
            let problem = StoreUrl::parse(url).unwrap_err();
            assert!(problem.contains(words), "{url}: {problem}");
            assert!(!problem.contains("hush"), "{url}: {problem}");
        }
    }

    proptest! {
        #[test]
        fn a_prefix_once_normalised_stays(prefix in "[a-z./ %é]{0,20}") {
            if let Ok(prefix) = normalised(&prefix) {
                prop_assert_eq!(normalised(&prefix).unwrap(), prefix.clone());
                prop_assert!(!prefix.starts_with('/') && !prefix.ends_with('/'));
            }
        }
    }
}
