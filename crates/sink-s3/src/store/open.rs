//! From the configuration to a store.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use gitbarge_core::{Error, ErrorKind, Result, Secret, SecretText, panic_error};
use http::{HeaderMap, HeaderName, HeaderValue};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use reqwest::Url;
use tokio_util::task::TaskTracker;

use super::cloud::Cloud;
use super::counted::Counters;
use super::error::Names;
use super::folder::Folder;
use super::http::{Connector, IDLE_TIMEOUT};
use super::unfinished::Unfinished;
use super::{Backend, Store};
use crate::config::{S3Config, check_endpoint};
use crate::credentials::{self, Environment};
use crate::url::{Bucket, Cloud as Kind, StoreUrl};

/// What a bucket is opened with.
struct Opening<'a> {
    config: &'a S3Config,
    environment: &'a Environment,
    bucket: &'a Bucket,
    connector: Connector,
    retry: RetryConfig,
}

/// What came of it.
struct Opened {
    objects: Arc<dyn ObjectStore>,
    copier: Option<Arc<dyn ObjectStore>>,
    unfinished: Option<Unfinished>,
    endpoint: String,
    access: String,
}

pub(super) async fn open(config: &S3Config) -> Result<Store> {
    open_with(config, &Environment::of_process(), IDLE_TIMEOUT).await
}

pub(super) async fn open_with(
    config: &S3Config,
    environment: &Environment,
    idle: Duration,
) -> Result<Store> {
    let url = config.check().map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Error::new(ErrorKind::Config, problems.join("; "))
    })?;
    let counters = Arc::<Counters>::default();
    let backend = match &url {
        StoreUrl::Folder(path) => {
            Backend::Folder(Arc::new(Folder::new(path.clone(), counters.clone())))
        }
        StoreUrl::Bucket(bucket) => {
            let connector = connector(counters.clone(), idle).await?;
            let opening = Opening {
                config,
                environment,
                bucket,
                connector,
                retry: retry(),
            };
            Backend::Cloud(Arc::new(opening.open()?))
        }
    };
    Ok(Store {
        url: Arc::new(url),
        backend,
        counters,
        aborts: TaskTracker::new(),
    })
}

async fn connector(counters: Arc<Counters>, idle: Duration) -> Result<Connector> {
    let made = tokio::task::spawn_blocking(move || Connector::new(counters, idle)).await;
    made.unwrap_or_else(|join| Err(panic_error("reading the system's certificates", join)))
}

/// Short, since the engine tries the whole run again: some five seconds of waiting. The limit of time is for requests that take
/// long by themselves.
fn retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.5,
        },
        max_retries: 5,
        retry_timeout: Duration::from_secs(180),
    }
}

