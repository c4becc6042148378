//! The ways to the servers, as the configuration says them.

use std::path::Path;

use gitbarge_core::{
    Error, ErrorKind, HttpProxy, Network, Problem, Result, Secret, SecretText, bounded,
};
use gitbarge_http_client::builder;
use reqwest::Url;
use zeroize::Zeroizing;

use crate::HttpConfig;
use crate::login::basic;
use crate::url::{UserInfo, remove_user_info, user_info};

/// The largest file of certificates, in bytes.
const LARGEST_FILE: u64 = 4 << 20;

/// The ways to the servers. Their files are read anew for each operation.
#[derive(Debug, Clone)]
pub(crate) struct Ways {
    ca: Option<std::path::PathBuf>,
    client_cert: Option<std::path::PathBuf>,
    client_key: Option<Secret>,
    proxy: Option<ProxyWay>,
}

#[derive(Debug, Clone)]
struct ProxyWay {
    /// Without user info.
    url: Url,
    login: Option<UserInfo>,
}

impl Ways {
    /// Checks the keys.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn new(config: &HttpConfig) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if config.client_key.is_some() && config.client_cert.is_none() {
            let message = "`client_key` wants a `client_cert`";
            problems.push(Problem::new("client_key", message));
        }
        let proxy = proxy(config).unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            ca: config.ca.clone(),
            client_cert: config.client_cert.clone(),
            client_key: config.client_key.clone(),
            proxy,
        })
    }

    /// Reads everything.
    ///
    /// # Errors
    /// `config`, naming the file or variable.
    pub(crate) fn read(&self) -> Result<Network> {
        let ca = self
            .ca
            .as_deref()
            .map(|path| file("ca", path))
            .transpose()?;
        Ok(Network {
            ca: ca.map(|ca| ca.to_vec().into()),
            identity: self.identity()?,
            proxy: self.proxy.as_ref().map(ProxyWay::read).transpose()?,
        })
    }

    /// What cannot be read or used.
    pub(crate) fn inspect(&self) -> Vec<Problem> {
        let fault = |key: &str, error: Error| Problem::new(key, error.failure().message);
        let ca = self.ca.as_deref().map(|path| {
            let ca = Some(file("ca", path)?.to_vec().into());
            usable(&Network {
                ca,
                ..Network::default()
            })
        });
        let identity = self.client_cert.is_some().then(|| {
            let identity = self.identity()?;
            usable(&Network {
                identity,
                ..Network::default()
            })
        });
        let proxy = self.proxy.as_ref().map(|proxy| {
            let proxy = Some(proxy.read()?);
            usable(&Network {
                proxy,
                ..Network::default()
            })
        });
        let checks = [
            ("ca", ca),
            ("client_cert", identity),
            ("proxy_password", proxy),
        ];
        let checks = checks.into_iter();
        checks
            .filter_map(|(key, check)| Some(fault(key, check?.err()?)))
            .collect()
    }

    fn identity(&self) -> Result<Option<SecretText>> {
        let Some(path) = &self.client_cert else {
            return Ok(None);
        };
        let cert = file("client_cert", path)?;
        let key = self.client_key.as_ref().map(Secret::read).transpose()?;
        let key = key.as_ref().map_or("", SecretText::expose);
        let cert = std::str::from_utf8(&cert).map_err(|_| {
            let message = format!("`client_cert` (`{}`) is not UTF-8", path.display());
            Error::new(ErrorKind::Config, message)
        })?;
        let mut both = Zeroizing::new(String::with_capacity(cert.len() + 1 + key.len()));
        both.push_str(cert);
        both.push('\n');
        both.push_str(key);
        Ok(Some(SecretText::new(both)))
    }
}

impl ProxyWay {
    fn read(&self) -> Result<HttpProxy> {
        let read = |login: &UserInfo| -> Result<SecretText> {
            let password = login.password.as_ref().map(Secret::read).transpose()?;
            let password = password.as_ref().map_or("", SecretText::expose_line);
            let text = basic(login.username.read()?.expose(), password);
            Ok(SecretText::new(text))
        };
        Ok(HttpProxy {
            url: self.url.to_string(),
            authorization: self.login.as_ref().map(read).transpose()?,
        })
    }
}

fn proxy(config: &HttpConfig) -> Result<Option<ProxyWay>, Problem> {
    let words = (&config.proxy_username, &config.proxy_password);
    let Some(text) = &config.proxy else {
        return match words {
            (None, None) => Ok(None),
            (Some(_), _) => Err(Problem::new(
                "proxy_username",
                "`proxy_username` wants a `proxy`",
            )),
            (None, Some(_)) => Err(Problem::new(
                "proxy_password",
                "`proxy_password` wants a `proxy`",
            )),
        };
    };
    let parsed = Url::parse(text).ok().filter(Url::has_host);
    let Some(mut url) = parsed.filter(|url| matches!(url.scheme(), "http" | "https")) else {
        let message = "the proxy is no http(s) URL, such as `http://proxy.example.org:3128`";
        return Err(Problem::new("proxy", message));
    };
    let in_url = user_info(&url).map_err(|message| Problem::new("proxy", message))?;
    remove_user_info(&mut url);
    let login = match (words, in_url) {
        ((None, None), in_url) => in_url,
        ((Some(name), _), None) if name.contains(':') => {
            let message = "the user name contains a colon";
            return Err(Problem::new("proxy_username", message));
        }
        ((Some(name), password), None) => Some(UserInfo {
            username: Secret::literal(name),
            password: password.clone(),
        }),
        ((None, Some(password)), Some(user)) if user.password.is_none() => Some(UserInfo {
            password: Some(password.clone()),
            ..user
        }),
        ((None, Some(_)), None) => {
            let message = "`proxy_password` wants a `proxy_username`";
            return Err(Problem::new("proxy_password", message));
        }
        (_, Some(_)) => {
            let message = "the proxy's URL holds credentials as well: set one of them";
            return Err(Problem::new("proxy", message));
        }
    };
    Ok(Some(ProxyWay { url, login }))
}

fn file(key: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    bounded::read(path, LARGEST_FILE).map_err(|error| {
        let message = format!("`{key}` (`{}`) cannot be read", path.display());
        Error::new(ErrorKind::Config, message).with_source(error)
    })
}

fn usable(network: &Network) -> Result<()> {
    let client = builder(network)?.build();
    client.map(drop).map_err(|_| {
        let message = "the certificate or its key cannot be used";
        Error::new(ErrorKind::Config, message)
    })
}
