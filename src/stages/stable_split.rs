//! `stable_split`: clusters of any number, found by splitting only what splits the same way every time.

use crate::artifact;
use crate::declare::{always, never, no_rules, no_sources, settings};
use crate::measured;
use moelab_engine::stage::{Output, Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 7;

/// Settings of `stable_split`. A part of the points is embedded by UMAP `repeats` times and each embedding is clustered by
/// HDBSCAN; it is split where these clusterings agree. All points together are always split first, agreed or not, into what
/// most of their clusterings keep apart. Clusters that touch are looked at two by two afterwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StableSplit {
    /// Embeddings of each part.
    #[schemars(range(min = 2, max = 100))]
    pub repeats: u64,
    /// UMAP's neighbours, the point itself included.
    #[schemars(range(min = 2))]
    pub n_neighbors: u64,
    /// UMAP's dimensions.
    #[schemars(range(min = 1, max = 256))]
    pub n_components: u64,
    /// HDBSCAN's least cluster, as a share of the part.
    #[schemars(range(min = 0.001, max = 0.5))]
    pub piece_fraction: f64,
    /// HDBSCAN's `min_samples`.
    #[schemars(range(min = 1))]
    pub min_samples: u64,
    /// Pieces stay together if at least this share of the clusterings puts their rows together.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub together: f64,
    /// Least mean adjusted Rand index between the clusterings of a part for a split.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub agreement: f64,
    /// The least cluster that is looked for, as a share of all points.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub min_cluster_fraction: f64,
    /// Clusters with fewer rows than this share of the median cluster join the one that most of their outer neighbours are in;
    /// without such neighbours they are left unlabelled. 0 for data with rare classes.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub minor_share: f64,
}

impl Default for StableSplit {
    fn default() -> Self {
        Self {
            repeats: 5,
            n_neighbors: 15,
            n_components: 2,
            piece_fraction: 0.1,
            min_samples: 10,
            together: 0.1,
            agreement: 0.9,
            min_cluster_fraction: 0.01,
            minor_share: 0.33,
        }
    }
}

pub fn stage() -> Stage {
    Stage {
        kind: "stable_split",
        version: VERSION,
        summary: "Finds clusters of any number by splitting, again and again, what repeated embeddings split alike.",
        inputs: vec![
            Port::one("points", &[artifact::POINTS, artifact::FEATURES]),
            // Where to begin; absent: with everything as one part.
            Port::optional("clusters", &[artifact::CLUSTERS]),
        ],
        outputs: |_| {
            vec![
                Output::file("clusters", artifact::CLUSTERS),
                Output::file("report", artifact::REPORT).holding(measured::REPORT_OF_STABLE_SPLIT),
                Output::value("metrics", artifact::METRICS).holding(measured::OF_STABLE_SPLIT),
            ]
        },
        settings: settings::<StableSplit>(),
        draws: always,
        check: no_rules,
        sources: no_sources,
        accelerated: never,
    }
}
