//! Profiles in `~/.aws/credentials` and `~/.aws/config`.
//!
//! Format: <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use gitbarge_core::{Error, ErrorKind, Result};
use object_store::aws::AwsCredential;

use super::environment::Environment;
use super::keys::Keys;

/// Ways to get keys that we do not go, and how they show.
const OBSTACLES: [(&str, &str); 6] = [
    ("credential_process", "runs a program for its keys"),
    ("sso_session", "uses single sign-on"),
    ("sso_start_url", "uses single sign-on"),
    ("role_arn", "takes on a role"),
    ("login_session", "uses a browser's login"),
    ("credential_source", "takes on a role"),
];

type Settings = BTreeMap<String, String>;

/// A profile that the files have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Profile {
    files: Files,
    name: String,
    /// Whether somebody chose it; the profile `default` is taken without that.
    pub(crate) is_named: bool,
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
    has_keys: bool,
    obstacle: Option<&'static str>,
}

#[derive(Debug, Clone, Default)]
struct Files {
    credentials: PathBuf,
    config: PathBuf,
}

impl Profile {
    /// The profile that the variables choose, else `default` if there is one.
    ///
    /// # Errors
    /// `config` if the chosen profile is not there, or a file is unreadable.
    pub(crate) fn find(environment: &Environment) -> Result<Option<Self>> {
        let chosen = environment.get("AWS_PROFILE");
        let chosen = chosen.or_else(|| environment.get("AWS_DEFAULT_PROFILE"));
        let is_named = chosen.is_some();
        let name = chosen.unwrap_or_else(|| "default".to_owned());
        let files = Files::of(environment);
        let Some(settings) = files.settings(&name)? else {
            let message = format!(
                "profile `{}` is not in {}",
                name.escape_debug(),
                files.shown()
            );
            return match is_named {
                true => Err(Error::new(ErrorKind::Config, message)),
                false => Ok(None),
            };
        };
        let obstacle = OBSTACLES
            .iter()
            .find(|(key, _)| settings.contains_key(*key));
        let get = |key: &str| settings.get(key).cloned();
        Ok(Some(Self {
            region: get("region"),
            endpoint: get("endpoint_url"),
            has_keys: settings.contains_key("aws_access_key_id"),
            obstacle: obstacle.map(|(_, what)| *what),
            files,
            name,
            is_named,
        }))
    }

    /// Whether it has keys, or should have some.
    pub(crate) fn has_keys(&self) -> bool {
        self.has_keys
    }

    /// Whether its keys come in a way that we do not go.
    pub(crate) fn is_obstructed(&self) -> bool {
        self.obstacle.is_some()
    }

    /// In words that are safe to print.
    pub(crate) fn place(&self) -> String {
        format!("profile `{}`", self.name.escape_debug())
    }
}

/// The keys of a profile.
#[derive(Debug)]
pub(crate) struct ProfileKeys(pub(crate) Profile);

impl Keys for ProfileKeys {
    fn read(&self) -> Result<AwsCredential> {
        let Self(profile) = self;
        let mut settings = profile.files.settings(&profile.name)?.unwrap_or_default();
        let token = settings.remove("aws_session_token");
        let (id, key) = (
            settings.remove("aws_access_key_id"),
            settings.remove("aws_secret_access_key"),
        );
        if let (Some(key_id), Some(secret_key)) = (id, key) {
            return Ok(AwsCredential {
                key_id,
                secret_key,
                token,
            });
        }
        let (place, files) = (profile.place(), profile.files.shown());
        let message = match profile.obstacle {
            Some(what) => format!("{place} in {files} {what}, which gitbarge does not do"),
            None => format!("{place} in {files} has no keys"),
        };
        Err(Error::new(ErrorKind::Config, message).with_hint(
            "give gitbarge keys: `eval \"$(aws configure export-credentials --format env)\"` sets them as variables",
        ))
    }
}

impl Files {
    fn of(environment: &Environment) -> Self {
        let home = environment
            .get("HOME")
            .map(PathBuf::from)
            .unwrap_or_default();
        let path = |variable: &str, name: &str| match environment.get(variable) {
            Some(path) => PathBuf::from(path),
            None => home.join(".aws").join(name),
        };
        Self {
            credentials: path("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
            config: path("AWS_CONFIG_FILE", "config"),
        }
    }

    /// What both files say of a profile; the file with the keys wins. `None` if neither knows it.
    fn settings(&self, name: &str) -> Result<Option<Settings>> {
        let long = format!("profile {name}");
        let config = read(&self.config)?;
        let names = if name == "default" {
            vec![name, &long]
        } else {
            vec![&*long]
        };
        let mut found = names.into_iter().find_map(|name| section(&config, name));
        if let Some(settings) = section(&read(&self.credentials)?, name) {
            found.get_or_insert_default().extend(settings);
        }
        Ok(found)
    }

    fn shown(&self) -> String {
        format!(
            "`{}` or `{}`",
            self.credentials.display(),
            self.config.display()
        )
    }
}

fn read(path: &Path) -> Result<String> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => {
            let message = format!("`{}` cannot be read", path.display());
            Err(Error::new(ErrorKind::Config, message).with_source(error))
        }
        Ok(text) => Ok(text),
    }
}

/// The settings of one section. Nested ones (indented lines) are left out.
fn section(text: &str, name: &str) -> Option<Settings> {
    let mut found: Option<Settings> = None;
    let mut is_ours = false;
    for line in text.lines() {
        let is_nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            let header = header.split(']').next().unwrap_or_default();
            is_ours = header.split_whitespace().eq(name.split_whitespace());
            if is_ours {
                found.get_or_insert_default();
            }
        } else if is_ours
            && !is_nested
            && let Some((key, value)) = line.split_once('=')
        {
            let value = value.split(" #").next().unwrap_or_default().trim();
            let key = key.trim().to_ascii_lowercase();
            found.get_or_insert_default().insert(key, value.to_owned());
        }
    }
    found
}
