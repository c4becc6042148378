//! What opens the server's door: a user and a password, a token, and further headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gitbarge_core::{Error, ErrorKind, Problem, Result, Secret, SecretText};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use crate::HttpConfig;
use crate::url::UserInfo;

/// Headers that belong to the protocol.
const OWN_HEADERS: [&str; 8] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "accept-encoding",
    "git-protocol",
];

/// What goes into the headers of each request. Its secrets are read anew for each operation.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    login: Login,
    headers: Vec<(HeaderName, Secret)>,
}

#[derive(Debug, Clone)]
enum Login {
    None,
    Basic {
        username: Secret,
        password: Option<Secret>,
    },
    Bearer(Secret),
}

impl Credentials {
    /// Combines the keys with what stood in the URL.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn new(config: &HttpConfig, in_url: Option<UserInfo>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let login = Login::new(config, in_url).unwrap_or_else(|problem| {
            problems.push(problem);
            Login::None
        });
        let mut headers = Vec::new();
        for (name, value) in &config.headers {
            match header_name(name, config) {
                Ok(name) => headers.push((name, value.clone())),
                Err(why) => problems.push(Problem::new(header_key(name), why)),
            }
        }
        if problems.is_empty() {
            Ok(Self { login, headers })
        } else {
            Err(problems)
        }
    }

    /// The headers of each request.
    ///
    /// # Errors
    /// `config`, naming the key.
    pub(crate) fn read(&self) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, text) in self.texts() {
            let value = header_value(text?)
                .ok_or_else(|| Error::new(ErrorKind::Config, unfit(&self.key_of(&name))))?;
            headers.insert(name, value);
        }
        Ok(headers)
    }

    /// The same for the LFS server.
    ///
    /// # Errors
    /// `config`, naming the key.
    pub(crate) fn read_pairs(&self) -> Result<Vec<(String, SecretText)>> {
        let pair = |(name, text): (HeaderName, Result<Zeroizing<String>>)| {
            let text = Secret::literal(text?.as_str()).read()?;
            Ok((name.to_string(), text))
        };
        self.texts().map(pair).collect()
    }

    /// Reads everything, and says what is wrong with it.
    pub(crate) fn inspect(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (name, text) in self.texts() {
            let key = self.key_of(&name);
            let fault = match text {
                Err(error) => Some(error.failure().message),
                Ok(text) => header_value(text).is_none().then(|| unfit(&key)),
            };
            problems.extend(fault.map(|message| Problem::new(key, message)));
        }
        problems
    }

    /// Whether a server gets to know who asks.
    pub(crate) fn are_given(&self) -> bool {
        !matches!(self.login, Login::None) || !self.headers.is_empty()
    }

    /// What to do when the server does not let these in.
    pub(crate) fn hint(&self) -> String {
        match &self.login {
            Login::Bearer(token) => format!(
                "check `token` ({}): that it is valid, and may read the repository; many servers want a token as `password`",
                token.place()
            ),
            Login::Basic {
                password: Some(password),
                ..
            } => format!(
                "check `username` and `password` ({}): that they are valid, and may read the repository",
                password.place()
            ),
            Login::Basic { password: None, .. } => {
                "check the user name, or set `password`".to_owned()
            }
            Login::None if self.headers.is_empty() => {
                "set `username` and `password`, or `token`".to_owned()
            }
            Login::None => {
                "check `headers`, or set `username` and `password`, or `token`".to_owned()
            }
        }
    }

    fn texts(&self) -> impl Iterator<Item = (HeaderName, Result<Zeroizing<String>>)> + '_ {
        let login = self
            .login
            .text()
            .transpose()
            .map(|text| (AUTHORIZATION, text));
        let headers = self.headers.iter().map(|(name, value)| {
            let text = value.read();
            let text = text.map(|text| Zeroizing::new(text.expose_line().to_owned()));
            (name.clone(), text)
        });
        login.into_iter().chain(headers)
    }

    fn key_of(&self, header: &HeaderName) -> String {
        match &self.login {
            Login::Bearer(_) if header == AUTHORIZATION => "token".to_owned(),
            Login::Basic { .. } if header == AUTHORIZATION => "password".to_owned(),
            _ => header_key(header.as_str()),
        }
    }
}

