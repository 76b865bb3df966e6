//! `mice_train`: a mixture of contrastive experts, trained from nothing.

use crate::artifact;
use crate::declare::{always, no_sources, settings, typed};
use crate::measured;
use moelab_engine::stage::{Connected, Output, Port, Stage, Unfit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub const VERSION: u32 = 2;

/// Settings of `mice_train`. Defaults are those of the authors' code for CIFAR-10. Different from it: they train by SGD with
/// momentum and weight decay, at a rate that warms up and falls in steps, this stage by Adam at a constant rate; they change hues and normalise channels too; they let gradients move the prototypes between
/// epochs, here a prototype changes at the end of an epoch alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MiceTrain {
    /// K.
    #[schemars(range(min = 2, max = 10_000))]
    pub n_clusters: u64,
    #[serde(default)]
    pub trunk: Trunk,
    /// Channels of the trunk's first group; each of the three others doubles them.
    #[serde(default = "width")]
    #[schemars(range(min = 1, max = 512))]
    pub width: u64,
    /// Size of an embedding, at least `n_clusters` − 1.
    #[serde(default = "embedding")]
    #[schemars(range(min = 1, max = 4096))]
    pub embedding: u64,
    /// ν, embeddings of earlier batches that a positive pair competes with.
    #[serde(default = "queue")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub queue: u64,
    #[serde(default = "temperature")]
    #[schemars(range(min = 0.01))]
    pub temperature: f64,
    /// Share of its own weights that the teacher keeps in a step.
    #[serde(default = "momentum")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub momentum: f64,
    #[serde(default = "epochs")]
    #[schemars(range(min = 1))]
    pub epochs: u64,
    #[serde(default = "batch_size")]
    #[schemars(range(min = 2))]
    pub batch_size: u64,
    #[serde(default = "learning_rate")]
    #[schemars(range(min = 0.0))]
    pub learning_rate: f64,
    #[serde(default)]
    pub views: Views,
}

/// How deep the residual trunk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Trunk {
    ResNet18,
    #[default]
    ResNet34,
}

/// The random views that are compared. Each image gets its own draw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Views {
    /// A crop of this share of the image or more, of an aspect within 3/4 … 4/3, is brought to the full size.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub least_area: f64,
    /// Share of images made grey.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub grayscale: f64,
    /// Brightness, contrast and saturation are multiplied by factors uniform within 1 ± this.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub jitter: f64,
    /// Mirror half of the images left to right.
    pub flip: bool,
}

impl Default for Views {
    fn default() -> Self {
        Self {
            least_area: 0.2,
            grayscale: 0.2,
            jitter: 0.4,
            flip: true,
        }
    }
}

fn width() -> u64 {
    64
}

fn embedding() -> u64 {
    128
}

fn queue() -> u64 {
    16_384
}

fn temperature() -> f64 {
    1.0
}

fn momentum() -> f64 {
    0.999
}

fn epochs() -> u64 {
    1000
}

fn batch_size() -> u64 {
    256
}

fn learning_rate() -> f64 {
    1e-3
}

pub fn stage() -> Stage {
    Stage {
        kind: "mice_train",
        version: VERSION,
        summary: "Trains a mixture of contrastive experts (MiCE) on images.",
        inputs: vec![Port::one("images", &[artifact::IMAGES])],
        outputs: |_| {
            vec![
                Output::file("model", artifact::MODEL),
                Output::file("assignments", artifact::ASSIGNMENTS),
                Output::file("history", artifact::HISTORY).holding(measured::CURVES_OF_MICE),
            ]
        },
        settings: settings::<MiceTrain>(),
        draws: always,
        check,
        sources: no_sources,
        accelerated: always,
    }
}

fn check(settings: &Value, _: &Connected<'_>) -> Result<(), Unfit> {
    let settings: MiceTrain = typed(settings);
    match settings.embedding + 1 < settings.n_clusters {
        true => Err(format!(
            "`embedding` must be at least {}: fewer dimensions hold no {} centres at equal distances",
            settings.n_clusters - 1,
            settings.n_clusters
        )
        .into()),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_embedding_too_small_for_the_centres_is_refused() {
        let refusal = |embedding: u64| {
            let settings = typed::<MiceTrain>(&json!({"n_clusters": 10, "embedding": embedding}));
            check(&serde_json::to_value(settings).unwrap(), &Connected(vec![])).err()
        };
        assert_eq!(refusal(9), None);
        assert!(refusal(8).unwrap().to_string().contains("at least 9"));
    }
}
