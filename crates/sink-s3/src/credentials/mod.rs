//! Who we are to S3: keys of the configuration, else what every AWS tool would take.

mod environment;
mod keys;
mod profile;

use std::sync::Arc;

use gitbarge_core::{Error, ErrorKind, Result};
use object_store::aws::{AmazonS3Builder, AwsCredentialProvider};

pub(crate) use environment::Environment;

use crate::config::S3Config;
use keys::{ConfiguredKeys, Keys, Provider, VariableKeys};
use profile::{Profile, ProfileKeys};

/// Variables that name a role; object_store knows what to do with them.
const WEB_IDENTITY: [&str; 4] = [
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_ENDPOINT_URL_STS",
];
const CONTAINER: [&str; 3] = [
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];
const MACHINE: [&str; 2] = ["AWS_METADATA_ENDPOINT", "AWS_IMDSV1_FALLBACK"];

/// Where credentials come from, and what stands beside them.
#[derive(Debug)]
pub(crate) struct Access {
    /// Ours, or `None` if object_store is to make one from `variables`.
    pub(crate) provider: Option<AwsCredentialProvider>,
    variables: Vec<(&'static str, String)>,
    /// In words that are safe to print.
    pub(crate) place: String,
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
}

impl Access {
    /// Hands the variables over.
    pub(crate) fn configure(&self, builder: AmazonS3Builder) -> AmazonS3Builder {
        let known = self.variables.iter().filter_map(|(name, value)| {
            let key = name.to_ascii_lowercase().parse().ok()?;
            Some((key, value))
        });
        known.fold(builder, |builder, (key, value)| {
            builder.with_config(key, value)
        })
    }
}

/// Looks in the places that AWS tools look in, after the configuration.
///
/// # Errors
/// `config` if a place holds half of what is needed or something that we cannot use, or if there is none.
pub(crate) fn choose(config: &S3Config, environment: &Environment) -> Result<Access> {
    let has_keys = config.access_key_id.is_some() || VariableKeys::are_set(environment);
    let profile = match Profile::find(environment) {
        // Nobody needs it for its keys.
        Err(_) if has_keys => None,
        found => found?,
    };
    let (provider, variables, place) = provider(config, environment, profile.as_ref())?;
    let variable = |names: &[&str]| names.iter().find_map(|name| environment.get(name));
    let profile = profile.unwrap_or_default();
    Ok(Access {
        provider,
        variables,
        place,
        region: variable(&["AWS_REGION", "AWS_DEFAULT_REGION"]).or(profile.region),
        endpoint: variable(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"])
            .or(profile.endpoint),
    })
}

type Choice = (
    Option<AwsCredentialProvider>,
    Vec<(&'static str, String)>,
    String,
);

fn provider(
    config: &S3Config,
    environment: &Environment,
    profile: Option<&Profile>,
) -> Result<Choice> {
    if let (Some(id), Some(key)) = (&config.access_key_id, &config.secret_access_key) {
        let keys = ConfiguredKeys {
            id: id.clone(),
            key: key.clone(),
        };
        let place = match (id.place(), key.place()) {
            (one, other) if one == other => one,
            (one, other) => format!("{one} and {other}"),
        };
        return ours(keys, place);
    }
    if VariableKeys::are_set(environment) {
        let keys = VariableKeys(environment.clone());
        return ours(keys, VariableKeys::PLACE.to_owned());
    }
    if let Some(profile) = profile.filter(|profile| profile.is_named) {
        return ours(ProfileKeys(profile.clone()), profile.place());
    }
    let set = |names: &[&'static str]| -> Vec<(&'static str, String)> {
        let set = names
            .iter()
            .map(|name| Some((*name, environment.get(name)?)));
        set.flatten().collect()
    };
    let role = set(&WEB_IDENTITY);
    if WEB_IDENTITY[..2].iter().all(|name| environment.has(name)) {
        return Ok((None, role, "the web identity of `AWS_ROLE_ARN`".to_owned()));
    }
    if let Some(profile) = profile.filter(|profile| profile.has_keys()) {
        return ours(ProfileKeys(profile.clone()), profile.place());
    }
    let container = set(&CONTAINER);
    if !container.is_empty() {
        return Ok((None, container, "the container's role".to_owned()));
    }
    if let Some(profile) = profile.filter(|profile| profile.is_obstructed()) {
        return ours(ProfileKeys(profile.clone()), profile.place());
    }
    if environment.says("AWS_EC2_METADATA_DISABLED") {
        return Err(none(&config.url));
    }
    Ok((None, set(&MACHINE), "the machine's role".to_owned()))
}

fn ours(keys: impl Keys + 'static, place: String) -> Result<Choice> {
    // What cannot be read is found now, not at the first request.
    keys.read()?;
    Ok((Some(Arc::new(Provider(keys))), Vec::new(), place))
}

fn none(url: &str) -> Error {
    let url = gitbarge_core::Address::new(url);
    Error::new(ErrorKind::Config, format!("there are no credentials for `{url}`")).with_hint(
        "set `access_key_id` and `secret_access_key`, the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile",
    )
}

#[cfg(test)]
mod tests;
