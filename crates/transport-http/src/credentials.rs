//! What goes into the headers of each request, by the server that it goes to.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use gitbarge_core::{
    Error, ErrorKind, HostHeaders, Problem, Result, Run, Secret, SecretText, bounded,
};
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use zeroize::Zeroizing;

use crate::HttpConfig;
use crate::cookies::Cookies;
use crate::github_app::Lent;
use crate::login::Login;
use crate::redirect::is_same_server;
use crate::url::{UserInfo, host_and_port};

/// Headers that belong to the protocol.
const OWN_HEADERS: [&str; 9] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "accept-encoding",
    "git-protocol",
    "proxy-authorization",
];
/// The largest file of cookies, in bytes.
const LARGEST_FILE: u64 = 1 << 20;

/// Where the contents of headers lie. They are read anew for each operation.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    /// The repository.
    home: Url,
    login: Login,
    headers: Vec<(HeaderName, Secret)>,
    cookie_file: Option<PathBuf>,
    hosts: Vec<(String, Login)>,
}

/// The headers of one operation.
pub(crate) struct Headers {
    home: Url,
    own: HeaderMap,
    hosts: Vec<(String, HeaderMap)>,
    cookies: Cookies,
}

impl Credentials {
    /// Combines the keys with what stood in the URL.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn new(
        config: &HttpConfig,
        home: &Url,
        in_url: Option<UserInfo>,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let login = Login::new(config, in_url).unwrap_or_else(|found| {
            problems.extend(found);
            Login::None
        });
        let mut headers = Vec::new();
        for (name, value) in &config.headers {
            match header_name(name, config) {
                Ok(name) => headers.push((name, value.clone())),
                Err(why) => problems.push(Problem::new(header_key(name), why)),
            }
        }
        let mut hosts = Vec::new();
        for (host, keys) in &config.hosts {
            let key = format!("hosts.{host}");
            if let Some(fault) = host_fault(host, home) {
                problems.push(Problem::new(&key, fault));
            }
            match Login::of_host(keys) {
                Ok(login) => hosts.push((host.to_ascii_lowercase(), login)),
                Err(problem) => {
                    let key = format!("{key}.{}", problem.key);
                    problems.push(Problem::new(key, problem.message));
                }
            }
        }
        if problems.is_empty() {
            Ok(Self {
                home: home.clone(),
                login,
                headers,
                cookie_file: config.cookie_file.clone(),
                hosts,
            })
        } else {
            Err(problems)
        }
    }

    /// Reads everything that lies on this machine.
    ///
    /// # Errors
    /// `config`, naming the key.
    pub(crate) fn read(&self) -> Result<Headers> {
        let mut own = HeaderMap::new();
        for (name, text) in self.texts() {
            let value = header_value(text?)
                .ok_or_else(|| Error::new(ErrorKind::Config, unfit(&self.key_of(&name))))?;
            own.insert(name, value);
        }
        let hosts = self.hosts.iter().map(|(host, login)| {
            let value = host_value(host, login)?;
            let headers = value.map(|value| (AUTHORIZATION, value));
            Ok((host.clone(), headers.into_iter().collect()))
        });
        Ok(Headers {
            home: self.home.clone(),
            own,
            hosts: hosts.collect::<Result<_>>()?,
            cookies: self.cookies()?,
        })
    }

    /// Asks whoever knows more, and adds what they say; a GitHub App's token is returned too.
    ///
    /// # Errors
    /// `config`, `auth_failed`, `unreachable`, `timeout`, `protocol`, `cancelled`.
    pub(crate) async fn ask(
        &self,
        headers: &mut Headers,
        client: &Client,
        patience: Duration,
        run: &Run,
    ) -> Result<Option<Lent>> {
        let (text, lent) = match &self.login {
            Login::Askpass(askpass) => (askpass.ask(client, patience).await?, None),
            Login::App(app) => {
                let lent = app.token(client, patience, run).await?;
                (lent.header(), Some(lent))
            }
            Login::None | Login::Basic { .. } | Login::Bearer(_) => return Ok(None),
        };
        let value = header_value(text).ok_or_else(|| {
            let message = "what was answered contains characters that no header may have";
            Error::new(ErrorKind::Protocol, message)
        })?;
        headers.own.insert(AUTHORIZATION, value);
        Ok(lent)
    }

    /// The server did not know this token.
    pub(crate) async fn forget(&self, lent: &Lent) {
        if let Login::App(app) = &self.login {
            app.forget(lent).await;
        }
    }

    /// Reads everything, and says what is wrong with it.
    pub(crate) fn inspect(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let said = |key: String, error: Error| Problem::new(key, error.failure().message);
        for (name, text) in self.texts() {
            let key = self.key_of(&name);
            let fault = match text {
                Err(error) => Some(error.failure().message),
                Ok(text) => header_value(text).is_none().then(|| unfit(&key)),
            };
            problems.extend(fault.map(|message| Problem::new(key, message)));
        }
        if let Login::App(app) = &self.login {
            let fault = app.inspect();
            problems.extend(fault.map(|error| said("github_app.private_key".to_owned(), error)));
        }
        let cookies = self.cookies().err();
        problems.extend(cookies.map(|error| said("cookie_file".to_owned(), error)));
        for (host, login) in &self.hosts {
            let key = format!("hosts.{host}.{}", login.key().unwrap_or_default());
            let fault = host_value(host, login).err();
            problems.extend(fault.map(|error| said(key, error)));
        }
        problems
    }

    /// Whether a server gets to know who asks.
    pub(crate) fn are_given(&self) -> bool {
        !matches!(self.login, Login::None) || !self.headers.is_empty() || self.cookie_file.is_some()
    }

    /// Whether whoever asks is told by another server, and which does not go by way of the proxy.
    pub(crate) fn ask_directly(&self) -> bool {
        matches!(self.login, Login::Askpass(_))
    }

    /// What to do when the server does not let these in.
    pub(crate) fn hint(&self) -> String {
        self.login.hint().unwrap_or_else(|| {
            let ways = "`username` and `password`, or `token`";
            match (self.headers.is_empty(), &self.cookie_file) {
                (true, None) => format!("set {ways}"),
                (false, _) => format!("check `headers`, or set {ways}"),
                (true, Some(_)) => format!("check `cookie_file`, or set {ways}"),
            }
        })
    }

    fn cookies(&self) -> Result<Cookies> {
        let Some(path) = &self.cookie_file else {
            return Ok(Cookies::default());
        };
        let failed = |what: &str| {
            let message = format!("`cookie_file` (`{}`) {what}", path.display());
            Error::new(ErrorKind::Config, message)
        };
        let content = bounded::read(path, LARGEST_FILE)
            .map_err(|error| failed("cannot be read").with_source(error))?;
        let text = std::str::from_utf8(&content).map_err(|_| failed("is not UTF-8"))?;
        Cookies::parse(text)
    }

    fn texts(&self) -> impl Iterator<Item = (HeaderName, Result<Zeroizing<String>>)> + '_ {
        let login = self.login.text().transpose();
        let login = login.map(|text| (AUTHORIZATION, text));
        let headers = self.headers.iter().map(|(name, value)| {
            let text = value.read();
            let text = text.map(|text| Zeroizing::new(text.expose_line().to_owned()));
            (name.clone(), text)
        });
        login.into_iter().chain(headers)
    }

    fn key_of(&self, header: &HeaderName) -> String {
        match self.login.key() {
            Some(key) if header == AUTHORIZATION => key.to_owned(),
            _ => header_key(header.as_str()),
        }
    }
}

