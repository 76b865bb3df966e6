//! `hdbscan`: clusters by density; K is found.

use crate::artifact;
use crate::declare::{never, no_sources, settings, typed};
use moelab_engine::stage::{Connected, Output, Port, Stage, Unfit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub const VERSION: u32 = 2;

/// Settings of `hdbscan`, named as the hdbscan package names them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Hdbscan {
    /// The least number of points of a cluster. Absent: 5, unless `min_cluster_fraction` is given.
    #[schemars(range(min = 2))]
    pub min_cluster_size: Option<u64>,
    /// `min_cluster_size` as a share of the rows (never below 5), so that one setting fits data sets of several sizes.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub min_cluster_fraction: Option<f64>,
    /// A point's core distance is its distance to the `min_samples`-th *other* point (hdbscan's convention; scikit-learn
    /// counts the point itself). Absent: equal to the minimum cluster size. With `linkage`, that of the linkage holds.
    #[schemars(range(min = 1))]
    pub min_samples: Option<u64>,
    pub cluster_selection_method: SelectionMethod,
    #[schemars(range(min = 0.0))]
    pub cluster_selection_epsilon: f64,
    /// Clusters may not be larger than this; absent: no limit.
    #[schemars(range(min = 1))]
    pub max_cluster_size: Option<u64>,
    pub allow_single_cluster: bool,
    /// Distances are divided by this before they are compared with core distances. With `linkage`, that of the linkage
    /// holds.
    #[schemars(range(min = 0.0))]
    pub alpha: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SelectionMethod {
    /// Excess of mass.
    Eom,
    Leaf,
}

impl Default for Hdbscan {
    fn default() -> Self {
        Self {
            min_cluster_size: None,
            min_cluster_fraction: None,
            min_samples: None,
            cluster_selection_method: SelectionMethod::Eom,
            cluster_selection_epsilon: 0.0,
            max_cluster_size: None,
            allow_single_cluster: false,
            alpha: 1.0,
        }
    }
}

impl Hdbscan {
    /// The minimum cluster size for `rows` points.
    pub fn min_cluster_size_for(&self, rows: usize) -> usize {
        match (self.min_cluster_size, self.min_cluster_fraction) {
            (Some(size), _) => size as usize,
            (None, Some(share)) => ((rows as f64 * share).round() as usize).max(5),
            (None, None) => 5,
        }
    }
}

pub fn stage() -> Stage {
    Stage {
        kind: "hdbscan",
        version: VERSION,
        summary: "Finds clusters of any number by density, with soft memberships and the condensed tree.",
        inputs: vec![
            Port::one("points", &[artifact::POINTS, artifact::FEATURES]),
            // The tree of these points, where several clusterings share it.
            Port::optional("linkage", &[artifact::LINKAGE]),
        ],
        outputs: |_| {
            vec![
                Output::file("clusters", artifact::CLUSTERS),
                Output::file("tree", artifact::TREE),
            ]
        },
        settings: settings::<Hdbscan>(),
        draws: never,
        check,
        sources: no_sources,
        accelerated: never,
    }
}

pub(crate) fn check(settings: &Value, ports: &Connected<'_>) -> Result<(), Unfit> {
    let hdbscan: Hdbscan = typed(settings);
    if ports.has("linkage") && (hdbscan.min_samples.is_some() || hdbscan.alpha != 1.0) {
        return Err(
            "with the input `linkage`, `min_samples` and `alpha` are settings of the stage that makes it".into(),
        );
    }
    match (hdbscan.min_cluster_size, hdbscan.min_cluster_fraction) {
        (Some(_), Some(_)) => Err("`min_cluster_size` and `min_cluster_fraction` exclude each other".into()),
        _ => Ok(()),
    }
}
