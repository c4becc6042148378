//! Payloads as the forges document them, cut down to what is read and some of what is not.

use gitbarge_core::config::RefName;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::{Malformed, Meaning, meaning};
use crate::provider::Provider;
use crate::wanted::Wanted;

const ZERO: &str = "0000000000000000000000000000000000000000";
const ONE: &str = "1111111111111111111111111111111111111111";

fn wanted(name: &str) -> Wanted {
    Wanted::new(Some(&RefName::new(name).unwrap()))
}

fn read(
    provider: Provider,
    event: &str,
    body: &[u8],
    wanted: &Wanted,
) -> Result<Meaning, Malformed> {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    if let Some(name) = provider.event_headers().first() {
        let value = HeaderValue::from_bytes(event.as_bytes()).unwrap();
        headers.insert(HeaderName::from_static(name), value);
    }
    meaning(provider, &headers, body, wanted)
}

/// What a payload means for `main`.
fn means(provider: Provider, event: &str, payload: &Value) -> Meaning {
    read(
        provider,
        event,
        payload.to_string().as_bytes(),
        &wanted("main"),
    )
    .unwrap()
}

fn push(name: &str) -> Meaning {
    Meaning::Push(format!("push to `{name}`"))
}

fn nothing(reason: &str) -> Meaning {
    Meaning::Nothing(reason.to_owned())
}

fn github(name: &str) -> Value {
    json!({
        "ref": name, "before": ZERO, "after": ONE, "created": false, "deleted": false, "forced": true,
        "base_ref": null, "commits": [{ "id": ONE, "message": "größer \u{1f680}" }], "head_commit": { "id": ONE },
        "repository": { "id": 1, "full_name": "my-org/site", "default_branch": "trunk", "master_branch": "trunk" },
        "pusher": { "name": "t" },
    })
}

#[test]
fn github_names_one_ref() {
    let github = |name| means(Provider::Github, "push", &github(name));
    assert_eq!(github("refs/heads/main"), push("refs/heads/main"));
    assert_eq!(github("refs/tags/main"), push("refs/tags/main"));
    assert_eq!(
        github("refs/heads/größe"),
        nothing("`refs/heads/größe` is another ref")
    );
    assert_eq!(github("main"), nothing("`main` is another ref"));
    let mut gone = self::github("refs/heads/main");
    (gone["deleted"], gone["after"], gone["head_commit"]) = (json!(true), json!(ZERO), Value::Null);
    assert_eq!(
        means(Provider::Github, "push", &gone),
        nothing("`refs/heads/main` was deleted")
    );
}

#[test]
fn the_head_is_the_branch_that_the_payload_calls_the_default_one() {
    let body = |name| github(name).to_string();
    let read =
        |body: String| read(Provider::Github, "push", body.as_bytes(), &Wanted::Head).unwrap();
    assert_eq!(read(body("refs/heads/trunk")), push("refs/heads/trunk"));
    assert_eq!(
        read(body("refs/heads/main")),
        nothing("`refs/heads/main` is another ref")
    );
    let bare = json!({ "ref": "refs/heads/main" }).to_string();
    assert_eq!(read(bare), push("refs/heads/main"));
}

#[test]
fn github_may_send_a_form() {
    let form = |body: &str, kind: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert("x-github-event", HeaderValue::from_static("push"));
        headers.insert("content-type", HeaderValue::from_static(kind));
        meaning(
            Provider::Github,
            &headers,
            body.as_bytes(),
            &wanted("größe"),
        )
    };
    let kind = "application/X-WWW-form-urlencoded; charset=utf-8";
    let body = "x=1&payload=%7B%22ref%22%3A+%22refs%2Fheads%2Fgr%C3%B6%C3%9Fe%22%7D";
    assert_eq!(form(body, kind), Ok(push("refs/heads/größe")));
    assert!(form(body, "application/json").is_err());
    assert!(form("payload=%7B", kind).is_err());
    assert_eq!(
        form("other=1", kind),
        Err(Malformed("the form has no field `payload`".to_owned()))
    );
}

