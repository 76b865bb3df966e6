//! Why an action runs again: what changed from one key to another, in words.

use crate::digest::Digest;
use crate::key::{ActionKey, Gathered, InputKey};
use crate::spec::words;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// One difference between two keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Which part of the key: `stage`, `version`, `config`, `seed`, `inputs`, `sources`, `outputs` or `schema`.
    pub part: &'static str,
    /// The setting, port, role or output; empty where the part has one value.
    pub name: String,
    /// A few words, like `alpha 10 → 100`.
    pub text: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What is different in `new`; empty if the keys are equal.
pub fn explain(new: &ActionKey, old: &ActionKey) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut say = |part: &'static str, name: &str, text: String| {
        changes.push(Change {
            part,
            name: name.to_owned(),
            text,
        });
    };
    if new.stage != old.stage {
        say("stage", "", format!("stage kind {} → {}", old.stage, new.stage));
    }
    if new.version != old.version {
        say(
            "version",
            "",
            format!("stage version {} → {}", old.version, new.version),
        );
    }
    if new.schema != old.schema {
        say("schema", "", format!("layout of keys {} → {}", old.schema, new.schema));
    }
    for (name, pair) in pairs(&leaves(&new.config), &leaves(&old.config)) {
        match pair {
            (Some(new), Some(old)) if !crate::spec::matrix::same(new, old) => {
                say(
                    "config",
                    name,
                    format!("{name} {} → {}", words::plain(old), words::plain(new)),
                );
            }
            (Some(new), None) => say("config", name, format!("new setting {name} = {}", words::plain(new))),
            (None, Some(old)) => say(
                "config",
                name,
                format!("setting {name} is gone (was {})", words::plain(old)),
            ),
            _ => {}
        }
    }
    match (&new.seed, &old.seed) {
        (Some(new), Some(old)) if new != old => say("seed", "", format!("seed {old} → {new}")),
        (Some(_), None) => say("seed", "", "draws random numbers now".into()),
        (None, Some(_)) => say("seed", "", "no longer draws random numbers".into()),
        _ => {}
    }
    for (name, pair) in pairs(&new.inputs, &old.inputs) {
        let text = match pair {
            (Some(InputKey::One(new)), Some(InputKey::One(old))) => changed(&format!("input {name}"), new, old),
            (Some(InputKey::Gathered(new)), Some(InputKey::Gathered(old))) => members(name, new, old),
            (Some(_), Some(_)) => Some(format!("input {name} is gathered otherwise")),
            (Some(_), None) => Some(format!("new input {name}")),
            (None, _) => Some(format!("input {name} is gone")),
        };
        if let Some(text) = text {
            say("inputs", name, text);
        }
    }
    for (name, pair) in pairs(&new.sources, &old.sources) {
        let text = match pair {
            (Some(new), Some(old)) => changed(&format!("source {name}"), new, old),
            (Some(_), None) => Some(format!("new source {name}")),
            (None, _) => Some(format!("source {name} is gone")),
        };
        if let Some(text) = text {
            say("sources", name, text);
        }
    }
    for (name, pair) in pairs(&new.outputs, &old.outputs) {
        match pair {
            (Some(new), Some(old)) if new != old => say("outputs", name, format!("output {name} is {new}, was {old}")),
            (Some(_), None) => say("outputs", name, format!("new output {name}")),
            (None, Some(_)) => say("outputs", name, format!("output {name} is gone")),
            _ => {}
        }
    }
    changes
}

/// Of several old keys the one that explains `new` in the fewest words.
pub fn nearest<'k>(new: &ActionKey, old: impl IntoIterator<Item = &'k ActionKey>) -> Option<&'k ActionKey> {
    old.into_iter().min_by_key(|old| distance(new, old))
}

/// The number of changes that [`explain`] finds, without their words: thousands of pairs are compared in a plan.
fn distance(new: &ActionKey, old: &ActionKey) -> usize {
    let entries = |config: &Value| config.as_object().is_none_or(|map| !map.is_empty());
    let config = match (entries(&new.config), entries(&old.config)) {
        (true, true) => differences(&new.config, &old.config),
        (true, false) => count(&new.config),
        (false, true) => count(&old.config),
        (false, false) => 0,
    };
    usize::from(new.stage != old.stage)
        + usize::from(new.version != old.version)
        + usize::from(new.schema != old.schema)
        + usize::from(new.seed != old.seed)
        + config
        + differing(&new.inputs, &old.inputs)
        + differing(&new.sources, &old.sources)
        + differing(&new.outputs, &old.outputs)
}

