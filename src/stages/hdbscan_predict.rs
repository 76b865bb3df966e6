//! `hdbscan_predict`: where new points belong in a clustering of others, which stays as it is.

use crate::artifact;
use crate::declare::{never, no_sources, settings};
use crate::hdbscan::{self, Hdbscan};
use moelab_engine::stage::{Output, Port, Stage};

pub const VERSION: u32 = 1;

pub fn stage() -> Stage {
    Stage {
        kind: "hdbscan_predict",
        version: VERSION,
        summary: "Places new points in HDBSCAN's clusters of other points, with the settings of that clustering.",
        inputs: vec![
            Port::one("points", &[artifact::POINTS, artifact::FEATURES]),
            Port::one("reference", &[artifact::POINTS, artifact::FEATURES]),
        ],
        outputs: |_| vec![Output::file("clusters", artifact::CLUSTERS)],
        settings: settings::<Hdbscan>(),
        draws: never,
        check: hdbscan::check,
        sources: no_sources,
        accelerated: never,
    }
}
