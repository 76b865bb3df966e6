//! `describe`: images as vectors by rules that nothing had to learn.

use crate::artifact;
use crate::declare::{never, no_rules, no_sources, settings};
use moelab_engine::stage::{Output, Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 2;

/// Settings of `describe`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Describe {
    /// `gradients`: histograms of oriented gradients, which keep how edges run and forget contrast. `pixels`: the image as it
    /// is.
    pub descriptor: Descriptor,
    /// Shear each image upright and centre it first, by its moments: for writing, bright on a dark ground.
    pub deskew: bool,
    /// Bins of orientation between 0° and 180°; of `gradients`, as are `cell` and `block`.
    #[schemars(range(min = 1, max = 36))]
    pub orientations: u64,
    /// Side of a cell in pixels. Absent: a seventh of the image's shorter side, at least one.
    #[schemars(range(min = 1))]
    pub cell: Option<u64>,
    /// Side of a block, within which cells are normalised, in cells.
    #[schemars(range(min = 1, max = 16))]
    pub block: u64,
    /// Leading principal components to keep, at most as many as there are rows and entries. Other images have other
    /// components, so what is to be compared is described at once. 0: the whole description.
    #[schemars(range(min = 0, max = 1000))]
    pub components: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Descriptor {
    Gradients,
    Pixels,
}

impl Default for Describe {
    fn default() -> Self {
        Self {
            descriptor: Descriptor::Gradients,
            deskew: false,
            orientations: 9,
            cell: None,
            block: 3,
            components: 50,
        }
    }
}

pub fn stage() -> Stage {
    Stage {
        kind: "describe",
        version: VERSION,
        summary: "Describes images by their edges (or pixels) and keeps the principal components; nothing is trained.",
        inputs: vec![Port::one("images", &[artifact::IMAGES])],
        outputs: |_| vec![Output::file("points", artifact::POINTS)],
        settings: settings::<Describe>(),
        draws: never,
        check: no_rules,
        sources: no_sources,
        accelerated: never,
    }
}
