//! The variables that AWS tools read.

#[cfg(test)]
use std::collections::BTreeMap;

use gitbarge_core::Secret;

/// Variables, read where core reads them.
#[derive(Debug, Clone)]
pub(crate) enum Environment {
    Process,
    #[cfg(test)]
    Made(BTreeMap<String, String>),
}

impl Environment {
    pub(crate) fn of_process() -> Self {
        Self::Process
    }

    #[cfg(test)]
    pub(crate) fn made<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self::Made(variables.into_iter().map(owned).collect())
    }

    /// A variable's text; an empty one counts as unset.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let text = match self {
            Self::Process => Secret::env(name).read().ok()?.expose_line().to_owned(),
            #[cfg(test)]
            Self::Made(variables) => variables.get(name)?.clone(),
        };
        Some(text).filter(|text| !text.is_empty())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether a variable is `true`.
    pub(crate) fn says(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }
}
