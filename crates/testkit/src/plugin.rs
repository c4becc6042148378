//! What every plugin promises about its table, whatever its kind.

use figment::Figment;
use figment::providers::{Format as _, Toml};
use gitbarge_core::{Plugin, PluginConfig, registered};
use schemars::SchemaGenerator;

/// Tries a plugin's configuration: it is registered, its example is valid, every key is documented, and an unknown key is refused.
///
/// # Panics
/// If a promise is not kept.
pub fn conformance<P, C>()
where
    P: ?Sized + 'static,
    C: PluginConfig<P>,
    Plugin<P>: inventory::Collect,
{
    assert!(
        registered::<P>().contains_key(C::TYPE),
        "`{}` is not registered",
        C::TYPE
    );
    assert!(!C::SUMMARY.is_empty() && !C::SUMMARY.contains('\n'));
    let config: C = parse(C::EXAMPLE).expect("the example is valid");
    assert!(config.build().is_ok(), "the example can be built");
    let unknown = format!("{}\nno_such_key = 1\n", C::EXAMPLE);
    let error = parse::<C>(&unknown)
        .err()
        .expect("an unknown key is refused");
    assert!(error.to_string().contains("no_such_key"), "{error}");
    let schema = C::json_schema(&mut SchemaGenerator::default());
    let keys = schema.get("properties").and_then(|keys| keys.as_object());
    for (key, about) in keys.into_iter().flatten() {
        assert!(
            about.get("description").is_some(),
            "`{key}` is not documented"
        );
    }
}

fn parse<C: serde::de::DeserializeOwned>(toml: &str) -> Result<C, Box<figment::Error>> {
    Figment::from(Toml::string(toml))
        .extract()
        .map_err(Box::new)
}
