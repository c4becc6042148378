//! The text of a starter file.

use toml::Value;

/// What a starter file is made from.
#[derive(Debug)]
pub(crate) struct Starter {
    pub(crate) url: String,
    pub(crate) kind: SourceKind,
    pub(crate) path: String,
    pub(crate) reference: Option<String>,
    pub(crate) key_env: Option<String>,
    pub(crate) slack_env: Option<String>,
}

/// Which source reads a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceKind {
    Ssh,
    Http,
    Local,
}

impl SourceKind {
    /// What git takes the address for.
    pub(crate) fn of(url: &str) -> Self {
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        let is_scp_like = url
            .split_once(':')
            .is_some_and(|(host, _)| !host.contains('/'));
        match scheme {
            Some("http" | "https") => Self::Http,
            Some("file") => Self::Local,
            Some(_) => Self::Ssh,
            None if is_scp_like => Self::Ssh,
            None => Self::Local,
        }
    }

    fn type_name(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Http => "http",
            Self::Local => "local",
        }
    }
}

impl Starter {
    /// The file.
    pub(crate) fn text(&self) -> String {
        let name = self.name();
        let parts = [
            self.head(),
            self.alert(),
            self.pipeline(&name),
            self.source(&name),
            format!(
                "# When to look, besides at the start of `gitbarge run`. `gitbarge sync` looks once.\n\
                 [pipeline.{name}.trigger.every]\ntype = \"poll\"\nevery = \"30s\"\n"
            ),
            format!(
                "# What is kept equal to the source. Local changes are discarded and reported; ignored files stay.\n\
                 [pipeline.{name}.sink.checkout]\ntype = \"checkout\"\npath = {}\n",
                quoted(&self.path)
            ),
        ];
        parts.join("\n")
    }

    fn head(&self) -> String {
        "# What gitbarge carries where. `gitbarge check` finds mistakes; `gitbarge plugins` lists what else can stand here.\n\
         # Every key can be overridden: GITBARGE_PIPELINE__NAME__REF=main, or `--set pipeline.NAME.ref=main`.\n"
            .to_owned()
    }

    fn alert(&self) -> String {
        let (mark, variable) = match &self.slack_env {
            Some(variable) => ("", variable.as_str()),
            None => ("# ", "SLACK_WEBHOOK_URL"),
        };
        format!(
            "# Who is told of failures and recoveries: once per fault and hour.\n\
             {mark}[alert.ops]\n{mark}type = \"slack\"\n{mark}webhook_url = {{ env = {} }}\n{mark}suppress = \"1h\"\n",
            quoted(variable)
        )
    }

    fn pipeline(&self, name: &str) -> String {
        let reference = match &self.reference {
            Some(reference) => format!("ref = {}", quoted(reference)),
            None => "# ref = \"main\"".to_owned(),
        };
        format!(
            "# One pipeline: one source, any number of sinks. Its name appears in results, logs and alerts.\n\
             [pipeline.{name}]\n\
             # The branch, tag or full hash to follow; the default is the remote's HEAD.\n{reference}\n\
             # How long one run may take, retries included.\nrun_timeout = \"10m\"\n"
        )
    }

    fn source(&self, name: &str) -> String {
        let (kind, url) = (self.kind.type_name(), quoted(&self.url));
        let table = format!("[pipeline.{name}.source]\ntype = \"{kind}\"\nurl = {url}\n");
        let key = self.key_env.as_deref().map(|variable| {
            format!(
                "# The private key itself, in an environment variable; or {{ file = \"PATH\" }}. It is never written to disk.\n\
                 key = {{ env = {} }}\n\
                 # The server's key is remembered at the first contact; \"strict\" asks for it in known_hosts.\n\
                 host_keys = \"accept_new\"\n",
                quoted(variable)
            )
        });
        table + &key.unwrap_or_default()
    }

    /// The repository's name, as far as it is allowed as a name.
    fn name(&self) -> String {
        let last = self
            .url
            .trim_end_matches('/')
            .rsplit(['/', ':'])
            .next()
            .unwrap_or_default();
        let stem = last.strip_suffix(".git").unwrap_or(last);
        let name: String = stem
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || c == '_' {
                    c
                } else {
                    '-'
                }
            })
            .take(64)
            .collect();
        match name.trim_matches('-') {
            "" => "site".to_owned(),
            name => name.to_owned(),
        }
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starter(url: &str) -> Starter {
        Starter {
            url: url.to_owned(),
            kind: SourceKind::of(url),
            path: "/home/src/site".to_owned(),
            reference: None,
            key_env: None,
            slack_env: None,
        }
    }

    #[test]
    fn the_address_says_which_source_reads_it() {
        for (url, kind) in [
            ("git@host:a/b.git", SourceKind::Ssh),
            ("host:b", SourceKind::Ssh),
            ("ssh://git@host/b", SourceKind::Ssh),
            ("https://host/b", SourceKind::Http),
            ("file:///srv/b", SourceKind::Local),
            ("/srv/b:c", SourceKind::Local),
            ("./b", SourceKind::Local),
            (".", SourceKind::Local),
        ] {
            assert_eq!(SourceKind::of(url), kind, "{url}");
        }
    }

    #[test]
    fn the_pipeline_is_named_after_the_repository() {
        for (url, name) in [
            ("git@host:a/site.git", "site"),
            ("git@host:site", "site"),
            ("/srv/my site/", "my-site"),
            ("..", "site"),
            ("https://host/a.b", "a-b"),
        ] {
            assert_eq!(starter(url).name(), name, "{url}");
        }
    }

    #[test]
    fn whatever_was_answered_the_file_is_toml() {
        for odd in ["x", "a\"b", "a\\b", "a\nb", "]", "'''"] {
            let starter = Starter {
                path: odd.to_owned(),
                reference: Some(odd.to_owned()),
                key_env: Some(odd.to_owned()),
                slack_env: Some(odd.to_owned()),
                ..starter(odd)
            };
            let table: toml::Table = starter.text().parse().unwrap();
            let pipeline = table["pipeline"].as_table().unwrap();
            let site = pipeline.values().next().unwrap();
            assert_eq!(site["sink"]["checkout"]["path"].as_str(), Some(odd));
            assert_eq!(site["source"]["key"]["env"].as_str(), Some(odd));
        }
    }
}
