//! Words for people: near names, lists, and what a value is.

use serde_json::Value;

/// Names listed in a hint before it is cut short.
const LISTED: usize = 12;
/// Known names that an unknown one is compared with, and the longest that is (bytes): a file may hold thousands of both.
const COMPARED: usize = 300;
const LONGEST: usize = 200;

/// The known name nearest to `name`, if one is near enough to be a slip of the pen.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let wanted = name.to_lowercase();
    let allowed = (name.chars().count() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for candidate in known.into_iter().filter(|known| known.len() <= LONGEST).take(COMPARED) {
        let lower = candidate.to_lowercase();
        // An exact part of a dotted or longer name counts as near: `vae` for `epochs.vae`.
        let part = wanted.len() > 2 && lower.split(['.', '_', '-']).any(|part| part == wanted);
        let distance = if part {
            1
        } else {
            strsim::damerau_levenshtein(&wanted, &lower)
        };
        if distance <= allowed && best.is_none_or(|(d, _)| distance < d) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// A hint for an unknown name: the nearest known one, else all of them.
pub fn suggest<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(near) = nearest(name, known.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let names: Vec<&str> = known.into_iter().collect();
    (!names.is_empty()).then(|| format!("known: {}", list(&names)))
}

/// `a, b, c`, cut short when long.
pub fn list(names: &[&str]) -> String {
    let shown = names[..names.len().min(LISTED)].join(", ");
    match names.len() {
        n if n > LISTED => format!("{shown} and {} more", n - LISTED),
        _ => shown,
    }
}

/// A number without a fraction, however it is spelt: `100`, `100.0`, `1e2`. Larger floats stand for no one number.
pub fn whole(value: &Value) -> Option<i64> {
    const EXACT: f64 = (1_u64 << 53) as f64;
    let float = || value.as_f64().filter(|x| x.fract() == 0.0 && x.abs() <= EXACT);
    value.as_i64().or_else(|| float().map(|x| x as i64))
}

/// [`whole`] of a number that is not negative.
pub fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| u64::try_from(whole(value)?).ok())
}

/// A value as one would say it: `text "abc"`, `3`, `a list`.
pub fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(s) => format!("text {:?}", shorten(s)),
        Value::Array(items) if items.is_empty() => "an empty list".into(),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "a mapping".into(),
    }
}

/// A value as it would be written in one line of YAML.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(s) => shorten(s),
        other => shorten(&other.to_string()),
    }
}

/// At most 60 characters of `text`.
pub fn shorten(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_of_names_and_long_ones_are_not_all_compared() {
        let many: Vec<String> = (0..1000).map(|i| format!("parameter{i:03}")).collect();
        let known = || many.iter().map(String::as_str);
        assert_eq!(nearest("parametre299", known()), Some("parameter299"));
        assert_eq!(nearest("zebr", known().chain(["zebra"])), None);
        assert_eq!(nearest("zebr", ["zebra"]), Some("zebra"));
        let long = "x".repeat(LONGEST + 1);
        assert_eq!(nearest(&long, [long.as_str()]), None);
    }
    use serde_json::json;

    #[test]
    fn a_slip_finds_its_name_and_nonsense_finds_none() {
        let known = ["load", "train", "epochs.vae"];
        assert_eq!(nearest("laod", known), Some("load"));
        assert_eq!(nearest("Train", known), Some("train"));
        assert_eq!(nearest("vae", known), Some("epochs.vae"));
        assert_eq!(nearest("zzzzzz", known), None);
    }

    #[test]
    fn a_hint_names_the_nearest_or_lists_all() {
        assert_eq!(
            suggest("laod", ["load", "train"]).as_deref(),
            Some("did you mean `load`?")
        );
        assert_eq!(
            suggest("zzzzzz", ["load", "train"]).as_deref(),
            Some("known: load, train")
        );
        assert_eq!(suggest("zzzzzz", []), None);
    }

    #[test]
    fn long_lists_and_texts_are_cut() {
        let names: Vec<String> = (0..20).map(|i| i.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(list(&names).ends_with("11 and 8 more"));
        assert_eq!(shorten(&"é".repeat(61)).chars().count(), 61);
    }

    #[test]
    fn whole_numbers_have_many_spellings() {
        let all = [json!(100), json!(100.0), json!(1e2)];
        assert!(
            all.iter()
                .all(|value| whole(value) == Some(100) && count(value) == Some(100))
        );
        assert_eq!((whole(&json!(-2.0)), count(&json!(-2.0))), (Some(-2), None));
        assert_eq!(count(&json!(u64::MAX)), Some(u64::MAX));
        for other in [json!(0.5), json!(1e300), json!("1"), json!(null)] {
            assert_eq!((whole(&other), count(&other)), (None, None), "{other}");
        }
    }

    #[test]
    fn values_are_described_as_people_would() {
        let said: Vec<String> = [json!(null), json!(3), json!("abc"), json!([1]), json!({"a": 1})]
            .iter()
            .map(describe)
            .collect();
        assert_eq!(said, ["nothing", "3", "text \"abc\"", "a list", "a mapping"]);
    }
}