impl Headers {
    /// Those of a request: the repository's own server gets its own, others at most what is meant for them.
    pub(crate) fn of(&self, url: &Url) -> HeaderMap {
        let mut headers = if is_same_server(&self.home, url) {
            self.own.clone()
        } else {
            self.of_host(url).cloned().unwrap_or_default()
        };
        let cookies = self.cookies.header(url, Timestamp::now());
        if let Some(value) = cookies.and_then(header_value) {
            headers.insert(COOKIE, value);
        }
        headers
    }

    /// Whether the configuration names a URL's server, and nobody could read along there who cannot at home.
    pub(crate) fn trust(&self, url: &Url) -> bool {
        self.of_host(url).is_some()
    }

    /// All of them for the LFS server at a URL.
    pub(crate) fn for_lfs(&self, url: &Url) -> Vec<(String, SecretText)> {
        pairs(&self.of(url))
    }

    /// Those of other servers.
    pub(crate) fn for_hosts(&self) -> Vec<HostHeaders> {
        let hosts = self.hosts.iter().map(|(host, headers)| HostHeaders {
            host: host.clone(),
            headers: pairs(headers),
        });
        hosts.collect()
    }

    fn of_host(&self, url: &Url) -> Option<&HeaderMap> {
        let is_as_safe = url.scheme() == "https" || self.home.scheme() == "http";
        let name = host_and_port(url);
        let mut hosts = self.hosts.iter().filter(|_| is_as_safe);
        hosts
            .find(|(host, _)| *host == name)
            .map(|(_, headers)| headers)
    }
}

fn pairs(headers: &HeaderMap) -> Vec<(String, SecretText)> {
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.to_string(), SecretText::new(Zeroizing::new(text)))
    };
    headers.iter().map(pair).collect()
}

fn host_value(host: &str, login: &Login) -> Result<Option<HeaderValue>> {
    let Some(text) = login.text()? else {
        return Ok(None);
    };
    let key = format!("hosts.{host}.{}", login.key().unwrap_or_default());
    let value = header_value(text);
    let value = value.ok_or_else(|| Error::new(ErrorKind::Config, unfit(&key)))?;
    Ok(Some(value))
}

fn host_fault(host: &str, home: &Url) -> Option<&'static str> {
    let url = Url::parse(&format!("https://{host}/")).ok();
    let is_plain = |url: &Url| host_and_port(url) == host.to_ascii_lowercase();
    if !url.as_ref().is_some_and(is_plain) {
        return Some("the name is no host, such as `lfs.example.org` or `lfs.example.org:8443`");
    }
    let is_home = host_and_port(home) == host.to_ascii_lowercase();
    is_home.then_some("it is the repository's own server: its credentials stand beside `url`")
}

/// A value that is wiped with its last copy, as far as it is ours; `None` if no header may hold it.
fn header_value(text: Zeroizing<String>) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn header_name(name: &str, config: &HttpConfig) -> Result<HeaderName, String> {
    let header = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| "the name is no header's name".to_owned())?;
    if OWN_HEADERS.contains(&header.as_str()) {
        return Err("the header is gitbarge's own".to_owned());
    }
    if header == AUTHORIZATION && config.logs_in() {
        return Err("the header stands beside another way to log in".to_owned());
    }
    if header == COOKIE && config.cookie_file.is_some() {
        return Err("the header stands beside `cookie_file`".to_owned());
    }
    let same = |other: &&String| other.eq_ignore_ascii_case(name);
    if config.headers.keys().filter(same).count() > 1 {
        return Err("the header is there twice".to_owned());
    }
    Ok(header)
}

fn header_key(name: &str) -> String {
    format!("headers.{name}")
}

fn unfit(key: &str) -> String {
    format!("`{key}` contains characters that no header may have")
}

#[cfg(test)]
mod tests;
