//! Makes the payload of a webhook from an alert.
//!
//! Limits of Slack's blocks: <https://docs.slack.dev/reference/block-kit/blocks>.

use std::fmt::Write as _;
use std::time::Duration;

use gitbarge_core::{Alert, Event, Notice};
use serde_json::{Value, json};

use crate::text::{code, code_block, length, plain};

const LONGEST_HEADER: usize = 150;
const LONGEST_SECTION: usize = 3_000;

/// Less than Slack's 2,000: a field is half a line wide.
const LONGEST_FIELD: usize = 500;

/// How much of a failure's message a notification and a line of a digest show.
const LONGEST_EXCERPT: usize = 300;

/// How many notices a digest shows, so that its header and its end fit into Slack's 50 blocks.
const MOST_LISTED: usize = 47;

/// One notice is shown in full, several as a digest. `text` is what notifications show.
pub(crate) fn payload(alert: &Alert) -> Value {
    let (text, blocks) = match alert.notices.as_slice() {
        [notice] => (headline(notice), full(notice)),
        notices => digest(notices),
    };
    json!({ "text": text, "blocks": blocks, "unfurl_links": false, "unfurl_media": false })
}

fn full(notice: &Notice) -> Vec<Value> {
    let title = plain(&title(notice), LONGEST_HEADER);
    let mut blocks = vec![header(&title), fields(notice)];
    if let Some(failure) = &notice.failure {
        let message = code_block(&failure.message, LONGEST_SECTION);
        blocks.push(section(&message));
        let hint = failure.hint.as_deref();
        if let Some(hint) = hint.filter(|_| notice.event != Event::Recovered) {
            let hint = plain(hint, LONGEST_SECTION - 20);
            blocks.push(section(&format!("*What to do:* {hint}")));
        }
    }
    blocks.push(context(&format!("gitbarge · {}", notice.at)));
    blocks
}

fn digest(notices: &[Notice]) -> (String, Vec<Value>) {
    let title = tally(notices);
    let (listed, rest) = notices.split_at(notices.len().min(MOST_LISTED));
    let mut blocks = vec![header(&title)];
    blocks.extend(listed.iter().map(|notice| section(&line(notice))));
    if !rest.is_empty() {
        blocks.push(section(&and_more(rest)));
    }
    if let Some(latest) = notices.iter().map(|notice| notice.at).max() {
        blocks.push(context(&format!("gitbarge · {latest}")));
    }
    let first = listed.first().map(headline).unwrap_or_default();
    (format!("{title}: {first}"), blocks)
}

/// "12 failed, 3 recovered".
fn tally(notices: &[Notice]) -> String {
    let counts = [
        (Event::Failed, "failed"),
        (Event::StillFailing, "still failing"),
        (Event::Recovered, "recovered"),
        (Event::Synced, "synced"),
        (Event::Test, "test messages"),
    ];
    let counted = counts.into_iter().filter_map(|(event, words)| {
        let count = notices.iter().filter(|notice| notice.event == event);
        match count.count() {
            0 => None,
            count => Some(format!("{count} {words}")),
        }
    });
    counted.collect::<Vec<_>>().join(", ")
}

/// One notice of a digest.
fn line(notice: &Notice) -> String {
    let mut line = format!("*{}*", plain(&title(notice), LONGEST_HEADER));
    for (name, value) in facts(notice) {
        if name != "Pipeline" {
            write!(line, " · {value}").expect("a String takes all");
        }
    }
    if let Some(failure) = &notice.failure {
        let message = code(&failure.message, LONGEST_EXCERPT);
        write!(line, "\n{message}").expect("a String takes all");
    }
    line
}

fn and_more(rest: &[Notice]) -> String {
    let mut text = format!("… and {} more:", rest.len());
    for notice in rest {
        let name = format!(" {}", code(&notice.pipeline, LONGEST_HEADER));
        if length(&text) + length(&name) > LONGEST_SECTION - 2 {
            text.push_str(" …");
            break;
        }
        text.push_str(&name);
    }
    text
}

/// What a notification shows.
fn headline(notice: &Notice) -> String {
    let title = plain(&title(notice), LONGEST_HEADER);
    match &notice.failure {
        _ if notice.event == Event::Recovered => {
            let (lasted, count) = (lasted(notice), notice.count);
            format!("{title} after {lasted} (failed runs: {count})")
        }
        Some(failure) => {
            let message = plain(&failure.message, LONGEST_EXCERPT);
            format!("{title}: {}: {message}", failure.kind)
        }
        None => title,
    }
}

fn title(notice: &Notice) -> String {
    let pipeline = &notice.pipeline;
    match notice.event {
        Event::Failed => format!("{pipeline} failed"),
        Event::StillFailing => format!("{pipeline} is still failing"),
        Event::Recovered => format!("{pipeline} recovered"),
        Event::Synced => format!("{pipeline} was synced"),
        Event::Test => format!("Test message of {pipeline}"),
    }
}

fn fields(notice: &Notice) -> Value {
    let fields: Vec<Value> = facts(notice)
        .into_iter()
        .map(|(name, value)| mrkdwn(&format!("*{name}*\n{value}")))
        .collect();
    json!({ "type": "section", "fields": fields })
}

/// At most ten, and at least one, as Slack wants it.
fn facts(notice: &Notice) -> Vec<(&'static str, String)> {
    let show = |text: &str| code(text, LONGEST_FIELD);
    let mut facts = vec![("Pipeline", show(&notice.pipeline))];
    if !notice.repository.is_empty() {
        facts.push(("Repository", show(&notice.repository)));
    }
    if notice.event == Event::Test {
        return facts;
    }
    let reference = notice.reference.as_deref().unwrap_or("HEAD");
    facts.push(("Ref", show(reference)));
    if let Some(sink) = &notice.sink {
        facts.push(("Sink", show(sink)));
    }
    if let Some(failure) = &notice.failure {
        let recovered = notice.event == Event::Recovered;
        let name = if recovered { "Last error" } else { "Error" };
        facts.push((name, show(failure.kind.as_str())));
    }
    if let Some(commit) = &notice.commit {
        facts.push(("Commit", show(commit)));
    }
    match notice.event {
        Event::Recovered => {
            facts.push(("Down for", lasted(notice)));
            facts.push(("Failed runs", notice.count.to_string()));
        }
        Event::StillFailing => {
            facts.push(("Since", notice.since.to_string()));
            facts.push(("Failed runs", notice.count.to_string()));
        }
        Event::Failed | Event::Synced | Event::Test => {}
    }
    facts
}

/// In whole seconds; nothing if a clock was set back in between.
fn lasted(notice: &Notice) -> String {
    let seconds = notice.at.duration_since(notice.since).as_secs();
    let duration = Duration::from_secs(seconds.try_into().unwrap_or(0));
    humantime::format_duration(duration).to_string()
}

fn header(text: &str) -> Value {
    json!({ "type": "header", "text": { "type": "plain_text", "text": text, "emoji": false } })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": mrkdwn(text) })
}

fn context(text: &str) -> Value {
    json!({ "type": "context", "elements": [mrkdwn(text)] })
}

fn mrkdwn(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text })
}

#[cfg(test)]
mod tests;
