//! `/healthz` and `/readyz`.

use crate::lab::Lab;

#[tokio::test]
async fn not_ready_until_every_pipeline_had_a_success() {
    let lab = Lab::new().await;
    assert_eq!(lab.get("/healthz").await.json()["alive"], true);
    let answer = lab.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["pipelines"], serde_json::json!(["broken"]));
    lab.keep(&["site"]).await;
    let answer = lab.get("/readyz").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["ready"], true);

    lab.listener.drain();
    let answer = lab.get("/readyz").await;
    assert_eq!(
        (answer.status, &answer.json()["ready"]),
        (503, &false.into())
    );
    assert_eq!(lab.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn other_methods_are_refused_and_head_is_get_without_a_body() {
    let lab = Lab::new().await;
    for path in ["/", "/healthz", "/readyz", "/metrics"] {
        let get = lab.get(path).await;
        let head = lab.ask("HEAD", path, &[]).await;
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"));
        assert_eq!(get.header("x-content-type-options"), "nosniff");
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"] {
            let answer = lab.ask(method, path, &[]).await;
            answer.assert_refused(405);
            assert_eq!(answer.header("allow"), "GET,HEAD", "{method} {path}");
        }
    }
}
