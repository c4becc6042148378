//! Plugins that do nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    Address, Alert, Alerter, AlerterPlugin, Connection, Delivery, Entry, Error, ErrorKind, Expect,
    Held, Key, Lease, PluginConfig, Problem, Receipt, Requests, Result, Run, Secret, Service, Sink,
    SinkPlugin, Source, SourcePlugin, StatePlugin, StateStore, Trigger, TriggerPlugin, Version,
    duration,
};

struct Nothing;

fn unused<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Internal, "not used in these tests"))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WellConfig {
    /// Where the well is.
    url: String,
    #[serde(default)]
    password: Option<Secret>,
}

struct Well(String);

#[async_trait]
impl Source for Well {
    async fn connect(&self, _: Service, _: &Run) -> Result<Connection> {
        unused()
    }

    fn address(&self) -> Address {
        Address::new(&self.0)
    }
}

impl PluginConfig<dyn Source> for WellConfig {
    const TYPE: &'static str = "well";
    const SUMMARY: &'static str = "a source";
    const EXAMPLE: &'static str = "url = \"deep\"";

    fn build(&self) -> Result<Arc<dyn Source>, Vec<Problem>> {
        if self.url.is_empty() {
            return Err(vec![Problem::new("url", "the url is empty")]);
        }
        Ok(Arc::new(Well(self.url.clone())))
    }

    fn inspect(&self) -> Vec<Problem> {
        let read = self
            .password
            .iter()
            .filter_map(|secret| secret.read().err());
        read.map(|error| Problem::new("password", error.to_string()))
            .collect()
    }
}

crate::register! { SourcePlugin::new::<WellConfig>() }

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BucketConfig {
    path: PathBuf,
    #[serde(default)]
    #[expect(dead_code, reason = "a key that one can leave out")]
    size: Option<u8>,
}

#[async_trait]
impl Sink for Nothing {
    async fn held(&self, _: &Run) -> Result<Held> {
        unused()
    }

    async fn deliver(&self, _: &Delivery, _: &Run) -> Result<Receipt> {
        unused()
    }
}

impl PluginConfig<dyn Sink> for BucketConfig {
    const TYPE: &'static str = "bucket";
    const SUMMARY: &'static str = "a sink with a folder";
    const EXAMPLE: &'static str = "path = \"/srv\"";

    fn build(&self) -> Result<Arc<dyn Sink>, Vec<Problem>> {
        if self.path.as_os_str().is_empty() {
            return Err(vec![Problem::new("path", "the path is empty")]);
        }
        Ok(Arc::new(Nothing))
    }

    fn claims(&self) -> Vec<PathBuf> {
        vec![self.path.clone()]
    }
}

crate::register! { SinkPlugin::new::<BucketConfig>() }

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the keys matter")]
struct PairConfig {
    left: u8,
    right: u8,
}

impl PluginConfig<dyn Sink> for PairConfig {
    const TYPE: &'static str = "pair";
    const SUMMARY: &'static str = "a sink with two keys";
    const EXAMPLE: &'static str = "left = 1\nright = 2";

    fn build(&self) -> Result<Arc<dyn Sink>, Vec<Problem>> {
        Ok(Arc::new(Nothing))
    }
}

crate::register! { SinkPlugin::new::<PairConfig>() }

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TickConfig {
    #[serde(deserialize_with = "duration::deserialize")]
    #[schemars(schema_with = "duration::schema")]
    #[expect(dead_code, reason = "only the key matters")]
    every: Duration,
}

#[async_trait]
impl Trigger for Nothing {
    async fn watch(&self, _: Requests, _: &Run) -> Result<()> {
        unused()
    }
}

impl PluginConfig<dyn Trigger> for TickConfig {
    const TYPE: &'static str = "tick";
    const SUMMARY: &'static str = "a trigger";
    const EXAMPLE: &'static str = "every = \"1s\"";

    fn build(&self) -> Result<Arc<dyn Trigger>, Vec<Problem>> {
        Ok(Arc::new(Nothing))
    }
}

crate::register! { TriggerPlugin::new::<TickConfig>() }

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BellConfig {
    #[serde(default)]
    #[expect(dead_code, reason = "only the key matters")]
    tone: Option<String>,
}

#[async_trait]
impl Alerter for Nothing {
    async fn alert(&self, _: &Alert, _: &Run) -> Result<()> {
        unused()
    }
}

impl PluginConfig<dyn Alerter> for BellConfig {
    const TYPE: &'static str = "bell";
    const SUMMARY: &'static str = "an alerter";
    const EXAMPLE: &'static str = "tone = \"a\"";

    fn build(&self) -> Result<Arc<dyn Alerter>, Vec<Problem>> {
        Ok(Arc::new(Nothing))
    }
}

crate::register! { AlerterPlugin::new::<BellConfig>() }

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FolderConfig {
    path: PathBuf,
}

#[async_trait]
impl StateStore for Nothing {
    async fn get(&self, _: &Key) -> Result<Option<Entry>> {
        unused()
    }

    async fn put(&self, _: &Key, _: Bytes, _: Expect) -> Result<Version> {
        unused()
    }

    async fn delete(&self, _: &Key, _: Expect) -> Result<()> {
        unused()
    }

    async fn list(&self, _: &Key) -> Result<Vec<Key>> {
        unused()
    }

    async fn lease(&self, _: &Key) -> Result<Lease> {
        unused()
    }
}

impl PluginConfig<dyn StateStore> for FolderConfig {
    const TYPE: &'static str = "file";
    const SUMMARY: &'static str = "a state";
    const EXAMPLE: &'static str = "path = \"/var/lib/gitbarge\"";

    fn build(&self) -> Result<Arc<dyn StateStore>, Vec<Problem>> {
        Ok(Arc::new(Nothing))
    }

    fn claims(&self) -> Vec<PathBuf> {
        vec![self.path.clone()]
    }
}

crate::register! { StatePlugin::new::<FolderConfig>() }

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SieveConfig {}

impl PluginConfig<dyn StateStore> for SieveConfig {
    const TYPE: &'static str = "sieve";
    const SUMMARY: &'static str = "a state without keys";
    const EXAMPLE: &'static str = "";

    fn build(&self) -> Result<Arc<dyn StateStore>, Vec<Problem>> {
        Ok(Arc::new(Nothing))
    }
}

crate::register! { StatePlugin::new::<SieveConfig>() }
