//! Keys that lie somewhere, and are read there at each use: rotation needs no restart.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use gitbarge_core::{Error, ErrorKind, Result, Secret};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;

use super::environment::Environment;
use crate::store::{Outcome, Trace};

const ID: &str = "AWS_ACCESS_KEY_ID";
const KEY: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN: &str = "AWS_SESSION_TOKEN";

/// Keys that can be read.
pub(crate) trait Keys: fmt::Debug + Send + Sync {
    /// # Errors
    /// `config`, naming the place.
    fn read(&self) -> Result<AwsCredential>;
}

/// Hands them to object_store.
#[derive(Debug)]
pub(crate) struct Provider<K>(pub(crate) K);

#[async_trait]
impl<K: Keys> CredentialProvider for Provider<K> {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        self.0.read().map(Arc::new).map_err(|error| {
            Trace::current().note(Outcome::NoCredentials(error.failure().message));
            object_store::Error::Generic {
                store: "S3",
                source: Box::new(error),
            }
        })
    }
}

/// Keys of the configuration.
#[derive(Debug)]
pub(crate) struct ConfiguredKeys {
    pub(crate) id: Secret,
    pub(crate) key: Secret,
}

impl Keys for ConfiguredKeys {
    fn read(&self) -> Result<AwsCredential> {
        Ok(AwsCredential {
            key_id: self.id.read()?.expose_line().to_owned(),
            secret_key: self.key.read()?.expose_line().to_owned(),
            token: None,
        })
    }
}

/// Keys in the standard variables.
#[derive(Debug)]
pub(crate) struct VariableKeys(pub(crate) Environment);

impl VariableKeys {
    pub(crate) const PLACE: &str = "environment variable `AWS_ACCESS_KEY_ID`";

    /// Whether at least one of the keys is there.
    pub(crate) fn are_set(environment: &Environment) -> bool {
        environment.has(ID) || environment.has(KEY)
    }
}

impl Keys for VariableKeys {
    fn read(&self) -> Result<AwsCredential> {
        let get = |name: &str| {
            let message = format!("environment variable `{name}` is not set, and the other key is");
            let text = self.0.get(name);
            text.ok_or_else(|| Error::new(ErrorKind::Config, message))
        };
        Ok(AwsCredential {
            key_id: get(ID)?,
            secret_key: get(KEY)?,
            token: self.0.get(TOKEN),
        })
    }
}
