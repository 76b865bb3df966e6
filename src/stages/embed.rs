//! `embed`: posterior means (or given features), then UMAP.

use crate::artifact;
use crate::declare::{always, no_sources, settings};
use moelab_engine::stage::{Output, Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 1;

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
    #[schemars(range(min = 1))]
    pub n_epochs: Option<u64>,
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
        ],
        outputs: |_| {
            vec![
                Output::file("points", artifact::POINTS),
                Output::optional("graph", artifact::GRAPH),
            ]
        },
        settings: settings::<Embed>(),
        draws: always,
        check: |_, ports| match (ports.has("images"), ports.has("model"), ports.has("features")) {
            (true, true, false) | (false, false, true) | (true, false, false) => Ok(()),
            _ => Err("wants `images` with `model`, or `images` alone (its pixels), or `features` alone".into()),
        },
        sources: no_sources,
        accelerated: always,
    }
}