fn differing<T: PartialEq>(new: &BTreeMap<String, T>, old: &BTreeMap<String, T>) -> usize {
    let other = new.iter().filter(|(name, value)| old.get(*name) != Some(value)).count();
    other + old.keys().filter(|name| !new.contains_key(*name)).count()
}

/// How many of the [`leaves`] of two settings differ.
fn differences(new: &Value, old: &Value) -> usize {
    let branch = |value: &'_ Value| value.as_object().is_some_and(|map| !map.is_empty());
    match (new.as_object(), old.as_object()) {
        (Some(a), Some(b)) if branch(new) && branch(old) => {
            let other = |(name, value)| b.get(name).map_or_else(|| count(value), |old| differences(value, old));
            let gone = b.iter().filter(|(name, _)| !a.contains_key(*name));
            a.iter().map(other).sum::<usize>() + gone.map(|(_, value)| count(value)).sum::<usize>()
        }
        _ if branch(new) || branch(old) => count(new) + count(old),
        _ => usize::from(!crate::spec::matrix::same(new, old)),
    }
}

/// The number of [`leaves`].
fn count(value: &Value) -> usize {
    match value.as_object() {
        Some(map) if !map.is_empty() => map.values().map(count).sum(),
        _ => 1,
    }
}

type Pair<'a, T> = (Option<&'a T>, Option<&'a T>);

fn pairs<'a, T>(new: &'a BTreeMap<String, T>, old: &'a BTreeMap<String, T>) -> BTreeMap<&'a str, Pair<'a, T>> {
    let names = new.keys().chain(old.keys());
    names
        .map(|name| (name.as_str(), (new.get(name), old.get(name))))
        .collect()
}

fn changed(what: &str, new: &Digest, old: &Digest) -> Option<String> {
    (new != old).then(|| format!("{what} changed ({}… → {}…)", old.short(), new.short()))
}

fn members(name: &str, new: &[Gathered], old: &[Gathered]) -> Option<String> {
    let find = |all: &[Gathered], axes| all.iter().find(|m| m.axes == axes).map(|m| m.digest);
    let added = new.iter().filter(|m| find(old, m.axes.clone()).is_none()).count();
    let gone = old.iter().filter(|m| find(new, m.axes.clone()).is_none()).count();
    let other = new
        .iter()
        .filter(|m| find(old, m.axes.clone()).is_some_and(|digest| digest != m.digest))
        .count();
    let parts = [(other, "changed"), (added, "new"), (gone, "gone")];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
    (!parts.is_empty()).then(|| format!("input {name}: of {} members {}", new.len(), parts.join(", ")))
}

