//! What an object is, and how the store presents it to readers.

use object_store::{Attribute, Attributes};

/// The key of the user metadata that marks what we wrote.
pub(crate) const MARK: &str = "gitbarge";

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// A small text that changes: refs, HEAD, the list of packs.
    Pointer,
    Pack,
    Idx,
    /// An LFS object.
    Lfs,
    /// What gitbarge itself keeps.
    State,
}

impl Body {
    /// The headers that it is stored with; the storage class is for what is large and stays.
    pub(crate) fn attributes(self, storage_class: Option<&str>) -> Attributes {
        let mut attributes = Attributes::from_iter([
            (Attribute::ContentType, self.content_type()),
            (Attribute::CacheControl, self.cache_control()),
            (Attribute::Metadata(MARK.into()), "1"),
        ]);
        if let (true, Some(class)) = (self.stays(), storage_class) {
            attributes.insert(Attribute::StorageClass, class.to_owned().into());
        }
        attributes
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Pointer => "text/plain; charset=utf-8",
            Self::Pack => "application/x-git-packed-objects",
            Self::Idx => "application/x-git-packed-objects-toc",
            Self::Lfs => "application/octet-stream",
            Self::State => "application/json",
        }
    }

    fn cache_control(self) -> &'static str {
        if self.stays() {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        }
    }

    /// Whether the key's content never changes.
    fn stays(self) -> bool {
        matches!(self, Self::Pack | Self::Idx | Self::Lfs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_is_cached_and_has_a_storage_class() {
        for (body, stays) in [
            (Body::Pointer, false),
            (Body::State, false),
            (Body::Pack, true),
            (Body::Idx, true),
            (Body::Lfs, true),
        ] {
            let attributes = body.attributes(Some("STANDARD_IA"));
            let class = attributes.get(&Attribute::StorageClass);
            assert_eq!(class.is_some(), stays, "{body:?}");
            let cache = attributes.get(&Attribute::CacheControl).unwrap();
            assert_eq!(cache.contains("immutable"), stays, "{body:?}");
            assert!(attributes.get(&Attribute::Metadata(MARK.into())).is_some());
        }
    }
}
