//! Which version of an object was seen.

use object_store::{ObjectMeta, PutResult, UpdateVersion};

/// Names one version of an object: an ETag, and the version that Google wants besides.
///
/// As a text it is the ETag, a blank, and the version if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    e_tag: Option<String>,
    version: Option<String>,
}

impl Tag {
    /// One that no object has.
    pub(crate) fn of_nothing() -> Self {
        Self {
            e_tag: Some(format!("\"{}\"", "0".repeat(32))),
            // To Google, 0 would be an object that is not there.
            version: Some("1".to_owned()),
        }
    }
}

impl From<String> for Tag {
    fn from(text: String) -> Self {
        let (e_tag, version) = match text.split_once(' ') {
            Some((e_tag, version)) => (e_tag, Some(version.to_owned())),
            None => (text.as_str(), None),
        };
        Self {
            e_tag: Some(e_tag.to_owned()).filter(|tag| !tag.is_empty()),
            version,
        }
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        let e_tag = tag.e_tag.unwrap_or_default();
        match tag.version {
            Some(version) => format!("{e_tag} {version}"),
            None => e_tag,
        }
    }
}

impl From<ObjectMeta> for Tag {
    fn from(meta: ObjectMeta) -> Self {
        Self {
            e_tag: meta.e_tag,
            version: meta.version,
        }
    }
}

impl From<PutResult> for Tag {
    fn from(result: PutResult) -> Self {
        Self {
            e_tag: result.e_tag,
            version: result.version,
        }
    }
}

impl From<Tag> for UpdateVersion {
    fn from(tag: Tag) -> Self {
        Self {
            e_tag: tag.e_tag,
            version: tag.version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_survives_being_written_down() {
        for (e_tag, version) in [
            (Some("\"abc\""), None),
            (Some("W/\"abc\""), Some("17")),
            (None, Some("17")),
            (None, None),
        ] {
            let tag = Tag {
                e_tag: e_tag.map(str::to_owned),
                version: version.map(str::to_owned),
            };
            assert_eq!(Tag::from(String::from(tag.clone())), tag);
        }
    }
}