#[test]
fn gitlab_pushes_branches_and_tags() {
    let payload = |kind: &str, name: &str, after: &str| {
        json!({
            "object_kind": kind, "event_name": kind, "before": ONE, "after": after, "ref": name, "checkout_sha": null,
            "project": { "id": 15, "default_branch": "trunk" }, "repository": { "name": "site" }, "commits": [],
        })
    };
    let gitlab = |event, payload: &Value| means(Provider::Gitlab, event, payload);
    let main = payload("push", "refs/heads/main", ONE);
    assert_eq!(gitlab("Push Hook", &main), push("refs/heads/main"));
    assert_eq!(
        gitlab("Tag Push Hook", &payload("tag_push", "refs/tags/main", ONE)),
        push("refs/tags/main")
    );
    assert_eq!(
        gitlab("Push Hook", &payload("push", "refs/heads/main", ZERO)),
        nothing("`refs/heads/main` was deleted")
    );
    assert_eq!(
        gitlab("Merge Request Hook", &main),
        nothing("the event `Merge Request Hook` is no push")
    );
    let head = |name| {
        read(
            Provider::Gitlab,
            "Push Hook",
            payload("push", name, ONE).to_string().as_bytes(),
            &Wanted::Head,
        )
        .unwrap()
    };
    assert_eq!(head("refs/heads/trunk"), push("refs/heads/trunk"));
    assert_eq!(
        head("refs/heads/main"),
        nothing("`refs/heads/main` is another ref")
    );
}

#[test]
fn gitea_and_pierre_push_like_github() {
    assert_eq!(
        means(Provider::Gitea, "push", &github("refs/heads/main")),
        push("refs/heads/main")
    );
    assert_eq!(
        means(Provider::Gitea, "pull_request", &json!({})),
        nothing("the event `pull_request` is no push")
    );
    let pierre = |name: &str| {
        means(
            Provider::Pierre,
            "push",
            &json!({ "repository": { "id": "site" }, "ref": name, "after": ONE }),
        )
    };
    assert_eq!(pierre("refs/heads/main"), push("refs/heads/main"));
    assert_eq!(pierre("main"), push("refs/heads/main"));
    assert_eq!(
        pierre("other"),
        nothing("`refs/heads/other` is another ref")
    );
}

fn cloud(changes: &Value) -> Meaning {
    let payload = json!({ "actor": {}, "repository": { "full_name": "o/site" }, "push": { "changes": changes } });
    means(Provider::Bitbucket, "repo:push", &payload)
}

#[test]
fn bitbucket_cloud_pushes_several_refs_at_once() {
    let side = |kind: &str, name: &str| json!({ "type": kind, "name": name, "target": { "type": "commit", "hash": ONE } });
    let branch = |name| json!({ "new": side("branch", name), "old": null, "created": true });
    let gone = |name| json!({ "new": null, "old": side("branch", name), "closed": true });
    assert_eq!(
        cloud(&json!([branch("other"), branch("main")])),
        push("refs/heads/main")
    );
    assert_eq!(
        cloud(&json!([{ "new": side("tag", "main") }])),
        push("refs/tags/main")
    );
    assert_eq!(
        cloud(&json!([gone("main"), branch("main")])),
        push("refs/heads/main")
    );
    assert_eq!(
        cloud(&json!([gone("main")])),
        nothing("`refs/heads/main` was deleted")
    );
    assert_eq!(
        cloud(&json!([branch("größe")])),
        nothing("`refs/heads/größe` is another ref")
    );
    let several = nothing("`refs/heads/a` and 1 more are other refs, or deleted ones");
    assert_eq!(cloud(&json!([branch("a"), branch("b")])), several);
    assert_eq!(cloud(&json!([])), nothing("nothing has changed"));
}

#[test]
fn a_push_of_more_refs_than_are_looked_at_counts() {
    let change = |number| json!({ "new": { "type": "branch", "name": format!("b{number}") } });
    let many: Value = (0..1_000).map(change).collect();
    assert!(matches!(cloud(&many), Meaning::Nothing(_)));
    let too_many: Value = (0..1_001).map(change).collect();
    assert!(matches!(cloud(&too_many), Meaning::Push(_)));
}

#[test]
fn bitbucket_data_center_has_its_own_words() {
    let change = |name: &str, kind: &str, to: &str| json!({ "ref": { "id": name, "displayId": "x", "type": "BRANCH" }, "refId": name, "fromHash": ONE, "toHash": to, "type": kind });
    let sent = |changes: &Value| {
        means(
            Provider::Bitbucket,
            "repo:refs_changed",
            &json!({ "eventKey": "repo:refs_changed", "changes": changes }),
        )
    };
    assert_eq!(
        sent(&json!([
            change("refs/heads/x", "ADD", ONE),
            change("refs/heads/main", "UPDATE", ONE)
        ])),
        push("refs/heads/main")
    );
    assert_eq!(
        sent(&json!([{ "ref": { "id": "refs/heads/main" } }])),
        push("refs/heads/main")
    );
    assert_eq!(
        sent(&json!([change("refs/heads/main", "DELETE", ZERO)])),
        nothing("`refs/heads/main` was deleted")
    );
    assert_eq!(
        means(
            Provider::Bitbucket,
            "diagnostics:ping",
            &json!({ "test": true })
        ),
        nothing("ping")
    );
    assert_eq!(
        means(Provider::Bitbucket, "pr:opened", &json!({})),
        nothing("the event `pr:opened` is no push")
    );
}

