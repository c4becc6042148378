//! A push to one ref, as GitHub, GitLab, Gitea, Forgejo and Pierre's code storage tell it.

use serde::Deserialize;

use super::{Change, Malformed, Push, is_zero, object};

#[derive(Deserialize)]
struct Pushed {
    #[serde(rename = "ref")]
    full_name: String,
    after: Option<String>,
    deleted: Option<bool>,
    repository: Option<Home>,
    /// What GitLab calls the repository.
    project: Option<Home>,
}

#[derive(Deserialize)]
struct Home {
    default_branch: Option<String>,
}

pub(super) fn read(json: &[u8]) -> Result<Push, Malformed> {
    let pushed: Pushed = object(json)?;
    let is_gone = pushed.after.as_deref().is_some_and(is_zero);
    let homes = [pushed.repository, pushed.project].into_iter().flatten();
    let mut names = homes.filter_map(|home| home.default_branch);
    Ok(Push {
        changes: vec![Change {
            full_name: pushed.full_name,
            is_deletion: is_gone || pushed.deleted == Some(true),
        }],
        has_more: false,
        default_branch: names.find(|name| !name.is_empty()),
    })
}
