//! How a server is told who asks, as the configuration says it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitbarge_core::{Problem, Result, Secret, SecretText};
use zeroize::Zeroizing;

use crate::askpass::Askpass;
use crate::config::{HostConfig, HttpConfig};
use crate::github_app::GithubApp;
use crate::url::UserInfo;

/// What opens a server's door.
#[derive(Debug, Clone)]
pub(crate) enum Login {
    None,
    Basic {
        username: Secret,
        password: Option<Secret>,
    },
    Bearer(Secret),
    Askpass(Askpass),
    App(Arc<GithubApp>),
}

impl Login {
    /// The repository's own server's.
    ///
    /// # Errors
    /// Everything that is wrong with the keys.
    pub(crate) fn new(config: &HttpConfig, in_url: Option<UserInfo>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let askpass = config.askpass_url.as_deref().map(Askpass::new);
        let app = config.github_app.as_ref().map(GithubApp::new);
        let has_words = config.username.is_some()
            || config.password.is_some()
            || config.token.is_some()
            || in_url.is_some();
        let alone = [
            ("askpass_url", askpass.is_some()),
            ("github_app", app.is_some()),
        ];
        for (key, _) in alone.into_iter().filter(|(_, is_there)| *is_there) {
            if has_words || (key == "github_app" && askpass.is_some()) {
                let message =
                    format!("`{key}` stands beside another way to log in: set one of them");
                problems.push(Problem::new(key, message));
            }
        }
        let own = Self::of(Words::of_config(config), in_url).map_err(|problem| vec![problem]);
        let app = app.map(|app| app.map(|app| Self::App(Arc::new(app))));
        let askpass =
            askpass.map(|askpass| askpass.map(Self::Askpass).map_err(|problem| vec![problem]));
        let mut chosen = Self::None;
        for login in [Some(own), askpass, app].into_iter().flatten() {
            match login {
                Ok(Self::None) => {}
                Ok(login) => chosen = login,
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() {
            Ok(chosen)
        } else {
            Err(problems)
        }
    }

    /// Another server's.
    ///
    /// # Errors
    /// What is wrong with the keys.
    pub(crate) fn of_host(config: &HostConfig) -> Result<Self, Problem> {
        let words = Words {
            username: config.username.as_ref(),
            password: config.password.as_ref(),
            token: config.token.as_ref(),
        };
        Self::of(words, None)
    }

    fn of(words: Words<'_>, in_url: Option<UserInfo>) -> Result<Self, Problem> {
        let Words {
            username,
            password,
            token,
        } = words;
        if let Some(token) = token {
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
                password: password.cloned(),
            }),
            (None, None, Some(user)) => Ok(Self::Basic {
                username: user.username,
                password: user.password,
            }),
            (None, None, None) => Ok(Self::None),
        }
    }

    /// The value of `Authorization` (RFC 7617, RFC 6750), as far as it can be known without asking anybody.
    ///
    /// # Errors
    /// `config`, naming the place.
    pub(crate) fn text(&self) -> Result<Option<Zeroizing<String>>> {
        match self {
            Self::None | Self::Askpass(_) | Self::App(_) => Ok(None),
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

    /// The key that its secret stands in.
    pub(crate) fn key(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Basic { .. } => Some("password"),
            Self::Bearer(_) => Some("token"),
            Self::Askpass(_) => Some("askpass_url"),
            Self::App(_) => Some("github_app.private_key"),
        }
    }

    /// What to do when the server does not let it in.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::None => return None,
            Self::Bearer(token) => format!(
                "check `token` ({}): that it is valid, and may read the repository; many servers want a token as `password`",
                token.place()
            ),
            Self::Basic {
                password: Some(password),
                ..
            } => format!(
                "check `username` and `password` ({}): that they are valid, and may read the repository",
                password.place()
            ),
            Self::Basic { password: None, .. } => {
                "check the user name, or set `password`".to_owned()
            }
            Self::Askpass(askpass) => format!(
                "check what `askpass_url` (`{}`) answers: that it is valid, and may read the repository",
                askpass.address()
            ),
            Self::App(_) => {
                "check that the GitHub App is installed for the repository, and may read its contents".to_owned()
            }
        })
    }
}

/// A user, a password and a token, as far as they are set.
struct Words<'c> {
    username: Option<&'c String>,
    password: Option<&'c Secret>,
    token: Option<&'c Secret>,
}

impl<'c> Words<'c> {
    fn of_config(config: &'c HttpConfig) -> Self {
        Self {
            username: config.username.as_ref(),
            password: config.password.as_ref(),
            token: config.token.as_ref(),
        }
    }
}

/// The value of `Authorization`, or of `Proxy-Authorization`.
///
/// Nothing here grows: what is left behind by growing would not be wiped.
pub(crate) fn basic(username: &str, password: &str) -> Zeroizing<String> {
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
