//! `manager_fit`: teaches the manager the clusters that were found.

use crate::artifact;
use crate::augment::Augment;
use crate::declare::{always, no_rules, no_sources, settings};
use crate::measured;
use moelab_engine::stage::{Output, Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 1;

/// Settings of `manager_fit`: KL(soft labels ‖ manager) over the rows that are not noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ManagerFit {
    #[schemars(range(min = 1, max = 512))]
    pub filters: u64,
    #[schemars(range(min = 1))]
    pub epochs: u64,
    #[schemars(range(min = 2))]
    pub batch_size: u64,
    #[schemars(range(min = 0.0))]
    pub learning_rate: f64,
    pub soft_labels: SoftLabels,
    /// Train on noise rows too (the ablation); their soft memberships are their targets.
    pub keep_noise: bool,
    pub augment: Augment,
}

/// How memberships become targets. Rows are renormalised to sum 1 in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SoftLabels {
    /// The soft memberships.
    Membership,
    /// p · one-hot + (1 − p) / K with the probability p of the row.
    Probability,
    /// One-hot.
    Hard,
}

impl Default for ManagerFit {
    fn default() -> Self {
        Self {
            filters: 32,
            epochs: 1000,
            batch_size: 100,
            learning_rate: 1e-3,
            soft_labels: SoftLabels::Membership,
            keep_noise: false,
            augment: Augment::default(),
        }
    }
}

pub fn stage() -> Stage {
    Stage {
        kind: "manager_fit",
        version: VERSION,
        summary: "Trains the manager, a convolutional classifier, on the soft labels of the clusters.",
        inputs: vec![
            Port::one("images", &[artifact::IMAGES]),
            Port::one("clusters", &[artifact::CLUSTERS]),
        ],
        outputs: |_| {
            vec![
                Output::file("manager", artifact::MANAGER),
                Output::file("assignments", artifact::ASSIGNMENTS),
                Output::file("history", artifact::HISTORY).holding(measured::CURVES_OF_MANAGER),
            ]
        },
        settings: settings::<ManagerFit>(),
        draws: always,
        check: no_rules,
        sources: no_sources,
        accelerated: always,
    }
}
