//! As much of JSON Schema as the API's description uses; whatever else it used would be a defect of the description's test.

use serde_json::Value;

/// Asserts that a value is what a schema says; references are looked up in `root`.
pub(crate) fn assert_fits(value: &Value, schema: &Value, root: &Value) {
    if let Err(error) = fits(value, schema, root) {
        panic!("{error}\n{value:#}");
    }
}

pub(crate) fn resolve<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            let path = reference.strip_prefix('#').expect("a local reference");
            root.pointer(path)
                .unwrap_or_else(|| panic!("no {reference}"))
        }
        None => schema,
    }
}

fn fits(value: &Value, schema: &Value, root: &Value) -> Result<(), String> {
    let schema = resolve(schema, root);
    for (key, rule) in schema.as_object().expect("a schema") {
        match key.as_str() {
            "description" => {}
            "type" => check(is_type(value, rule), value, rule)?,
            "enum" => check(rule.as_array().unwrap().contains(value), value, rule)?,
            "minimum" => check(value.as_f64() >= rule.as_f64(), value, rule)?,
            "format" => check(is_time(value) && rule == "date-time", value, rule)?,
            "anyOf" => {
                let mut choices = rule.as_array().unwrap().iter();
                check(
                    choices.any(|choice| fits(value, choice, root).is_ok()),
                    value,
                    rule,
                )?;
            }
            "items" => each(value.as_array(), |item| fits(item, rule, root))?,
            "required" => each(rule.as_array(), |name| {
                check(value.get(name.as_str().unwrap()).is_some(), value, name)
            })?,
            "properties" => {
                for (name, property) in value.as_object().into_iter().flatten() {
                    match rule.get(name) {
                        Some(rule) => {
                            fits(property, rule, root).map_err(|e| format!("{name}: {e}"))?;
                        }
                        None => check(
                            schema["additionalProperties"] != false,
                            property,
                            &name.as_str().into(),
                        )?,
                    }
                }
            }
            "additionalProperties" => {}
            other => return Err(format!("`{other}` is not known here")),
        }
    }
    Ok(())
}

fn each(
    items: Option<&Vec<Value>>,
    work: impl Fn(&Value) -> Result<(), String>,
) -> Result<(), String> {
    items.into_iter().flatten().try_for_each(work)
}

fn check(is_good: bool, value: &Value, rule: &Value) -> Result<(), String> {
    match is_good {
        true => Ok(()),
        false => Err(format!("{value} does not fit {rule}")),
    }
}

fn is_type(value: &Value, rule: &Value) -> bool {
    let is = |name: &Value| match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("no type {other}"),
    };
    match rule.as_array() {
        Some(names) => names.iter().any(is),
        None => is(rule),
    }
}

fn is_time(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok())
}
