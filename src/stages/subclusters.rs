//! `subclusters`: styles inside the experts of a mixture.

use crate::artifact;
use crate::declare::{always, no_rules, no_sources, settings};
use crate::measured;
use moelab_engine::stage::{Output, Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 2;

/// Settings of `subclusters`. The rows of an expert are encoded by it alone; their posterior means are embedded by UMAP
/// `repeats` times and each embedding is clustered by HDBSCAN, as `stable_split` does with a part. Where these clusterings
/// agree, the pieces that most of them keep apart are the expert's sub-clusters; where they agree on
/// some of the borders only, it is split there; where they agree on none, it stays whole.
/// The report has a row per sub-cluster: its expert (`parent`), its number, its `rows` and their `share` of the expert's, the
/// `agreement` of the expert's clusterings (missing where it has too few rows to ask), and the `distance` of its mean image
/// from the expert's (root mean square over pixels in [0, 1]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Subclusters {
    /// Embeddings of each expert's codes.
    #[schemars(range(min = 2, max = 100))]
    pub repeats: u64,
    /// UMAP's neighbours, the point itself included. An expert with no more rows stays whole.
    #[schemars(range(min = 2))]
    pub n_neighbors: u64,
    /// UMAP's dimensions.
    #[schemars(range(min = 1, max = 256))]
    pub n_components: u64,
    /// HDBSCAN's least cluster, as a share of the expert's rows.
    #[schemars(range(min = 0.001, max = 0.5))]
    pub piece_fraction: f64,
    /// HDBSCAN's `min_samples`.
    #[schemars(range(min = 1))]
    pub min_samples: u64,
    /// Pieces stay together if at least this share of the clusterings puts their rows together.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub together: f64,
    /// Least mean adjusted Rand index between the clusterings of an expert for a split. Styles shade into each other: what
    /// `stable_split` asks of clusters (0.9) few of them reach.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub agreement: f64,
    /// Images of each sub-cluster in the picture `examples`: those whose codes lie nearest to its mean code.
    #[schemars(range(min = 1, max = 100))]
    pub examples: u64,
}

impl Default for Subclusters {
    fn default() -> Self {
        Self {
            repeats: 5,
            n_neighbors: 15,
            n_components: 2,
            piece_fraction: 0.1,
            min_samples: 10,
            together: 0.5,
            agreement: 0.5,
            examples: 12,
        }
    }
}

pub fn stage() -> Stage {
    Stage {
        kind: "subclusters",
        version: VERSION,
        summary: "Finds clusters within each expert of a mixture, in its own codes, and draws them.",
        inputs: vec![
            Port::one("images", &[artifact::IMAGES]),
            Port::one("model", &[artifact::MODEL]),
            // Which expert each row belongs to; noise stays noise.
            Port::one("assignments", &[artifact::ASSIGNMENTS, artifact::CLUSTERS]),
        ],
        outputs: |_| {
            vec![
                // Numbered through all experts: those of expert 0 first, of each the largest first.
                Output::file("clusters", artifact::CLUSTERS),
                Output::file("report", artifact::REPORT),
                // A row per expert that has rows: the mean image of all, then of each sub-cluster if there are several.
                Output::file("means", artifact::PICTURE),
                // A row per sub-cluster.
                Output::file("examples", artifact::PICTURE),
                Output::value("metrics", artifact::METRICS).holding(measured::OF_SUBCLUSTERS),
            ]
        },
        settings: settings::<Subclusters>(),
        draws: always,
        check: no_rules,
        sources: no_sources,
        accelerated: always,
    }
}
