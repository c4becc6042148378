//! The API, and whether it is what its description says.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::{Lab, TOKEN, until};
use crate::schema::{assert_fits, resolve};
use crate::wire::Answer;

#[tokio::test]
async fn pipelines_and_their_runs_are_shown() {
    let lab = Lab::new().await;
    let all = lab.api("GET", "/api/v1/pipelines?x=y").await.json();
    let names = all["pipelines"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|pipeline| &pipeline["name"]).collect();
    assert_eq!(names, ["broken", "site"]);
    let site = lab.api("GET", "/api/v1/pipelines/site").await.json();
    assert_eq!(site, all["pipelines"][1]);
    let tip = lab.repository.id("main").unwrap().to_string();
    assert_eq!(site["last_run"]["to"], tip);
    assert_eq!(site["ready"], true);
    assert_eq!(site["source"]["type"], "fake");

    let runs = async || lab.api("GET", "/api/v1/pipelines/site/runs").await.json()["runs"].clone();
    assert_eq!(runs().await.as_array().unwrap().len(), 1);
    let sync = lab.api("POST", "/api/v1/pipelines/site/sync").await;
    sync.assert_accepted();
    while runs().await.as_array().unwrap().len() < 2 {}
    let runs = runs().await;
    assert_eq!(
        (&runs[0]["status"], &runs[1]["status"]),
        (&"unchanged".into(), &"synced".into())
    );
    lab.api("GET", "/api/v1/pipelines/nope")
        .await
        .assert_refused(404);
    lab.api("GET", "/api/v1/pipelines/nope/runs")
        .await
        .assert_refused(404);
    lab.api("POST", "/api/v1/pipelines/nope/sync")
        .await
        .assert_refused(404);
}

#[tokio::test]
async fn only_the_token_opens_it() {
    let lab = Lab::new().await;
    let before = lab.board.pipeline("site").unwrap().last.unwrap();
    for shown in [
        "",
        "Bearer",
        "Bearer wrong",
        "Basic hush-hush-token",
        TOKEN,
        "Bearer hush-hush-toke",
        "Bearer hush-hush-token2",
    ] {
        for (method, path) in [
            ("GET", "/api/v1/pipelines"),
            ("GET", "/api/v1/pipelines/site"),
            ("GET", "/api/v1/pipelines/nope"),
            ("GET", "/api/v1/pipelines/site/runs"),
            ("POST", "/api/v1/pipelines/site/sync"),
        ] {
            let answer = lab.ask(method, path, &[("Authorization", shown)]).await;
            answer.assert_refused(401);
            assert_eq!(
                answer.header("www-authenticate"),
                "Bearer realm=\"gitbarge\""
            );
            assert!(!answer.body.contains(TOKEN));
        }
    }
    // A path and a method that are not there say so first.
    lab.ask("GET", "/api/v1/nope", &[])
        .await
        .assert_refused(404);
    lab.ask("DELETE", "/api/v1/pipelines", &[])
        .await
        .assert_refused(405);
    assert!(!lab.board.pipeline("site").unwrap().is_waiting());
    let after = lab.board.pipeline("site").unwrap().last.unwrap();
    assert_eq!(before.started_at, after.started_at);
    let lower = [("Authorization", "bearer hush-hush-token")];
    assert_eq!(
        lab.ask("GET", "/api/v1/pipelines", &lower).await.status,
        200
    );
}

#[tokio::test]
async fn a_state_store_that_hangs_holds_no_answer_up() {
    let lab = Lab::new().await;
    lab.state.get_stuck();
    let begun = Instant::now();
    let answer = lab.api("GET", "/api/v1/pipelines/site/runs").await;
    answer.assert_refused(503);
    assert_eq!(answer.header("retry-after"), "1");
    // The run that begins now hangs as well.
    lab.api("POST", "/api/v1/pipelines/site/sync")
        .await
        .assert_accepted();
    until("a run hangs", || {
        lab.board.pipeline("site").unwrap().running.is_some()
    })
    .await;
    for path in ["/", "/healthz", "/readyz", "/metrics"] {
        assert!(lab.get(path).await.status < 504);
    }
    for path in ["/api/v1/pipelines", "/api/v1/pipelines/site"] {
        assert_eq!(lab.api("GET", path).await.status, 200);
    }
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}

/// Asserts that an answer is one that the description knows for this operation.
fn assert_described(answer: &Answer, operation: &Value, root: &Value) {
    let status = answer.status.to_string();
    let described = &operation["responses"][&status];
    assert!(
        described.is_object(),
        "{status} is not described: {answer:?}"
    );
    let described = resolve(described, root);
    for (name, header) in described["headers"].as_object().into_iter().flatten() {
        assert!(
            header["required"] == true && !answer.header(&name.to_lowercase()).is_empty(),
            "{name}"
        );
    }
    match &described["content"]["application/json"]["schema"] {
        Value::Null => assert_eq!(answer.body, ""),
        schema => assert_fits(&answer.json(), schema, root),
    }
}

#[tokio::test]
async fn every_answer_is_as_described() {
    let lab = Lab::new().await;
    let description = lab.get("/api/v1/openapi.json").await;
    assert_eq!(description.status, 200);
    let root = description.json();
    assert_eq!(root["openapi"], "3.1.0");
    assert_eq!(root["info"]["version"], env!("CARGO_PKG_VERSION"));
    let wrong = [("Authorization", "Bearer wrong")];
    let mut operations = 0;
    for (path, item) in root["paths"].as_object().unwrap() {
        let methods = [
            "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE",
        ];
        let (known, unknown): (Vec<_>, Vec<_>) = methods
            .into_iter()
            .partition(|method| item.get(method.to_lowercase()).is_some());
        for method in known {
            operations += 1;
            let operation = &item[method.to_lowercase()];
            for name in [
                "site", "broken", "nope", "%00", "%ff", "a%2Fb", "..", "%C3%BC",
            ] {
                let path = path.replace("{name}", name);
                let answer = lab.api(method, &path).await;
                assert_described(&answer, operation, &root);
                let answer = lab.ask(method, &path, &wrong).await;
                assert_described(&answer, operation, &root);
                let is_open = operation["security"] == serde_json::json!([]);
                assert_eq!(answer.status == 401, !is_open, "{method} {path}");
            }
        }
        for method in unknown {
            let answer = lab.api(method, &path.replace("{name}", "site")).await;
            assert_eq!(answer.status, 405);
            let any = item.get("get").or(item.get("post")).unwrap();
            if method != "HEAD" {
                assert_described(&answer, any, &root);
            }
            assert!(!answer.header("allow").contains(method));
        }
    }
    assert_eq!(operations, 9);
    lab.state.get_stuck();
    let path = "/api/v1/pipelines/{name}/runs";
    let answer = lab.api("GET", &path.replace("{name}", "site")).await;
    assert_eq!(answer.status, 503);
    assert_described(&answer, &root["paths"][path]["get"], &root);
}
