//! Pushes to several refs, as Bitbucket Cloud and Bitbucket Data Center tell them, each in its own way.

use serde::Deserialize;

use super::bounded::Bounded;
use super::{Change, Malformed, Push, is_zero, object};

/// Source: <https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/#Push>.
#[derive(Deserialize)]
struct Cloud {
    push: Moves,
    repository: Option<Repository>,
}

#[derive(Deserialize)]
struct Moves {
    changes: Bounded<Move>,
}

#[derive(Deserialize)]
struct Move {
    new: Option<Side>,
    old: Option<Side>,
}

#[derive(Deserialize)]
struct Side {
    #[serde(rename = "type")]
    kind: String,
    name: String,
}

#[derive(Deserialize)]
struct Repository {
    mainbranch: Option<MainBranch>,
}

#[derive(Deserialize)]
struct MainBranch {
    name: Option<String>,
}

/// Source: <https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html>.
#[derive(Deserialize)]
struct DataCenter {
    changes: Bounded<RefChange>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefChange {
    #[serde(rename = "ref")]
    named: Option<Named>,
    ref_id: Option<String>,
    to_hash: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

pub(super) fn cloud(json: &[u8]) -> Result<Push, Malformed> {
    let Cloud { push, repository } = object(json)?;
    let main = repository.and_then(|repository| repository.mainbranch?.name);
    let changes = push.changes.items.into_iter().map(|change| {
        let is_deletion = change.new.is_none();
        let side = change.new.or(change.old).ok_or_else(nameless)?;
        let folder = if side.kind == "tag" { "tags" } else { "heads" };
        Ok(Change {
            full_name: format!("refs/{folder}/{}", side.name),
            is_deletion,
        })
    });
    Ok(Push {
        changes: changes.collect::<Result<_, Malformed>>()?,
        has_more: push.changes.has_more,
        default_branch: main.filter(|name| !name.is_empty()),
    })
}

pub(super) fn data_center(json: &[u8]) -> Result<Push, Malformed> {
    let DataCenter { changes } = object(json)?;
    let (items, has_more) = (changes.items, changes.has_more);
    let changes = items.into_iter().map(|change| {
        let is_gone = change.to_hash.as_deref().is_some_and(is_zero);
        let name = change.ref_id.or(change.named.map(|named| named.id));
        Ok(Change {
            full_name: name.ok_or_else(nameless)?,
            is_deletion: is_gone || change.kind.as_deref() == Some("DELETE"),
        })
    });
    Ok(Push {
        changes: changes.collect::<Result<_, Malformed>>()?,
        has_more,
        default_branch: None,
    })
}

fn nameless() -> Malformed {
    Malformed("the body has a change without a ref".to_owned())
}