impl Opening<'_> {
    fn open(self) -> Result<Cloud> {
        let opened = match self.bucket.cloud {
            Kind::S3 => self.s3(),
            Kind::Google => self.google(),
            Kind::Azure => self.azure(),
        }?;
        Ok(Cloud {
            objects: opened.objects,
            bucket: self.bucket.clone(),
            names: Names {
                bucket: self.bucket.address(),
                endpoint: opened.endpoint,
                access: opened.access,
            },
            storage_class: self.config.storage_class.clone(),
            copier: opened.copier,
            unfinished: opened.unfinished,
            has_read: AtomicBool::new(false),
        })
    }

    /// Keys of the configuration, else the variables, roles and profiles that every AWS tool knows.
    fn s3(&self) -> Result<Opened> {
        let access = credentials::choose(self.config, self.environment)?;
        let given = [self.config.region.clone(), access.region.clone()];
        let region = given.into_iter().flatten().next();
        let region = region.unwrap_or_else(|| "us-east-1".to_owned());
        let endpoint = match self.endpoint(access.endpoint.as_deref())? {
            Some(endpoint) => endpoint,
            None => aws_endpoint(&region)?,
        };
        let shown = endpoint.as_str().trim_end_matches('/').to_owned();
        let builder = access
            .configure(AmazonS3Builder::new())
            .with_bucket_name(&self.bucket.name)
            .with_region(&region)
            .with_endpoint(&shown)
            .with_allow_http(true)
            .with_disable_bulk_delete(true)
            .with_retry(self.retry.clone());
        // Whoever hands out credentials is not the store: a first store is made for its credentials alone.
        let first = builder
            .clone()
            .with_http_connector(self.connector.for_credentials());
        let credentials = match access.provider {
            Some(provider) => provider,
            None => first.build().map_err(unusable)?.credentials().clone(),
        };
        let store = builder
            .with_credentials(credentials.clone())
            .with_http_connector(self.connector.clone());
        let copier = match &self.config.storage_class {
            Some(class) => store.clone().with_client_options(classed(class)?),
            None => store.clone(),
        };
        let copier = Arc::new(copier.build().map_err(unusable)?);
        let s3 = Arc::new(store.build().map_err(unusable)?);
        let bucket = format!("{shown}/{}", self.bucket.name);
        let bucket = Url::parse(&bucket).map_err(|error| {
            Error::new(ErrorKind::Config, "the endpoint is unusable").with_source(error)
        })?;
        Ok(Opened {
            objects: s3.clone(),
            copier: Some(copier),
            unfinished: Some(Unfinished {
                s3,
                connector: self.connector.clone(),
                credentials,
                region,
                bucket,
            }),
            endpoint: shown,
            access: access.place,
        })
    }

    /// A service account or a role, as Google's own tools find it.
    fn google(&self) -> Result<Opened> {
        let mut builder = GoogleCloudStorageBuilder::from_env()
            .with_bucket_name(&self.bucket.name)
            .with_retry(self.retry.clone());
        let endpoint = self.endpoint(None)?;
        if let Some(endpoint) = &endpoint {
            builder = builder.with_base_url(endpoint.as_str().trim_end_matches('/'));
        }
        let first = builder
            .clone()
            .with_http_connector(self.connector.for_credentials());
        let credentials = first.build().map_err(unusable)?.credentials().clone();
        let store = builder
            .with_credentials(credentials)
            .with_http_connector(self.connector.clone())
            .build()
            .map_err(unusable)?;
        let objects: Arc<dyn ObjectStore> = Arc::new(store);
        let is_plain = self.config.storage_class.is_none();
        Ok(Opened {
            copier: is_plain.then(|| objects.clone()),
            objects,
            unfinished: None,
            endpoint: endpoint.map_or("https://storage.googleapis.com".to_owned(), Into::into),
            access: "Google's application default credentials".to_owned(),
        })
    }

    /// The configured account, else what the variables AZURE_… say.
    fn azure(&self) -> Result<Opened> {
        let mut builder = MicrosoftAzureBuilder::from_env()
            .with_container_name(&self.bucket.name)
            .with_allow_http(true)
            .with_retry(self.retry.clone());
        let endpoint = self.endpoint(None)?;
        if let Some(endpoint) = &endpoint {
            builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/').to_owned());
        }
        let mut access = "the variables AZURE_…".to_owned();
        if let (Some(id), Some(key)) = (&self.config.access_key_id, &self.config.secret_access_key)
        {
            access = id.place();
            let (id, key): (SecretText, SecretText) = (Secret::read(id)?, key.read()?);
            builder = builder
                .with_account(id.expose_line())
                .with_access_key(key.expose_line());
        }
        let first = builder
            .clone()
            .with_http_connector(self.connector.for_credentials());
        let credentials = first.build().map_err(unusable)?.credentials().clone();
        let store = builder
            .with_credentials(credentials)
            .with_http_connector(self.connector.clone())
            .build()
            .map_err(unusable)?;
        Ok(Opened {
            objects: Arc::new(store),
            // Its copies may still be going on when they are answered.
            copier: None,
            unfinished: None,
            endpoint: endpoint.map_or("https://blob.core.windows.net".to_owned(), Into::into),
            access,
        })
    }

    fn endpoint(&self, found: Option<&str>) -> Result<Option<Url>> {
        let Some(text) = self.config.endpoint.as_deref().or(found) else {
            return Ok(None);
        };
        let is_allowed = self.config.allow_http || self.environment.says("AWS_ALLOW_HTTP");
        let checked = check_endpoint(text, is_allowed);
        checked.map(Some).map_err(|problem| {
            let message = format!("the endpoint of `{}`: {problem}", self.bucket.address());
            Error::new(ErrorKind::Config, message)
        })
    }
}

/// What a request says besides when its object gets a storage class of its own.
fn classed(class: &str) -> Result<ClientOptions> {
    let class = HeaderValue::from_str(class).map_err(|error| {
        Error::new(ErrorKind::Config, "the storage class is no word").with_source(error)
    })?;
    let headers = HeaderMap::from_iter([(HeaderName::from_static("x-amz-storage-class"), class)]);
    Ok(ClientOptions::new()
        .with_allow_http(true)
        .with_default_headers(headers))
}

fn aws_endpoint(region: &str) -> Result<Url> {
    let domain = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    Url::parse(&format!("https://s3.{region}.{domain}"))
        .map_err(|error| Error::new(ErrorKind::Config, "the region is no word").with_source(error))
}

/// What object_store says of incomplete settings names no secrets.
fn unusable(error: object_store::Error) -> Error {
    Error::new(ErrorKind::Config, "the store's settings cannot be used").with_source(error)
}