#[test]
fn a_commit_is_brought_by_any_push_that_deletes_nothing() {
    let read = |payload: Value| {
        read(
            Provider::Github,
            "push",
            payload.to_string().as_bytes(),
            &wanted(ONE),
        )
        .unwrap()
    };
    assert_eq!(read(github("refs/heads/x")), push("refs/heads/x"));
    let gone = json!({ "ref": "refs/heads/x", "after": "0".repeat(64) });
    assert_eq!(read(gone), nothing("`refs/heads/x` was deleted"));
}

#[test]
fn what_no_forge_sends_is_malformed_and_not_quoted() {
    let deep = [&b"{\"a\":".repeat(50_000)[..], &b"[".repeat(100_000)].map(<[u8]>::to_vec);
    let bodies: [&[u8]; 16] = [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b"\"hush\"",
        b"[\"refs/heads/main\",null,null,null,null]",
        b"{\"ref\":",
        b"{\"ref\": 7}",
        b"{\"ref\": null}",
        b"\xff\xfe{}",
        b"{\"ref\":\"hush\xff\"}",
        b"{\"ref\":\"refs/heads/main\"\0\0",
        b"{\"ref\":\"a\",\"ref\":\"refs/heads/main\"}",
        &deep[0],
        &deep[1],
    ];
    for body in bodies {
        for (provider, event) in [
            (Provider::Github, "push"),
            (Provider::Bitbucket, "repo:push"),
            (Provider::Bitbucket, "repo:refs_changed"),
        ] {
            let malformed = read(provider, event, body, &wanted("main")).unwrap_err();
            assert!(
                malformed.0.starts_with("the body ") && !malformed.0.contains("hush"),
                "{malformed:?}"
            );
        }
    }
    for body in [
        json!({ "push": { "changes": [{ "new": null }] } }),
        json!({ "push": { "changes": null } }),
        json!({ "push": { "changes": [{ "new": { "type": "branch" } }] } }),
    ] {
        assert!(
            read(
                Provider::Bitbucket,
                "repo:push",
                body.to_string().as_bytes(),
                &wanted("main")
            )
            .is_err()
        );
    }
    assert!(
        read(
            Provider::Bitbucket,
            "repo:refs_changed",
            b"{\"changes\":[{}]}",
            &wanted("main")
        )
        .is_err()
    );
}

#[test]
fn an_event_must_be_named_and_once() {
    let ask = |lines: &[(&'static str, &'static str)]| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        meaning(
            Provider::Gitea,
            &headers,
            b"{\"ref\":\"refs/heads/main\"}",
            &wanted("main"),
        )
    };
    assert_eq!(
        ask(&[("x-forgejo-event", "push")]),
        Ok(push("refs/heads/main"))
    );
    assert_eq!(
        ask(&[]),
        Err(Malformed("`x-gitea-event` is missing".to_owned()))
    );
    assert!(ask(&[("x-gitea-event", "push"), ("x-gitea-event", "push")]).is_err());
}

#[test]
fn names_of_refs_and_events_cannot_break_out_of_an_answer() {
    let name = format!("refs/heads/a\u{1b}[31m\n`{}", "x".repeat(10_000));
    let Meaning::Nothing(reason) = means(Provider::Github, "push", &github(&name)) else {
        panic!("it is another ref");
    };
    assert!(
        reason.len() < 200
            && reason.contains(r"\u{1b}[31m\n")
            && !reason.contains(char::is_control),
        "{reason}"
    );
    let event = "\u{fffd}".repeat(5_000);
    let reason = read(Provider::Github, &event, b"", &wanted("main")).unwrap();
    assert!(format!("{reason:?}").len() < 600);
}

#[test]
fn providers_without_events_look_at_nothing() {
    for provider in [Provider::Standard, Provider::Token, Provider::Signature] {
        let meaning = read(provider, "", b"\xff\0 not json", &wanted("main"));
        assert_eq!(meaning, Ok(Meaning::Push("a verified request".to_owned())));
    }
}
