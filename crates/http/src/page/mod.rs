//! The status page: plain HTML, made on the server.

mod escape;
mod run;
mod source;

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use gitbarge_engine::Posted;
use http::HeaderValue;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_FRAME_OPTIONS};
use jiff::Timestamp;

use self::escape::Escaped;
use self::run::{Row, Troubles, short, time};
use crate::reply::with_header;
use crate::router::Shared;
use crate::watched::Recent;

/// How many pipelines are shown.
const MOST: usize = 500;
const STYLE: &str = include_str!("style.css");
/// Nothing is loaded, nothing is run, and only this style counts.
const POLICY: &str = "default-src 'none'; style-src 'sha256-lY4W3W/0JDzJoIYS0pn0TgM8NtItA0v7IjsyWk0cxpU='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `/`
pub(crate) async fn show(State(shared): State<Arc<Shared>>) -> Response {
    let pipelines = shared.watched.pipelines();
    let page = Page {
        pipelines: &pipelines,
        now: Timestamp::now(),
    };
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    let response = Response::new(Body::from(page.to_string()));
    headers
        .into_iter()
        .fold(response, |response, (name, value)| {
            with_header(response, name, HeaderValue::from_static(value))
        })
}

struct Page<'a> {
    pipelines: &'a [(Posted, Recent)],
    now: Timestamp,
}

impl Display for Page<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")?;
        f.write_str("<meta name=\"viewport\" content=\"width=device-width\">")?;
        f.write_str("<meta http-equiv=\"refresh\" content=\"30\"><title>gitbarge</title>")?;
        write!(f, "<style>{STYLE}</style></head><body><h1>gitbarge</h1>")?;
        let ready = self.pipelines.iter();
        let ready = ready
            .filter(|(posted, _)| posted.is_ready(self.now))
            .count();
        let (count, now) = (self.pipelines.len(), time(self.now));
        writeln!(
            f,
            "<p>{ready} of {count} pipelines are in step. <span class=\"faint\">{now}</span></p>"
        )?;
        for (posted, recent) in self.pipelines.iter().take(MOST) {
            self.pipeline(posted, recent, f)?;
        }
        if let Some(more @ 1..) = count.checked_sub(MOST) {
            writeln!(f, "<p>{more} more are not shown.</p>")?;
        }
        f.write_str("</body></html>\n")
    }
}

impl Page<'_> {
    fn pipeline(&self, posted: &Posted, recent: &Recent, f: &mut Formatter<'_>) -> fmt::Result {
        let pipeline = &posted.pipeline;
        writeln!(f, "<h2 id=\"{0}\">{0}</h2>", Escaped(&pipeline.name))?;
        self.summary(posted, recent, f)?;
        if recent.runs.is_empty() {
            return Ok(());
        }
        f.write_str("<table><tr><th>began</th><th>status</th><th>commit</th><th>subject</th><th>took</th><th>received</th></tr>\n")?;
        for run in &recent.runs {
            write!(f, "{}", Row(run))?;
        }
        f.write_str("</table>\n")?;
        let source = &pipeline.source.instance.address();
        let mut last = recent.runs.iter().take(1);
        last.try_for_each(|run| write!(f, "{}", Troubles { run, source }))
    }

    fn summary(&self, posted: &Posted, recent: &Recent, f: &mut Formatter<'_>) -> fmt::Result {
        let pipeline = &posted.pipeline;
        let source = source::shown(&pipeline.source.instance.address());
        let reference = pipeline
            .reference
            .as_ref()
            .map_or("HEAD".to_owned(), ToString::to_string);
        let (source, reference) = (Escaped(&source), Escaped(&reference));
        write!(f, "<p><code>{source}</code> at <code>{reference}</code>, ")?;
        match posted.is_ready(self.now) {
            true => f.write_str("in step")?,
            false => f.write_str("<span class=\"failed\">not in step</span>")?,
        }
        if posted.running.is_some() {
            f.write_str(", running")?;
        }
        if posted.is_waiting() {
            f.write_str(", a run is waiting")?;
        }
        if let Some(commit) = recent.good.as_ref().and_then(|run| run.to.as_deref()) {
            write!(f, "; it stands at <code>{}</code>", Escaped(short(commit)))?;
        }
        match posted.last_success {
            Some(at) => write!(f, ", last success {}", time(at))?,
            None => f.write_str("; no success yet")?,
        }
        f.write_str("</p>\n")
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn the_policy_allows_the_style_and_nothing_else() {
        let hash = BASE64_STANDARD.encode(Sha256::digest(STYLE));
        assert!(POLICY.contains(&format!("'sha256-{hash}'")), "{hash}");
        assert!(POLICY.starts_with("default-src 'none';"));
    }
}
