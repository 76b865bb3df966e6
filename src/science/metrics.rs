//! Scores of a clustering against known classes, and between two clusterings.
//!
//! Classes are numbers ≥ 0, one per row; clusters are numbers ≥ 0, or [`NOISE`] for a row that no cluster took. The plain
//! functions (`accuracy`, `ari`, …) treat every distinct number as a group of its own, noise too: what to do with noise is
//! decided in one place, [`noise`], which gives the three figures we report.

pub mod accuracy;
pub mod contingency;
pub mod hungarian;
pub mod information;
pub mod neighbours;
pub mod noise;
pub mod pairs;
pub mod representative;

pub use accuracy::{Confusion, accuracy, confusion};
pub use contingency::Contingency;
pub use information::{Mean, ami, completeness, homogeneity, nmi, v_measure};
pub use neighbours::neighbours_alike;
pub use noise::{NOISE, NoiseReport, Scores, assign_noise, score};
pub use pairs::ari;
pub use representative::representative_accuracy;

/// Why a score cannot be computed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetricsError {
    #[error(
        "{left} rows have a class but {right} have a cluster; score the rows that the clustering saw, in its order"
    )]
    LengthsDiffer { left: usize, right: usize },
    #[error("there are no rows to score; check that the data set and the clustering are not empty")]
    Empty,
    #[error("row {row} has class {class}, which is not a class; score labelled rows only (classes are numbers from 0)")]
    NotAClass { row: usize, class: i32 },
    #[error(
        "row {row} is in cluster {label}, but the soft memberships have {clusters} columns (clusters count from 0, noise \
         is -1); pass the memberships that belong to these labels"
    )]
    NotACluster { row: usize, label: i32, clusters: usize },
    #[error(
        "{rows} rows have labels but the soft memberships have {memberships} rows; pass those of the same clustering"
    )]
    MembershipRows { rows: usize, memberships: usize },
}

#[cfg(test)]
pub(crate) mod fixtures {
    //! Values that scikit-learn and SciPy gave for small labelings (scripts/fixtures/cluster.py).

    #[derive(serde::Deserialize)]
    pub struct Case {
        pub name: String,
        pub classes: Vec<i32>,
        pub clusters: Vec<i32>,
        pub acc: f64,
        pub nmi_arithmetic: f64,
        pub nmi_geometric: f64,
        pub nmi_min: f64,
        pub nmi_max: f64,
        pub ami: f64,
        pub ari: f64,
        pub homogeneity: f64,
        pub completeness: f64,
        pub v_measure: f64,
    }

    pub fn cases() -> Vec<Case> {
        let text = include_str!("../../tests/fixtures/cluster/metrics.json");
        serde_json::from_str(text).expect("the fixture is written by our own script")
    }

    pub fn close(name: &str, ours: f64, theirs: f64) {
        assert!((ours - theirs).abs() < 1e-12, "{name}: {ours} here, {theirs} there");
    }
}
