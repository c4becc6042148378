//! A client for a network.

use gitbarge_core::{Error, ErrorKind, HttpProxy, Network, Result};
use reqwest::header::HeaderValue;
use reqwest::{Certificate, ClientBuilder, Identity, Proxy, Url};
use zeroize::Zeroizing;

const USER_AGENT: &str = concat!("gitbarge/", env!("CARGO_PKG_VERSION"));

/// Begins a client. Redirects are for its user to judge: the library would take credentials along.
///
/// # Errors
/// `config` if a certificate, key or proxy cannot be used; nothing of it is quoted.
pub fn builder(network: &Network) -> Result<ClientBuilder> {
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none());
    if let Some(ca) = &network.ca {
        let certificates = Certificate::from_pem_bundle(ca).unwrap_or_default();
        if certificates.is_empty() {
            return Err(wrong("`ca` holds no certificate in PEM"));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    if let Some(identity) = &network.identity {
        let identity = Identity::from_pem(identity.expose().as_bytes());
        let what =
            "`client_cert` and `client_key` are no certificate and unencrypted private key in PEM";
        builder = builder.identity(identity.map_err(|_| wrong(what))?);
    }
    if let Some(proxy) = &network.proxy {
        builder = builder.proxy(through(proxy)?);
    }
    Ok(builder)
}

/// The name and port of a URL's server: all of the URL that may always be shown.
pub fn server(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    }
}

fn through(proxy: &HttpProxy) -> Result<Proxy> {
    let made = Proxy::all(&proxy.url).map_err(|_| wrong("`proxy` is no usable URL"))?;
    let Some(authorization) = &proxy.authorization else {
        return Ok(made);
    };
    let text = Zeroizing::new(authorization.expose().to_owned());
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| wrong("the proxy's credentials have characters that no header may have"))?;
    value.set_sensitive(true);
    Ok(made.custom_http_auth(value))
}

fn wrong(message: &str) -> Error {
    Error::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests {
    use gitbarge_core::Secret;

    use super::*;

    #[test]
    fn what_cannot_be_used_is_named_and_not_quoted() {
        let secret = |text| Some(Secret::literal(text).read().unwrap());
        let proxy = |url: &str, authorization| {
            let url = url.to_owned();
            Some(HttpProxy { url, authorization })
        };
        for (network, words) in [
            (
                Network {
                    ca: Some("hush".into()),
                    ..Network::default()
                },
                "`ca`",
            ),
            (
                Network {
                    identity: secret("hush"),
                    ..Network::default()
                },
                "`client_cert`",
            ),
            (
                Network {
                    proxy: proxy("http://h:1", secret("a\nhush")),
                    ..Network::default()
                },
                "proxy's credentials",
            ),
        ] {
            let error = builder(&network).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Config);
            let shown = format!("{error:?}");
            assert!(shown.contains(words) && !shown.contains("hush"), "{shown}");
        }
    }

    #[test]
    fn a_server_is_named_with_a_port_that_is_not_the_usual_one() {
        let name = |url| server(&Url::parse(url).unwrap());
        assert_eq!(name("https://me:hush@h:443/x?hush"), "h");
        assert_eq!(name("http://[::1]:8080/x"), "[::1]:8080");
    }
}
