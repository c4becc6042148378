//! Single keys that are set from outside the files: `GITBARGE_PIPELINE__SITE__REF=main`, `--set pipeline.site.ref=main`.

use figment::providers::{Format as _, Toml};
use figment::value::{Dict, Value};

use super::keys::ROOT_KEYS;
use crate::Problem;

const PREFIX: &str = "GITBARGE_";

/// More digits than these may not fit; it is an identifier then, and no number.
const MOST_DIGITS: usize = 18;

/// One key with its new value.
#[derive(Debug)]
pub(crate) struct Override {
    path: Vec<String>,
    pub(crate) value: Value,
    pub(crate) origin: String,
    /// Whether the path came from a variable, whose name can hold neither lower case nor `-`.
    folded: bool,
}

impl Override {
    /// Where it belongs in a tree: a variable's segments also stand for keys that differ from them in case, and in `-` for `_`.
    pub(crate) fn path_in(&self, root: &Dict) -> Vec<String> {
        let mut level = Some(root);
        let mut path = Vec::new();
        for segment in &self.path {
            let same = |key: &&String| key.to_ascii_lowercase().replace('-', "_") == *segment;
            let known = level.filter(|dict| self.folded && !dict.contains_key(segment));
            let key = known.and_then(|dict| dict.keys().find(same));
            let key = key.unwrap_or(segment).clone();
            level = level.and_then(|dict| dict.get(&key)?.as_dict());
            path.push(key);
        }
        path
    }
}

/// Reads the variables and then the options, so that the options win.
pub(crate) fn parse(
    environment: &[(String, String)],
    options: &[String],
) -> (Vec<Override>, Vec<Problem>) {
    let mut variables: Vec<_> = environment.iter().collect();
    variables.sort();
    let variables = variables
        .into_iter()
        .filter_map(|(name, text)| variable(name, text));
    let options = options.iter().map(|text| option(text));
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for parsed in variables.chain(options) {
        match parsed {
            Ok(one) => good.push(one),
            Err(problem) => bad.push(problem),
        }
    }
    (good, bad)
}

fn variable(name: &str, text: &str) -> Option<Result<Override, Problem>> {
    let path: Vec<String> = name
        .strip_prefix(PREFIX)?
        .split("__")
        .map(str::to_ascii_lowercase)
        .collect();
    if !ROOT_KEYS.contains(&path.first()?.as_str()) {
        return None;
    }
    Some(one(
        path,
        text,
        format!("environment variable `{name}`"),
        true,
    ))
}

fn option(text: &str) -> Result<Override, Problem> {
    let Some((key, text)) = text.split_once('=') else {
        return Err(Problem {
            origin: Some("`--set`".to_owned()),
            ..Problem::new(
                "",
                "an override has the form `KEY=VALUE`, such as `pipeline.site.ref=main`",
            )
        });
    };
    let key = key.trim();
    let path = key.split('.').map(str::to_owned).collect();
    one(path, text, format!("`--set {key}=…`"), false)
}

fn one(path: Vec<String>, text: &str, origin: String, folded: bool) -> Result<Override, Problem> {
    let problem = |message: &str| Problem {
        origin: Some(origin.clone()),
        ..Problem::new(path.join("."), message)
    };
    if path.iter().any(String::is_empty) {
        return Err(problem("a part of the key is empty"));
    }
    let value = value(text).ok_or_else(|| {
        problem(
            "the value begins like TOML and is not valid TOML; put a text that begins so in quotes",
        )
    })?;
    Ok(Override {
        path,
        value,
        origin,
        folded,
    })
}

/// Texts stay as they are unless they are clearly something else, so that neither a hash nor a password changes its shape.
fn value(text: &str) -> Option<Value> {
    if text.starts_with(['[', '{', '"']) {
        let mut dict: Dict = Toml::from_str(&format!("value = {text}")).ok()?;
        let value = dict.remove("value");
        return value.filter(|_| dict.is_empty());
    }
    let is_number =
        text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let number = text
        .parse::<u64>()
        .ok()
        .filter(|_| is_number && text.len() <= MOST_DIGITS);
    Some(match (text, number) {
        ("true", _) => Value::from(true),
        ("false", _) => Value::from(false),
        (_, Some(number)) => Value::from(number),
        (text, None) => Value::from(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_text_unless_they_are_clearly_something_else() {
        assert_eq!(value("true"), Some(Value::from(true)));
        assert_eq!(value("30"), Some(Value::from(30_u64)));
        assert_eq!(value("0"), Some(Value::from(0_u64)));
        let hash = "0123456789012345678901234567890123456789";
        for text in [
            "",
            "007",
            "1e5",
            "-1",
            "main",
            "1234567890123456789",
            hash,
            "a=b",
            " x",
            "1.5",
        ] {
            assert_eq!(value(text), Some(Value::from(text)), "{text}");
        }
        assert_eq!(value("\"true\""), Some(Value::from("true")));
        assert_eq!(value("[\"a\", \"b\"]"), Some(Value::from(vec!["a", "b"])));
        let env = value("{ env = \"X\" }").unwrap();
        assert_eq!(env.find_ref("env"), Some(&Value::from("X")));
        for malformed in ["[1", "{x", "\"x", "[1]\nmore = 2"] {
            assert_eq!(value(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn variables_of_other_purposes_are_left_alone() {
        let names = [
            "GITBARGE_LOG",
            "GITBARGE_HOME__X",
            "GITBARGE_",
            "PIPELINE__X__REF",
            "PATH",
        ];
        let environment = names.map(|name| (name.to_owned(), "[".to_owned()));
        let (good, bad) = parse(&environment, &[]);
        assert!(good.is_empty() && bad.is_empty(), "{good:?} {bad:?}");
    }

    #[test]
    fn a_variable_reaches_names_that_no_variable_can_spell() {
        let environment = [("GITBARGE_PIPELINE__MY_SITE__REF".to_owned(), "x".to_owned())];
        let (good, _) = parse(&environment, &[]);
        let tree = |text| Toml::from_str::<Dict>(text).unwrap();
        let path = |text| good[0].path_in(&tree(text)).join(".");
        assert_eq!(path("[pipeline.My-Site]"), "pipeline.My-Site.ref");
        assert_eq!(
            path("[pipeline.My-Site]\n[pipeline.my_site]"),
            "pipeline.my_site.ref"
        );
        assert_eq!(path(""), "pipeline.my_site.ref");
    }
}
