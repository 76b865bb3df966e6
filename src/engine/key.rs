//! The key of an action: everything that decides what it produces, hashed.

use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Number of the layout of [`ActionKey`].
///
/// 1 – first layout.
pub const SCHEMA: u32 = 1;

/// What the SHA-256 of an action is taken over, as RFC 8785 JSON. Saved beside the result, so that two keys can be
/// compared field by field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionKey {
    /// [`SCHEMA`] when the key was made.
    pub schema: u32,
    /// The stage kind.
    pub stage: String,
    /// The stage kind's version constant.
    pub version: u32,
    /// The typed settings with defaults filled in; only fields that bear meaning exist in them.
    pub config: Value,
    /// The action's seed as 16 hexadecimal digits (RFC 8785 numbers hold 53 bits); absent if nothing is drawn.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seed: Option<String>,
    /// Per input port the digest of the artifact itself, never the key that made it.
    pub inputs: BTreeMap<String, InputKey>,
    /// Content digests of external files by role, never by path.
    pub sources: BTreeMap<String, Digest>,
    /// Declared outputs: name → artifact type.
    pub outputs: BTreeMap<String, String>,
}

/// What stands behind one input port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum InputKey {
    One(Digest),
    /// A fan-in, sorted by axis values.
    Gathered(Vec<Gathered>),
}

/// One member of a fan-in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gathered {
    pub axes: BTreeMap<String, Value>,
    pub digest: Digest,
}

impl ActionKey {
    /// The RFC 8785 text that is hashed.
    pub fn canonical(&self) -> String {
        serde_json_canonicalizer::to_string(self).expect("keys hold finite numbers and string-keyed maps only")
    }

    pub fn digest(&self) -> Digest {
        Digest::of(self.canonical().as_bytes())
    }
}

/// Equal for equal settings, however their numbers are spelled.
pub fn settings_digest(config: &Value) -> Digest {
    let text = serde_json_canonicalizer::to_string(config).expect("settings hold finite numbers");
    Digest::of(text.as_bytes())
}

/// How the seed enters a key.
pub fn seed_text(seed: u64) -> String {
    format!("{seed:016x}")
}

/// The seed of an action: the first 8 bytes (big-endian) of SHA-256 over `moelab-seed/1`, the user's seed, the stage kind
/// and the stream, each terminated by a zero byte, numbers in decimal.
///
/// Names, positions and other settings do not enter, so rows of a table that differ in one axis share random numbers and
/// comparisons are paired; `stream` separates equal stages.
pub fn action_seed(user_seed: u64, kind: &str, stream: u64) -> u64 {
    let digest = Digest::of(format!("moelab-seed/1\0{user_seed}\0{kind}\0{stream}\0").as_bytes());
    u64::from_be_bytes(digest.bytes()[..8].try_into().expect("eight bytes of thirty-two"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key() -> ActionKey {
        ActionKey {
            schema: SCHEMA,
            stage: "moe_train".into(),
            version: 1,
            config: json!({"epochs": 100, "alpha": 100.0, "learning_rate": 1e-4}),
            seed: Some(seed_text(7)),
            inputs: [("images".to_owned(), InputKey::One(Digest::of(b"images")))].into(),
            sources: BTreeMap::new(),
            outputs: [("model".to_owned(), "model".to_owned())].into(),
        }
    }

    #[test]
    fn the_encoding_is_pinned() {
        assert_eq!(
            key().canonical(),
            concat!(
                r#"{"config":{"alpha":100,"epochs":100,"learning_rate":0.0001},"#,
                r#""inputs":{"images":"21b2eed1e328a2c62fe4c17d51188bdea73450f29956dc5c8c95429313ddd72c"},"#,
                r#""outputs":{"model":"model"},"schema":1,"seed":"0000000000000007","sources":{},"#,
                r#""stage":"moe_train","version":1}"#
            )
        );
    }

    #[test]
    fn the_order_of_settings_and_the_spelling_of_numbers_change_nothing() {
        let mut other = key();
        other.config = json!({"learning_rate": 0.0001, "alpha": 100, "epochs": 100.0});
        assert_eq!(key().digest(), other.digest());
    }

    #[test]
    fn every_field_changes_the_key() {
        let changes: [fn(&mut ActionKey); 8] = [
            |k| k.schema += 1,
            |k| k.stage.push('2'),
            |k| k.version += 1,
            |k| k.config["alpha"] = json!(10),
            |k| k.seed = None,
            |k| k.inputs.clear(),
            |k| _ = k.sources.insert("file".into(), Digest::of(b"x")),
            |k| k.outputs.clear(),
        ];
        for change in changes {
            let mut changed = key();
            change(&mut changed);
            assert_ne!(changed.digest(), key().digest());
        }
    }

    #[test]
    fn seeds_are_pinned_and_depend_on_each_part() {
        let base = action_seed(0, "pretrain_vae", 0);
        assert_eq!(base, 9_762_650_284_773_173_286);
        for other in [
            action_seed(1, "pretrain_vae", 0),
            action_seed(0, "moe_train", 0),
            action_seed(0, "pretrain_vae", 1),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn a_key_reads_back_as_itself() {
        let mut k = key();
        k.inputs.insert(
            "candidates".into(),
            InputKey::Gathered(vec![Gathered {
                axes: [("seed".into(), json!(0))].into(),
                digest: Digest::of(b"y"),
            }]),
        );
        let read: ActionKey = serde_json::from_str(&k.canonical()).unwrap();
        assert_eq!(read.digest(), k.digest());
    }
}