/// Settings by dotted name; lists count as one.
pub fn leaves(config: &Value) -> BTreeMap<String, Value> {
    fn walk(value: &Value, name: &str, out: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (key, inner) in map {
                    let name = if name.is_empty() {
                        key.clone()
                    } else {
                        format!("{name}.{key}")
                    };
                    walk(inner, &name, out);
                }
            }
            leaf => drop(out.insert(name.to_owned(), leaf.clone())),
        }
    }
    let mut out = BTreeMap::new();
    if config.as_object().is_none_or(|map| !map.is_empty()) {
        walk(config, "", &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SCHEMA;
    use serde_json::json;

    fn key() -> ActionKey {
        ActionKey {
            schema: SCHEMA,
            stage: "moe".into(),
            version: 1,
            config: json!({"alpha": 10, "augment": {"flip": true}, "filters": [1, 2]}),
            seed: Some("00".into()),
            inputs: [("points".to_owned(), InputKey::One(Digest::of(b"a")))].into(),
            sources: [("images".to_owned(), Digest::of(b"a"))].into(),
            outputs: [("model".to_owned(), "model".to_owned())].into(),
        }
    }

    fn said(change: impl Fn(&mut ActionKey)) -> String {
        let mut new = key();
        change(&mut new);
        explain(&new, &key())
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    }

    fn member(k: u64, content: &[u8]) -> Gathered {
        Gathered {
            axes: [("k".to_owned(), json!(k))].into(),
            digest: Digest::of(content),
        }
    }

    #[test]
    fn equal_keys_have_no_changes() {
        assert_eq!(said(|_| {}), "");
        assert_eq!(said(|k| k.config["alpha"] = json!(10.0)), "");
    }

    #[test]
    fn settings_are_compared_one_by_one() {
        assert_eq!(said(|k| k.config["alpha"] = json!(100)), "alpha 10 → 100");
        assert_eq!(
            said(|k| k.config["augment"]["flip"] = json!(false)),
            "augment.flip true → false"
        );
        assert_eq!(said(|k| k.config["filters"] = json!([1])), "filters [1,2] → [1]");
        assert_eq!(said(|k| k.config["beta"] = json!(1)), "new setting beta = 1");
        assert_eq!(
            said(|k| drop(k.config.as_object_mut().unwrap().remove("alpha"))),
            "setting alpha is gone (was 10)"
        );
    }

    #[test]
    fn inputs_and_sources_show_their_digests() {
        assert_eq!(
            said(|k| drop(k.inputs.insert("points".into(), InputKey::One(Digest::of(b"b"))))),
            "input points changed (ca978112… → 3e23e816…)"
        );
        assert_eq!(said(|k| k.inputs.clear()), "input points is gone");
        assert_eq!(
            said(|k| drop(k.inputs.insert("x".into(), InputKey::One(Digest::of(b"b"))))),
            "new input x"
        );
        assert_eq!(
            said(|k| {
                k.sources.insert("images".into(), Digest::of(b"b"));
            }),
            "source images changed (ca978112… → 3e23e816…)"
        );
        assert_eq!(said(|k| k.sources.clear()), "source images is gone");
    }

    #[test]
    fn version_seed_and_outputs_are_named() {
        assert_eq!(said(|k| k.version = 2), "stage version 1 → 2");
        assert_eq!(said(|k| k.seed = Some("01".into())), "seed 00 → 01");
        assert_eq!(said(|k| k.seed = None), "no longer draws random numbers");
        assert_eq!(
            said(|k| drop(k.outputs.insert("history".into(), "history".into()))),
            "new output history"
        );
        assert_eq!(said(|k| k.schema += 1), "layout of keys 1 → 2");
        assert_eq!(said(|k| k.stage = "vae".into()), "stage kind moe → vae");
    }

    #[test]
    fn gathered_members_are_counted() {
        let with = |members: Vec<Gathered>| {
            let mut k = key();
            k.inputs.insert("points".into(), InputKey::Gathered(members));
            k
        };
        let old = with(vec![member(1, b"a"), member(2, b"b"), member(3, b"c")]);
        let new = with(vec![member(1, b"a"), member(2, b"x"), member(4, b"d")]);
        assert_eq!(
            explain(&new, &old)[0].text,
            "input points: of 3 members 1 changed, 1 new, 1 gone"
        );
        assert_eq!(explain(&old, &key())[0].text, "input points is gathered otherwise");
    }

    #[test]
    fn the_distance_of_two_keys_is_the_number_of_their_changes() {
        let changes: [fn(&mut ActionKey); 12] = [
            |_| {},
            |k| k.config["alpha"] = json!(10.0),
            |k| k.config["alpha"] = json!({"a": 1, "b": {"c": 2}}),
            |k| k.config["augment"] = json!({}),
            |k| k.config["augment"] = json!({"flip": false, "crop": 3}),
            |k| k.config["filters"] = json!([2, 1]),
            |k| k.config = json!({}),
            |k| k.seed = None,
            |k| k.inputs.clear(),
            |k| drop(k.inputs.insert("x".into(), InputKey::Gathered(vec![member(1, b"a")]))),
            |k| k.sources = [("images".to_owned(), Digest::of(b"b"))].into(),
            |k| (k.version, k.schema, k.stage) = (7, 7, "vae".into()),
        ];
        let keys = changes.map(|change| {
            let mut key = key();
            change(&mut key);
            key
        });
        for (new, old) in keys.iter().flat_map(|new| keys.iter().map(move |old| (new, old))) {
            let said = explain(new, old);
            assert_eq!(distance(new, old), said.len(), "{said:?}");
        }
    }

    #[test]
    fn the_old_key_with_the_fewest_differences_explains_best() {
        let (mut near, mut far) = (key(), key());
        near.version = 2;
        far.version = 2;
        far.config["alpha"] = json!(3);
        assert_eq!(nearest(&key(), [&far, &near]).map(|k| &k.config), Some(&near.config));
        assert!(nearest(&key(), []).is_none());
    }
}
