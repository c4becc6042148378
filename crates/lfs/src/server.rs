//! An LFS server: its batch API, and the downloads that it offers.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use gitbarge_core::{Error, ErrorKind, LfsServer, Result, Run, redact};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue,
};
use reqwest::{Method, Response, Url};
use tracing::debug;

use crate::batch::{self, Entry, MEDIA_TYPE};
use crate::download::{Action, Download, Place};
use crate::hosts::{Hosts, headers};
use crate::http::{Http, Request, host, lost, within};
use crate::stream::{Body, wrong_size};
use crate::{Object, ObjectStream, answer};

/// As many as git-lfs asks for at once.
const BATCH: usize = 100;
/// An answer about a batch has some kilobytes for each object, at most.
const LARGEST_ANSWER: usize = 4 << 20;
/// The most that is shown of what a server says, in characters.
const LONGEST_MESSAGE: usize = 200;

/// An LFS server, with what opens its door.
pub(crate) struct Server {
    /// The batch API.
    url: Url,
    credentials: HeaderMap,
    hosts: Hosts,
    pub(crate) reference: Option<String>,
    http: Http,
}

impl Server {
    pub(crate) fn new(
        mut url: Url,
        server: LfsServer,
        connect_timeout: Duration,
        idle_timeout: Duration,
    ) -> Result<Self> {
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["objects", "batch"]);
        }
        let hosts = Hosts::new(&url, &server.hosts)?;
        Ok(Self {
            credentials: headers(&server.headers)?,
            reference: None,
            http: Http::new(server.network, hosts.clone(), connect_timeout, idle_timeout),
            hosts,
            url,
        })
    }

    /// Its name in messages.
    pub(crate) fn name(&self) -> String {
        host(&self.url)
    }

    pub(crate) async fn batch(
        &self,
        objects: &[Object],
        run: &Run,
    ) -> Result<Vec<Result<Download>>> {
        let mut downloads = Vec::with_capacity(objects.len());
        for asked in objects.chunks(BATCH) {
            let entries = self.ask(asked, run).await?;
            downloads.extend(asked.iter().map(|object| self.offer(*object, &entries)));
        }
        Ok(downloads)
    }

    async fn ask(&self, objects: &[Object], run: &Run) -> Result<HashMap<[u8; 32], Entry>> {
        let media_type = HeaderValue::from_static(MEDIA_TYPE);
        let request = Request {
            method: Method::POST,
            url: self.url.clone(),
            headers: HeaderMap::from_iter([
                (ACCEPT, media_type.clone()),
                (CONTENT_TYPE, media_type),
            ]),
            credentials: self.credentials.clone(),
            body: batch::question(objects, self.reference.as_deref()).into(),
        };
        let response = self.http.send(&request, run).await?;
        if !response.status().is_success() {
            return Err(answer::of_batch(&response, &self.name()));
        }
        batch::read(&self.read(response, run).await?)
    }

    async fn read(&self, mut response: Response, run: &Run) -> Result<Vec<u8>> {
        let (name, idle_timeout) = (self.name(), self.http.idle_timeout);
        let mut body = Vec::new();
        while let Some(chunk) = within(idle_timeout, response.chunk(), &name, run)
            .await?
            .map_err(|error| lost(error, &name))?
        {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                let message =
                    format!("the LFS answer of {name} is longer than {LARGEST_ANSWER} bytes");
                return Err(Error::new(ErrorKind::Protocol, message));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn offer(&self, object: Object, entries: &HashMap<[u8; 32], Entry>) -> Result<Download> {
        let said = |what| {
            let message = format!("{} {what} LFS object {}", self.name(), object.hex());
            Error::new(ErrorKind::RemoteMissing, message)
        };
        let Some(entry) = entries.get(&object.oid) else {
            return Err(said("says nothing about").with_kind(ErrorKind::Protocol));
        };
        if let Some(refusal) = &entry.error {
            let message = self.printable(&refusal.message);
            return Err(answer::of_object(
                refusal.code,
                &message,
                object,
                &self.name(),
            ));
        }
        let action = entry
            .action()?
            .ok_or_else(|| said("offers no download of"))?;
        let place = Place::Href(action);
        Ok(Download { object, place })
    }

    pub(crate) async fn download(
        &self,
        object: Object,
        action: &Action,
        run: &Run,
    ) -> Result<ObjectStream> {
        if !action.has_expired() {
            return self.fetch(object, action, run).await;
        }
        debug!(oid = object.hex(), "The offer has expired; asking anew.");
        let entries = self.ask(&[object], run).await?;
        match self.offer(object, &entries)?.place {
            // Should this one look expired too, then the clocks differ, and the server will say what it thinks.
            Place::Href(action) => self.fetch(object, &action, run).await,
            Place::File(_) => unreachable!("a server offers requests only"),
        }
    }

    async fn fetch(&self, object: Object, action: &Action, run: &Run) -> Result<ObjectStream> {
        let request = Request {
            method: Method::GET,
            url: action.href.clone(),
            headers: HeaderMap::new(),
            credentials: self.headers_for(action),
            body: Bytes::new(),
        };
        get(&self.http, &request, object, run).await
    }

    /// The server's own credentials go to its own address only, as others' do, and not beside others.
    fn headers_for(&self, action: &Action) -> HeaderMap {
        if action.authenticated || action.headers.contains_key(AUTHORIZATION) {
            return action.headers.clone();
        }
        let is_own = action.href.origin() == self.url.origin();
        let mut headers = match is_own {
            true => self.credentials.clone(),
            false => self.hosts.of(&action.href),
        };
        headers.extend(action.headers.clone());
        headers
    }

    /// What the server says, without what it was told in confidence.
    fn printable(&self, message: &str) -> String {
        let mut text = message.to_owned();
        let values = self
            .credentials
            .values()
            .filter_map(|value| value.to_str().ok());
        for word in values.flat_map(str::split_whitespace) {
            if word.len() > 3 {
                text = text.replace(word, "[redacted]");
            }
        }
        redact::redact(&redact::shorten(&text, LONGEST_MESSAGE)).replace('\n', " ")
    }
}

/// Begins a download.
pub(crate) async fn get(
    http: &Http,
    request: &Request,
    object: Object,
    run: &Run,
) -> Result<ObjectStream> {
    let response = http.send(request, run).await?;
    let host = host(response.url());
    if response.status().as_u16() != 200 {
        return Err(answer::of_download(&response, object, &host));
    }
    let coding = response.headers().get(CONTENT_ENCODING);
    if coding.is_some_and(|coding| coding != "identity") {
        let message = format!(
            "{host} sends LFS object {} in a coding that was not asked for",
            object.hex()
        );
        return Err(Error::new(ErrorKind::Protocol, message));
    }
    match response.content_length() {
        Some(length) if length != object.size => Err(wrong_size(object, &length.to_string())),
        _ => {
            let body = Body::Answer {
                response,
                host,
                idle_timeout: http.idle_timeout,
            };
            Ok(ObjectStream::new(object, body, run))
        }
    }
}

#[cfg(test)]
mod tests {
    use gitbarge_core::{HostHeaders, Secret};

    use super::*;

    fn server() -> Server {
        let value = Secret::literal("Basic aHVzaDpodXNo").read().unwrap();
        let headers = vec![("Authorization".to_owned(), value)];
        let other = Secret::literal("Bearer known").read().unwrap();
        let url = "https://h/site.git/info/lfs/";
        let hosts = vec![HostHeaders {
            host: "known:8443".to_owned(),
            headers: vec![("Authorization".to_owned(), other)],
        }];
        let server = LfsServer {
            hosts,
            ..LfsServer::new(url, headers)
        };
        let url = Url::parse(url).unwrap();
        Server::new(url, server, Duration::ZERO, Duration::ZERO).unwrap()
    }

    #[test]
    fn credentials_go_to_the_servers_own_address_only() {
        for (href, authenticated, own, expected) in [
            ("https://h/x", false, None, Some("Basic aHVzaDpodXNo")),
            ("https://h:443/x", false, None, Some("Basic aHVzaDpodXNo")),
            ("https://h/x", true, None, None),
            ("https://h/x", false, Some("Bearer own"), Some("Bearer own")),
            ("http://h/x", false, None, None),
            ("https://h:8443/x", false, None, None),
            ("https://other/x", false, None, None),
            ("https://known:8443/x", false, None, Some("Bearer known")),
            ("https://known:8443/x", true, None, None),
            ("https://known/x", false, None, None),
            ("http://known:8443/x", false, None, None),
            (
                "https://other/x",
                false,
                Some("Bearer own"),
                Some("Bearer own"),
            ),
        ] {
            let mut action = Action::to(href).unwrap();
            action.authenticated = authenticated;
            if let Some(own) = own {
                action.add_header("authorization", own).unwrap();
            }
            let headers = server().headers_for(&action);
            let sent = headers
                .get(AUTHORIZATION)
                .map(|value| value.to_str().unwrap());
            assert_eq!(sent, expected, "{href}");
        }
    }

    #[test]
    fn the_batch_api_is_below_the_endpoint() {
        assert_eq!(server().url.path(), "/site.git/info/lfs/objects/batch");
    }

    #[test]
    fn what_the_server_says_is_made_fit_to_print() {
        let said = "no: Basic aHVzaDpodXNo\r\nat https://me:pw@h/x?token=1 ".to_owned()
            + &"x".repeat(1000);
        let shown = server().printable(&said);
        assert!(shown.starts_with("no: [redacted] [redacted]"), "{shown}");
        assert!(
            shown.len() < 300 && !shown.contains("pw") && !shown.contains("token"),
            "{shown}"
        );
    }
}
