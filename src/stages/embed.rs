//! `embed`: posterior means (or given features), then UMAP.

use crate::artifact;
use crate::declare::{always, no_sources, settings, typed};
use moelab_engine::stage::{Connected, Output, Port, Stage, Unfit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub const VERSION: u32 = 7;

/// Settings of `embed`, named as umap-learn names them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Embed {
    /// `umap`, or `none` to hand the posterior means (or features) on as they are.
    pub method: Method,
    #[schemars(range(min = 1, max = 1000))]
    pub n_components: u64,
    /// Neighbours, the point itself among them. Absent: max(N / 300, 100) as in the thesis, at most N − 1.
    #[schemars(range(min = 2))]
    pub n_neighbors: Option<u64>,
    /// 0 packs points as tightly as the manifold allows, which density clustering wants.
    #[schemars(range(min = 0.0))]
    pub min_dist: f64,
    #[schemars(range(min = 0.0))]
    pub spread: f64,
    pub metric: Metric,
    /// Absent: 500 up to 10,000 rows, 200 beyond.
    #[schemars(range(min = 1, max = 65534))]
    pub n_epochs: Option<u64>,
    /// The start layout, unless the input `start` gives one.
    pub init: Init,
    #[schemars(range(min = 0.0))]
    pub learning_rate: f64,
    #[schemars(range(min = 1, max = 1000))]
    pub negative_sample_rate: u64,
    #[schemars(range(min = 0.0))]
    pub repulsion_strength: f64,
    /// 1: fuzzy union; 0: fuzzy intersection.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub set_op_mix_ratio: f64,
    #[schemars(range(min = 0.0))]
    pub local_connectivity: f64,
    /// Neighbours at this distance or beyond are not connected. Absent: all are.
    #[schemars(range(min = 0.0))]
    pub disconnection_distance: Option<f64>,
    /// With `b`: the membership curve 1 / (1 + a·d^(2b)) itself, in place of `min_dist` and `spread`.
    #[schemars(range(min = 0.0))]
    pub a: Option<f64>,
    #[schemars(range(min = 0.0))]
    pub b: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    Umap,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    Euclidean,
    Cosine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    Spectral,
    Pca,
    Random,
}

impl Default for Embed {
    fn default() -> Self {
        Self {
            method: Method::Umap,
            n_components: 10,
            n_neighbors: None,
            min_dist: 0.0,
            spread: 1.0,
            metric: Metric::Euclidean,
            n_epochs: None,
            init: Init::Spectral,
            learning_rate: 1.0,
            negative_sample_rate: 5,
            repulsion_strength: 1.0,
            set_op_mix_ratio: 1.0,
            local_connectivity: 1.0,
            disconnection_distance: None,
            a: None,
            b: None,
        }
    }
}

pub fn stage() -> Stage {
    Stage {
        kind: "embed",
        version: VERSION,
        summary: "Encodes images to posterior means (or takes features) and embeds them with UMAP.",
        inputs: vec![
            Port::optional("images", &[artifact::IMAGES]),
            Port::optional("model", &[artifact::MODEL]),
            Port::optional("features", &[artifact::FEATURES, artifact::POINTS]),
            // Another description of the same rows, put beside what is embedded: each side is scaled to a total variance of 1,
            // so that neither outweighs the other in distances.
            Port::optional("beside", &[artifact::FEATURES, artifact::POINTS]),
            // A start layout, N × n_components.
            Port::optional("start", &[artifact::POINTS]),
            // Places what is embedded among points embedded before: what they were, and where they are.
            Port::optional("reference", &[artifact::FEATURES, artifact::POINTS]),
            Port::optional("embedding", &[artifact::POINTS]),
        ],
        outputs: |_| {
            vec![
                Output::file("points", artifact::POINTS),
                Output::optional("graph", artifact::GRAPH),
            ]
        },
        settings: settings::<Embed>(),
        draws: |settings| typed::<Embed>(settings).method == Method::Umap,
        check,
        sources: no_sources,
        accelerated: always,
    }
}

fn check(settings: &Value, ports: &Connected<'_>) -> Result<(), Unfit> {
    let settings = typed::<Embed>(settings);
    match (ports.has("images"), ports.has("model"), ports.has("features")) {
        (true, true, false) | (false, false, true) | (true, false, false) => {}
        _ => return Err("wants `images` with `model`, or `images` alone (its pixels), or `features` alone".into()),
    }
    if ports.has("reference") != ports.has("embedding") {
        return Err("wants `reference` and `embedding` together: earlier points and where UMAP placed them".into());
    }
    if ports.has("start") && ports.has("embedding") {
        return Err("`start` begins a new embedding, `embedding` extends one: give one of them".into());
    }
    if ports.has("beside") && ports.has("embedding") {
        return Err("`beside` has another scale among new rows than it had in the reference: embed all at once".into());
    }
    if settings.method == Method::None && (ports.has("start") || ports.has("embedding")) {
        return Err("`method: none` embeds nothing: leave out `start`, `reference` and `embedding`".into());
    }
    if settings.a.is_some() != settings.b.is_some() {
        return Err("wants `a` and `b` together, or neither".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn checked(settings: &Value, ports: &[&'static str]) -> Result<(), String> {
        let ports = Connected(ports.iter().map(|port| (*port, false)).collect());
        let complete = (stage().settings.normalise)(settings).unwrap();
        (stage().check)(&complete, &ports).map_err(|unfit| unfit.to_string())
    }

    #[test]
    fn one_source_of_points_is_wanted() {
        for ports in [&["features"][..], &["images"], &["images", "model"]] {
            assert_eq!(checked(&json!({}), ports), Ok(()));
        }
        for ports in [&[][..], &["model"], &["images", "features"]] {
            assert!(checked(&json!({}), ports).is_err(), "{ports:?}");
        }
    }

    #[test]
    fn new_points_are_placed_among_points_and_their_embedding() {
        assert_eq!(checked(&json!({}), &["features", "reference", "embedding"]), Ok(()));
        assert_eq!(checked(&json!({}), &["features", "start"]), Ok(()));
        for ports in [
            &["features", "reference"][..],
            &["features", "embedding"],
            &["features", "reference", "embedding", "start"],
        ] {
            assert!(checked(&json!({}), ports).is_err(), "{ports:?}");
        }
        let none = json!({"method": "none"});
        assert!(checked(&none, &["features", "start"]).is_err());
    }

    #[test]
    fn a_description_stands_beside_whatever_is_embedded_but_not_beside_new_rows() {
        for ports in [
            &["images", "model", "beside"][..],
            &["features", "beside"],
            &["images", "beside"],
        ] {
            assert_eq!(checked(&json!({}), ports), Ok(()));
        }
        let refused = checked(&json!({}), &["features", "reference", "embedding", "beside"]).unwrap_err();
        assert!(refused.contains("`beside`"), "{refused}");
    }

    #[test]
    fn a_and_b_go_together() {
        assert_eq!(checked(&json!({"a": 1.5, "b": 0.9}), &["features"]), Ok(()));
        assert!(
            checked(&json!({"a": 1.5}), &["features"])
                .unwrap_err()
                .contains("`a` and `b` together")
        );
    }
}