impl Login {
    fn new(config: &HttpConfig, in_url: Option<UserInfo>) -> Result<Self, Problem> {
        let (username, password) = (&config.username, &config.password);
        if let Some(token) = &config.token {
            if username.is_some() || password.is_some() || in_url.is_some() {
                let message = "`token` stands beside a user name or password: set one of them";
                return Err(Problem::new("token", message));
            }
            return Ok(Self::Bearer(token.clone()));
        }
        if let Some(name) = username
            && (name.contains(':') || name.chars().any(char::is_control))
        {
            let message = "the user name contains a colon or a control character";
            return Err(Problem::new("username", message));
        }
        match (username, password, in_url) {
            (Some(_), _, Some(_)) => Err(Problem::new(
                "username",
                "the url holds a user name as well: set one of them",
            )),
            (None, Some(password), Some(user)) => match user.password {
                None => Ok(Self::Basic {
                    username: user.username,
                    password: Some(password.clone()),
                }),
                Some(_) => Err(Problem::new(
                    "password",
                    "the url holds a password as well: set one of them",
                )),
            },
            (None, Some(_), None) => Err(Problem::new(
                "password",
                "`password` wants a `username`; where only an access token counts, any name does, such as `git`",
            )),
            (Some(username), password, None) => Ok(Self::Basic {
                username: Secret::literal(username),
                password: password.clone(),
            }),
            (None, None, Some(user)) => Ok(Self::Basic {
                username: user.username,
                password: user.password,
            }),
            (None, None, None) => Ok(Self::None),
        }
    }

    /// The value of `Authorization` (RFC 7617, RFC 6750).
    fn text(&self) -> Result<Option<Zeroizing<String>>> {
        match self {
            Self::None => Ok(None),
            Self::Basic { username, password } => {
                let password = password.as_ref().map(Secret::read).transpose()?;
                let password = password.as_ref().map_or("", SecretText::expose_line);
                Ok(Some(basic(username.read()?.expose(), password)))
            }
            Self::Bearer(token) => {
                let token = token.read()?;
                let mut text = Zeroizing::new(String::with_capacity(7 + token.expose_line().len()));
                text.push_str("Bearer ");
                text.push_str(token.expose_line());
                Ok(Some(text))
            }
        }
    }
}

/// Nothing here grows: what is left behind by growing would not be wiped.
fn basic(username: &str, password: &str) -> Zeroizing<String> {
    let length = username.len() + 1 + password.len();
    let mut both = Zeroizing::new(String::with_capacity(length));
    both.push_str(username);
    both.push(':');
    both.push_str(password);
    let mut text = Zeroizing::new(String::with_capacity(6 + length.div_ceil(3) * 4));
    text.push_str("Basic ");
    STANDARD.encode_string(both.as_bytes(), &mut text);
    text
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
    let logs_in = config.token.is_some() || config.username.is_some() || config.password.is_some();
    if header == AUTHORIZATION && logs_in {
        return Err("the header stands beside a token, user name or password".to_owned());
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
mod tests {
    use super::*;

    fn credentials(config: &HttpConfig) -> Credentials {
        config.checked().unwrap().1
    }

    #[test]
    fn a_user_and_password_are_basic_and_a_token_is_bearer() {
        let mut config = HttpConfig::new("https://h/x");
        config.username = Some("me".to_owned());
        config.password = Some(Secret::literal("hush\n"));
        let headers = credentials(&config).read().unwrap();
        assert_eq!(headers[AUTHORIZATION], "Basic bWU6aHVzaA==");
        assert!(headers[AUTHORIZATION].is_sensitive());

        let in_url = credentials(&HttpConfig::new("https://me:hush@h/x"));
        assert_eq!(in_url.read().unwrap(), headers);

        let mut config = HttpConfig::new("https://h/x");
        config.token = Some(Secret::literal("hush"));
        let headers = credentials(&config).read().unwrap();
        assert_eq!(headers[AUTHORIZATION], "Bearer hush");
    }

    #[test]
    fn the_lfs_server_gets_the_same() {
        let mut config = HttpConfig::new("https://me:hush@h/x");
        config.headers = [("X-Org".to_owned(), Secret::literal("7"))].into();
        let pairs = credentials(&config).read_pairs().unwrap();
        let shown: Vec<_> = pairs
            .iter()
            .map(|(n, v)| (n.as_str(), v.expose()))
            .collect();
        assert_eq!(
            shown,
            [("authorization", "Basic bWU6aHVzaA=="), ("x-org", "7")]
        );
    }

    #[test]
    fn what_no_header_may_hold_is_told_without_quoting_it() {
        let mut config = HttpConfig::new("https://h/x");
        config.token = Some(Secret::literal("hush\r\nx: y"));
        let error = credentials(&config).read().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(
            error.to_string(),
            "`token` contains characters that no header may have"
        );
    }
}
