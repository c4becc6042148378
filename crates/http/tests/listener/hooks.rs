//! What is mounted by triggers, and what is not.

use std::time::Duration;

use gitbarge_http::Limits;

use crate::fakes::LARGEST;
use crate::lab::{Lab, until};

#[tokio::test]
async fn a_request_reaches_its_endpoint_and_leads_to_a_run() {
    let lab = Lab::new().await;
    lab.repository.commit("main").write("file", "new").push();
    let tip = lab.repository.id("main").unwrap().to_string();
    let answer = lab.post(&[], b"body").await;
    answer.assert_accepted();
    assert_eq!(answer.json()["reason"], "4 bytes from 127.0.0.1");
    until("it has run", || {
        let posted = lab.board.pipeline("site").unwrap();
        posted.last.unwrap().to.as_deref() == Some(&tip)
    })
    .await;
}

#[tokio::test]
async fn a_query_is_ignored_and_every_other_path_is_unknown() {
    let lab = Lab::new().await;
    let mut wire = lab.connect().await;
    let with_query = "/hooks/site?token=x&a=/hooks/broken";
    wire.ask("POST", with_query, &[], b"")
        .await
        .assert_accepted();
    for path in [
        "/hooks",
        "/hooks/",
        "/hooks/SITE",
        "/hooks/site/",
        "/hooks/site/x",
        "//hooks//site",
        "/hooks/../hooks/site",
        "/hooks/..%2fsite",
        "/hooks%2fsite",
        "/hooks/site%00",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/etc/passwd",
        "/../../etc/passwd",
        "/%zz",
    ] {
        for method in ["POST", "GET"] {
            wire.ask(method, path, &[], b"").await.assert_refused(404);
        }
    }
}

#[tokio::test]
async fn what_a_request_has_wrong_is_answered_in_order() {
    let lab = Lab::new().await;
    let large = (LARGEST + 1).to_string();
    let ask = async |method: &str, path: &str, headers: &[(&str, &str)]| {
        let mut wire = lab.connect().await;
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n");
        for (name, value) in headers {
            head.extend([*name, ": ", *value, "\r\n"]);
        }
        wire.send(head + "\r\n").await;
        wire.answer().await
    };
    let length = ("Content-Length", large.as_str());
    ask("GET", "/nope", &[("x-deny", "1"), length])
        .await
        .assert_refused(404);
    let answer = ask("PUT", "/hooks/site", &[("x-deny", "1"), length]).await;
    answer.assert_refused(405);
    assert_eq!(answer.header("allow"), "POST");
    let denied = ask("POST", "/hooks/site", &[("x-deny", "1"), length]).await;
    denied.assert_refused(403);
    // Nothing of the body was sent, nor waited for.
    ask("POST", "/hooks/site", &[length])
        .await
        .assert_refused(413);
    let huge = ("Content-Length", "1099511627776");
    ask("POST", "/hooks/site", &[huge])
        .await
        .assert_refused(413);
}

#[tokio::test]
async fn an_endpoint_that_panics_or_never_answers_harms_nobody_else() {
    let lab = Lab::limited(Limits {
        answer: Duration::from_millis(50),
        ..Limits::default()
    })
    .await;
    let mut wire = lab.connect().await;
    for told in ["x-panic", "x-panic-early"] {
        let answer = wire.ask("POST", "/hooks/site", &[(told, "1")], b"x").await;
        answer.assert_refused(500);
    }
    let answer = wire
        .ask("POST", "/hooks/site", &[("x-wait", "1")], b"x")
        .await;
    answer.assert_refused(503);
    assert_eq!(answer.header("retry-after"), "1");
    wire.ask("POST", "/hooks/site", &[], b"x")
        .await
        .assert_accepted();
}

#[tokio::test]
async fn a_pipeline_that_is_followed_no_longer_is_not_there() {
    let lab = Lab::new().await;
    lab.keep(&["broken"]).await;
    lab.post(&[], b"").await.assert_refused(404);
    lab.ask("POST", "/hooks/broken", &[])
        .await
        .assert_accepted();
}

#[tokio::test]
async fn http_1_0_and_http_2_are_spoken_too() {
    let lab = Lab::new().await;
    let mut wire = lab.connect().await;
    wire.send("POST /hooks/site HTTP/1.0\r\nContent-Length: 4\r\n\r\nbody")
        .await;
    wire.answer().await.assert_accepted();
    wire.closed().await;

    let client = reqwest::Client::builder().http2_prior_knowledge();
    let client = client.build().unwrap();
    let url = format!("http://{}/hooks/site", lab.address);
    for body in ["", "ünicode", &"x".repeat(LARGEST)] {
        let answer = client
            .post(&url)
            .body(body.to_owned())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.version(), http::Version::HTTP_2);
        assert_eq!(answer.status(), 202);
        let reply: serde_json::Value = answer.json().await.unwrap();
        let reason = format!("{} bytes from 127.0.0.1", body.len());
        assert_eq!(reply["reason"], reason);
    }
    let large = "x".repeat(LARGEST + 1);
    let answer = client.post(&url).body(large).send().await.unwrap();
    assert_eq!(answer.status(), 413);
    let answer = client
        .get(url.replace("site", "nope"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 404);
}
